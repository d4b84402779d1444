from dataclasses import replace

import numpy as np
import torch

from encoder.campplus.model import CAMPPlusModel
from encoder.cluster_dino import LEAD, ClusterCropBatches, ClusterDinoTask
from encoder.config import ClusterConfig, no_augmentation
from encoder.crops import CropBatches
from modelfile.header import ModelHeader
from tests.encoder import test_crops, test_dino_task
from tests.encoder.test_margin import TOY


def numbers(crops: torch.Tensor) -> np.ndarray:
    """The utterance of each crop of `test_crops.NumberedStore`: [crops, utterances]."""
    return crops.amax(dim=(2, 3)).numpy()


def test_crops_are_of_different_utterances_of_one_cluster() -> None:
    store, config = test_crops.NumberedStore(), replace(test_crops.CONFIG, long_crops=2, short_crops=2)
    batches = ClusterCropBatches(store, config, no_augmentation())
    names = np.array(batches.items) + 1  # values of the training utterances
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 0])  # clusters of five, two and one utterance
    plain = CropBatches(store, config, no_augmentation()).batch_at(3)
    assert torch.equal(batches.batch_at(3)["long"], plain["long"])  # before the first clustering
    batches.clusters.add(torch.from_numpy(labels), 4)
    assert torch.equal(batches.batch_at(3)["short"], plain["short"])
    sizes = set()
    for step in range(4, 12):
        batch = batches.batch_at(step)
        rows = np.concatenate([numbers(batch["long"]), numbers(batch["short"])])
        assert (rows[0] == numbers(CropBatches(store, config, no_augmentation()).batch_at(step)["long"])[0]).all()
        for row in rows.T:
            own = labels[np.searchsorted(names, row)]
            assert (own == own[0]).all()
            members = int((labels == own[0]).sum())
            assert len(set(row)) == min(members, 4)
            assert members == 1 or (row[:-1] != row[1:]).all()
            sizes.add(members)
    assert sizes == {1, 2, 5}


def make_task(toy_store) -> ClusterDinoTask:
    torch.manual_seed(0)
    config = test_dino_task.CONFIG
    batches = ClusterCropBatches(toy_store, config, no_augmentation())
    return ClusterDinoTask(
        CAMPPlusModel(TOY), toy_store, ModelHeader("encoder", "campplus"), config, batches=batches,
        clustering=ClusterConfig(count=4, every=4.0), start=3, seed=0, steps=100,
    )  # fmt: skip


def test_the_teacher_clusters_every_few_epochs(toy_store) -> None:
    task = make_task(toy_store)
    assert task.every == round(4 * len(task.batches.items) / 6) == 11
    clustered = []
    for step in range(30):
        parts = task.step(task.batches.batch_at(step), step, torch.Generator())
        assert ("purity" in parts) == (step >= 3)
        before = task.batches.clusters.labels.clone(), task.batches.clusters.first_steps.clone()
        task.after_step(step + 1, {})
        if not torch.equal(before[1], task.batches.clusters.first_steps):
            clustered.append(step + 1)
        assert task.teacher.training
    assert clustered == [3, 14, 25]
    assert sorted(task.batches.clusters.first_steps.tolist()) == [14 + LEAD, 25 + LEAD]
    assert 0 < float(parts["purity"]) <= 1 and 0 <= float(parts["nmi"]) <= 1


def test_no_gradient_reaches_the_teacher(toy_store) -> None:
    task = make_task(toy_store)
    task.after_step(3, {})
    parts = task.step(task.batches.batch_at(3 + LEAD), 20, torch.Generator())
    parts["loss"].backward()
    for module in (task.teacher, task.extra_modules["teacher_head"]):
        assert all(not parameter.requires_grad and parameter.grad is None for parameter in module.parameters())
    assert all(parameter.grad is not None for parameter in task.model.parameters())


def test_one_batch_overfits(toy_store) -> None:
    task = make_task(toy_store)
    task.after_step(3, {})
    task.start = 1000  # the clusters stay
    losses = test_dino_task.train(task, _Same(task.batches.batch_at(3 + LEAD)), 60, same_batch=True)
    assert losses[-1] < 0.6 * losses[0]


class _Same(CropBatches):
    def __init__(self, batch):
        self.batch = batch

    def batch_at(self, step: int):
        return self.batch
