import logging
from dataclasses import replace

import pytest
import torch

from encoder.campplus.model import CAMPPlusModel
from encoder.config import DinoConfig, PartialsConfig, no_augmentation
from encoder.crops import CropBatches
from encoder.dino_task import DinoTask
from encoder.lstm.model import SpeakerEncoderModel
from modelfile.header import ModelHeader
from tests.encoder.test_margin import TOY
from training.run_directory import RunDirectory

CONFIG = DinoConfig(
    utterances=6, long_frames=20, short_frames=10, short_crops=2, prototypes=32, head_size=16, bottleneck_size=8,
    momentum=(0.9, 1.0), frozen_steps=0.0,
)  # fmt: skip


def make_task(toy_store, config: DinoConfig = CONFIG, steps: int = 100) -> DinoTask:
    torch.manual_seed(0)
    return DinoTask(CAMPPlusModel(TOY), toy_store, ModelHeader("encoder", "campplus"), config, steps=steps)


def train(task: DinoTask, batches: CropBatches, steps: int, same_batch: bool = False) -> list[float]:
    modules = [task.model, task.learner.head]
    optimizer = torch.optim.Adam([p for module in modules for p in module.parameters()], lr=5e-3)
    losses = []
    for step in range(steps):
        parts = task.step(batches.batch_at(0 if same_batch else step), step, torch.Generator())
        optimizer.zero_grad()
        parts["loss"].backward()
        optimizer.step()
        task.after_step(step + 1, {})
        losses.append(float(parts["dino"].detach()))
    return losses


def test_no_gradient_reaches_the_teacher_and_the_student_is_trained(toy_store) -> None:
    task = make_task(toy_store, replace(CONFIG, koleo_weight=0.1))
    batch = CropBatches(toy_store, CONFIG, no_augmentation()).batch_at(0)
    parts = task.step(batch, 50, torch.Generator())
    assert set(parts) == {"loss", "dino", "koleo", "teacher_entropy", "marginal_entropy", "spread", "items"}
    parts["loss"].backward()
    for module in (task.teacher, task.learner.teacher_head):
        assert all(not parameter.requires_grad and parameter.grad is None for parameter in module.parameters())
    for module in (task.model, task.learner.head):
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
    assert task.learner.centre.value.abs().sum() > 0


def test_the_teacher_follows_the_student(toy_store) -> None:
    task = make_task(toy_store)
    name, student = next(iter(task.model.named_parameters()))
    with torch.no_grad():
        student.add_(1)
    before = task.teacher.get_parameter(name).clone()
    task.after_step(1, {})
    torch.testing.assert_close(task.teacher.get_parameter(name), before + 0.1, atol=1e-5, rtol=0)
    task.after_step(101, {})  # the momentum ends at 1
    torch.testing.assert_close(task.teacher.get_parameter(name), before + 0.1, atol=1e-5, rtol=0)


def test_one_batch_overfits(toy_store) -> None:
    task = make_task(toy_store)
    batches = CropBatches(toy_store, CONFIG, no_augmentation())
    losses = train(task, batches, 60, same_batch=True)
    assert losses[-1] < 0.5 * losses[0]


def test_the_teacher_is_saved_and_the_newest_is_the_best(toy_store, tmp_path) -> None:
    task = make_task(toy_store)
    train(task, CropBatches(toy_store, CONFIG, no_augmentation()), 2)
    stored = task.stored_weights()
    assert all(torch.equal(stored[name], value) for name, value in task.teacher.state_dict().items())
    assert any(not torch.equal(stored[name], value) for name, value in task.model.state_dict().items())
    task.teacher.eval()
    figures = task.validate(20, RunDirectory(tmp_path))
    assert set(figures) == {"eer", "min_dcf", "noisy_eer", "spread", "teacher_step"}
    assert (task.best_metric, task.best_mode, figures["teacher_step"]) == ("teacher_step", "max", 20)
    assert task.model_file()["embedding_space"].startswith("encoder-")


def test_a_collapse_is_logged_after_the_first_steps(toy_store, tmp_path, caplog) -> None:
    task = make_task(toy_store)
    train(task, CropBatches(toy_store, CONFIG, no_augmentation()), 1)
    with torch.no_grad():  # all embeddings are equal
        task.teacher.get_parameter("linear.weight").zero_()
        task.teacher.get_buffer("normalise.running_mean").fill_(-1)
    task.teacher.eval()
    with caplog.at_level(logging.WARNING):
        task.validate(50, RunDirectory(tmp_path))
        assert not caplog.records
        task.validate(100, RunDirectory(tmp_path))
    assert "nearly the same embedding" in caplog.text


def test_biases_and_norms_have_no_weight_decay(toy_store) -> None:
    task = make_task(toy_store)
    decayed, other = task.param_groups()
    assert other["decay_scale"] == 0.0
    assert {parameter.ndim for parameter in other["params"]} == {1}
    trained = sum(parameter.numel() for module in (task.model, task.learner.head) for parameter in module.parameters())
    assert sum(parameter.numel() for group in (decayed, other) for parameter in group["params"]) == trained


@pytest.mark.parametrize("short_crops", [0, 2])
def test_an_lstm_is_trained_too(toy_store, toy_config, short_crops: int) -> None:
    torch.manual_seed(0)
    model = SpeakerEncoderModel(replace(toy_config, compression="log", partials=PartialsConfig(20, 10)))
    config = replace(CONFIG, short_crops=short_crops)
    task = DinoTask(model, toy_store, ModelHeader("encoder", "lstm"), config, steps=10)
    losses = train(task, CropBatches(toy_store, config, no_augmentation()), 2)
    assert all(loss > 0 for loss in losses)
