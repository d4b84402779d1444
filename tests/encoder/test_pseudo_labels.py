"""Pseudo labels on speakers that are points, utterances around them, and frames around these."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from encoder.base import EncoderModel
from encoder.campplus.config import CAMPPlusConfig
from encoder.clustering import embed_utterances
from encoder.compression import log_mels
from encoder.config import MarginConfig, PartialsConfig, PseudoLabelConfig, no_augmentation
from encoder.gate_figures import add_gate_pictures
from encoder.loss_gate import OPEN, LossGate
from encoder.metrics import all_pairs, equal_error_rate
from encoder.pseudo_labels import PseudoLabelTask
from encoder.utterances import UtteranceBatches
from modelfile.header import ModelHeader
from speech.errors import ConfigError
from training.run_directory import RunDirectory

BANDS, FRAMES = 24, 12
SPEAKERS, HELD_OUT, UTTERANCES = 30, 40, 20
MARGIN = MarginConfig(margin=0.2, rise=(0.2, 0.6), scale=16.0, speeds=(1.0,))
CONFIG = PseudoLabelConfig(utterances=60, warmup_epochs=4)


class PointStore:
    """Log mels of an utterance: a speaker's point in some directions, a room's in the others, and noise."""

    def __init__(self, seed: int = 0):
        rng = np.random.default_rng(seed)
        axes = np.linalg.qr(rng.standard_normal((BANDS, BANDS)))[0]
        self.mels, self.metas = [], []
        for speaker in range(SPEAKERS + HELD_OUT):
            voice = 0.5 * rng.standard_normal(8) @ axes[:8]
            for _ in range(UTTERANCES):
                room = 0.5 * rng.standard_normal(16) @ axes[8:] + 0.15 * rng.standard_normal(8) @ axes[:8]
                frames = voice + room + 0.5 * rng.standard_normal((3 * FRAMES, BANDS))
                self.mels.append(np.exp(frames).astype(np.float32))
                split = "train" if speaker < SPEAKERS else "validation"
                self.metas.append({"speaker": f"{speaker:03d}", "split": split})

    def __len__(self) -> int:
        return len(self.mels)

    def meta(self, i: int) -> dict:
        return self.metas[i]

    def array(self, i: int, name: str) -> np.ndarray:
        return self.mels[i]


class MeanModel(EncoderModel):
    """A small network on the mean log mel."""

    def __init__(self) -> None:
        super().__init__()
        self.config = CAMPPlusConfig(n_mels=BANDS, embedding_size=16, partials=PartialsConfig(FRAMES, FRAMES))
        self.layers = nn.Sequential(
            nn.BatchNorm1d(BANDS), nn.Linear(BANDS, 64), nn.ReLU(), nn.Linear(64, 16), nn.BatchNorm1d(16, affine=False)
        )

    def forward(self, mels: Tensor) -> Tensor:
        return functional.normalize(self.layers(log_mels(mels).mean(dim=1)), dim=-1)


@pytest.fixture(scope="module")
def store() -> PointStore:
    return PointStore()


def make_task(store: PointStore, labels: np.ndarray | None = None, config=CONFIG, steps: int = 300) -> PseudoLabelTask:
    torch.manual_seed(0)
    batches = UtteranceBatches(store, config.utterances, FRAMES, no_augmentation())
    return PseudoLabelTask(
        MeanModel(), store, ModelHeader("encoder", "toy"), batches=batches,
        labels=true_labels() if labels is None else labels, config=config, margin=MARGIN, directions=SPEAKERS,
        steps=steps,
    )  # fmt: skip


def true_labels() -> np.ndarray:
    return np.repeat(np.arange(SPEAKERS), UTTERANCES)


def with_errors(labels: np.ndarray, fraction: float) -> np.ndarray:
    """Labels of which a fraction is moved to a different class."""
    rng = np.random.default_rng(1)
    wrong = rng.permutation(len(labels))[: round(fraction * len(labels))]
    noisy = labels.copy()
    noisy[wrong] = (noisy[wrong] + rng.integers(1, SPEAKERS, len(wrong))) % SPEAKERS
    return noisy


def train(task: PseudoLabelTask) -> None:
    parameters = [*task.model.parameters(), *task.classifier.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-2, weight_decay=1e-4)
    for step in range(task.steps):
        losses = task.step(task.batches.batch_at(step), step, torch.Generator())
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        task.after_step(step + 1, {})


def held_out_eer(task: PseudoLabelTask) -> float:
    items = range(SPEAKERS * UTTERANCES, (SPEAKERS + HELD_OUT) * UTTERANCES)
    embeddings = embed_utterances(task.model, task.batches.store, items, 3)
    return equal_error_rate(*all_pairs(embeddings, np.repeat(np.arange(HELD_OUT), UTTERANCES)))


def test_the_loss_is_that_of_the_reliable_labels_and_the_corrections(store: PointStore) -> None:
    task = make_task(store)
    batch = task.batches.batch_at(0)
    open_gate = task.step(batch, 0, torch.Generator())
    losses = task.record.losses[batch["positions"]]
    torch.testing.assert_close(open_gate["loss"].detach(), losses.mean())
    assert (open_gate["reliable"], open_gate["corrected"], open_gate["left_out"]) == (1, 0, 0)
    middle = float(losses.median())
    task.record.gate = LossGate((0.5, 0.5), (0.0, 1.0), (1.0, 1.0), np.log(middle))
    below = losses <= middle
    for correct, confidence in ((False, 0.5), (True, 0.999), (True, 0.0)):
        task.config = replace(CONFIG, correct=correct, confidence=confidence)
        gated = task.step(batch, 0, torch.Generator())
        assert float(gated["reliable"]) == pytest.approx(float(below.float().mean()))
        assert float(gated["corrected"]) == (pytest.approx(float((~below).float().mean())) if not confidence else 0)
        assert float(gated["reliable"] + gated["corrected"] + gated["left_out"]) == pytest.approx(1)
        alone = float(losses[below].sum() / len(losses))
        loss = float(gated["loss"].detach())
        assert loss > alone if not confidence else loss == pytest.approx(alone)
    gated["loss"].backward()
    for module in (task.model, task.classifier):
        assert all(parameter.grad is not None for parameter in module.parameters())
    assert task.model.training


def test_one_batch_overfits(store: PointStore) -> None:
    task = make_task(store, config=replace(CONFIG, gate=False))
    batch = task.batches.batch_at(0)
    optimizer = torch.optim.Adam([*task.model.parameters(), *task.classifier.parameters()], lr=1e-2)
    for _ in range(60):
        parts = task.step(batch, 0, torch.Generator())
        optimizer.zero_grad()
        parts["loss"].backward()
        optimizer.step()
    assert float(parts["loss"].detach()) < 0.1 and parts["right"] == 1


def test_a_gate_is_fitted_at_the_end_of_an_epoch_after_the_warm_up(store: PointStore) -> None:
    task = make_task(store, config=replace(CONFIG, warmup_epochs=2))  # an epoch has ten steps
    rng = np.random.default_rng(0)
    losses = np.exp(np.concatenate([rng.normal(-3, 0.5, 400), rng.normal(1, 0.3, 200)]))
    task.record.losses.copy_(torch.from_numpy(losses))
    for done in (9, 10, 19):
        task.after_step(done, {})
        assert task.record.gate.threshold == np.inf
    task.after_step(20, {})
    assert -2.5 < task.record.gate.threshold < 0.5
    figures = task.gate_figures()
    assert figures["reliable"] == pytest.approx(2 / 3, abs=0.01)
    assert figures["purity"] == figures["nmi"] == 1
    assert np.isnan(figures["errors_found"]) and figures["right_labels_kept"] == pytest.approx(2 / 3, abs=0.01)


def test_classes_start_at_the_directions_of_the_clusters(store: PointStore) -> None:
    directions = np.eye(16, dtype=np.float32)[:4]
    batches = UtteranceBatches(store, 4, FRAMES, no_augmentation(), speeds=(0.9, 1.0))
    task = PseudoLabelTask(
        MeanModel(), store, ModelHeader("encoder", "toy"), batches=batches, labels=true_labels() % 4, config=CONFIG,
        margin=MARGIN, directions=directions, steps=10,
    )  # fmt: skip
    np.testing.assert_array_equal(task.classifier.directions.detach().numpy(), directions.repeat(2, axis=0))
    batch = task.batches.batch_at(0)
    assert (
        task._classes(batch).tolist() == (true_labels()[batch["positions"]] % 4 * 2 + batch["speeds"].numpy()).tolist()
    )


def test_the_losses_and_the_shares_are_drawn(store: PointStore, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.samples.mkdir()
    losses = np.random.default_rng(0).gamma(1.0, size=100)
    add_gate_pictures(run, 6, losses, OPEN)
    assert [path.name for path in run.samples.iterdir()] == ["step-000000006-gate.png"]
    run.append_log({"step": 1, "reliable": 0.5, "corrected": 0.2, "left_out": 0.3, "validation/errors_found": None})
    add_gate_pictures(run, 7, losses, LossGate((0.5, 0.5), (-1.0, 0.5), (1.0, 0.3), 0.0))
    assert {path.name for path in run.samples.glob("*7-*")} == {"step-000000007-gate.png", "step-000000007-labels.png"}
    task = make_task(store)
    task.model.eval()
    figures = task.validate(7, run)
    assert figures["newest_step"] == 7 and 0 <= figures["eer"] <= 1 and "reliable" not in figures  # no losses yet


def test_made_up_errors_are_found(store: PointStore) -> None:
    noisy = with_errors(true_labels(), 0.3)
    assert (noisy != true_labels()).mean() == pytest.approx(0.3)
    task = make_task(store, noisy)
    train(task)
    figures = task.gate_figures()
    print(f"recall {figures['errors_found']:.3f}, precision {figures['found_are_errors']:.3f}")
    assert figures["errors_found"] >= 0.7 and figures["found_are_errors"] >= 0.5


@pytest.mark.slow
def test_training_with_errors_is_closer_to_training_without_them(store: PointStore) -> None:
    noisy = with_errors(true_labels(), 0.3)
    rates = {}
    for name, labels, config in (
        ("clean", true_labels(), replace(CONFIG, gate=False)),
        ("noisy", noisy, replace(CONFIG, gate=False)),
        ("gate", noisy, replace(CONFIG, correct=False)),
        ("gate and correction", noisy, CONFIG),
    ):
        task = make_task(store, labels, config)
        train(task)
        rates[name] = held_out_eer(task)
    print(", ".join(f"{name} {rate:.2%}" for name, rate in rates.items()))
    middle = (rates["clean"] + rates["noisy"]) / 2
    assert rates["gate and correction"] < middle and rates["gate"] < middle


@pytest.mark.parametrize(
    "values", [{"utterances": 1}, {"iterations": 0}, {"warmup_epochs": 0}, {"confidence": 1.0}, {"sharpening": 0.0}]
)
def test_invalid_settings_are_refused(values) -> None:
    with pytest.raises(ConfigError):
        PseudoLabelConfig(**values)
