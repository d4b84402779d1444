"""Training of the detector: batches of both classes, the task, and the calibration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from detector.inference import KIND, STAGE, Detector
from detector.model import DetectorNetwork, loss_of
from encoder.metrics import equal_error_rate
from evaluation.detection_clips import RECORDED
from speech.audio import INT16_SCALE
from speech.errors import CorpusError
from training.config import Task

if TYPE_CHECKING:
    from corpora.store import FeatureStore
    from training.run_directory import RunDirectory

LEAST_OF_A_CLASS = 8  # clips for the calibration


@dataclass(frozen=True, eq=False)
class Scored:
    """Mean scores of clips. Attributes: scores float64 [clips], generators and conditions [clips]."""

    scores: np.ndarray
    generators: tuple[str, ...]
    conditions: tuple[str, ...]

    @property
    def synthetic(self) -> np.ndarray:
        """bool [clips]"""
        return np.array([generator != RECORDED for generator in self.generators], bool)

    def where(self, chosen: Iterable[bool]) -> Scored:
        """The clips that are chosen, [clips]."""
        kept = [index for index, wanted in enumerate(chosen) if wanted]
        return Scored(
            self.scores[kept],
            tuple(self.generators[index] for index in kept),
            tuple(self.conditions[index] for index in kept),
        )


def is_held_out(generator: str, held_out: Sequence[str]) -> bool:
    """Whether a generator is one of those held out, by a part of its name: "wavernn" means its copies and clones."""
    return generator != RECORDED and any(name in generator for name in held_out)


class DetectionBatches:
    """Crops of the training split: half of them recordings, and of the others as many of each generator.

    Args:
        store: made by `evaluation.detection_set`.
        samples: of a crop. Shorter clips are repeated.
        held_out: generators that are not used, see `is_held_out`.

    Raises:
        CorpusError: a class is missing.
    """

    def __init__(
        self, store: FeatureStore, batch_size: int, samples: int, held_out: Sequence[str] = (), *, seed: int = 0
    ) -> None:
        self.store, self.batch_size, self.samples, self.seed = store, batch_size, samples, seed
        self.items: dict[str, list[int]] = {}
        for index in store.select(split="train"):
            generator = store.meta(index)["generator"]
            if not is_held_out(generator, held_out):
                self.items.setdefault(generator, []).append(index)
        self.generators = sorted(set(self.items) - {RECORDED})
        if not self.generators or RECORDED not in self.items:
            raise CorpusError(f"{store.directory} needs recorded and synthesized speech for training: make it again.")

    def batch_at(self, step: int) -> dict[str, Tensor]:
        """wave float32 [batch, samples] and synthetic float32 [batch]."""
        rng = np.random.default_rng([self.seed, step])
        waves, synthetic = [], []
        for number in range(self.batch_size):
            generator = RECORDED if number % 2 == 0 else str(rng.choice(self.generators))
            wav = self.store.array(int(rng.choice(self.items[generator])), "wav")
            start = int(rng.integers(max(1, len(wav) - self.samples + 1)))
            waves.append(np.resize(wav[start : start + self.samples], self.samples))
            synthetic.append(float(generator != RECORDED))
        wave = torch.from_numpy(np.stack(waves).astype(np.float32) / np.float32(INT16_SCALE))
        return {"wave": wave, "synthetic": torch.tensor(synthetic)}


class DetectionTask(Task):
    """Binary classification. Validation is on the calibration split.

    Args:
        held_out: generators that are not used, see `is_held_out`.
        about: entries of the model file's header: licence, trained_on.
    """

    best_metric = "eer"

    def __init__(
        self, network: DetectorNetwork, store: FeatureStore, held_out: Sequence[str] = (), **about: str
    ) -> None:
        self.model: DetectorNetwork = network
        self.store, self.held_out, self.about = store, tuple(held_out), about

    def step(self, batch: dict[str, Tensor], step: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {"loss": loss_of(self.model(batch["wave"]), batch["synthetic"])}

    def validate(self, step: int, run: RunDirectory) -> dict[str, float]:
        """The equal error rate over all conditions."""
        scored = score_split(self.model, self.store, "calibration", self.held_out)
        return {"eer": equal_error_rate(scored.scores, scored.synthetic)}

    def model_file(self) -> dict[str, Any]:
        return {"stage": STAGE, "kind": KIND, "config": self.model.config, **self.about}


def score_split(
    network: DetectorNetwork, store: FeatureStore, split: str, held_out: Sequence[str] = (), *, only: bool = False
) -> Scored:
    """Scores of the clips of a split.

    Args:
        held_out: generators that are left out, see `is_held_out`.
        only: use the recordings and those generators instead.

    Raises:
        CorpusError: it has too few clips of a class.
    """
    training = network.training
    detector = Detector(network)
    items = [
        index
        for index in store.select(split=split)
        if store.meta(index)["generator"] == RECORDED or is_held_out(store.meta(index)["generator"], held_out) == only
    ]
    scores = [detector.score(np.asarray(store.array(index, "wav")) / np.float32(INT16_SCALE)) for index in items]
    network.train(training)
    metas = [store.meta(index) for index in items]
    scored = Scored(
        np.array(scores), tuple(meta["generator"] for meta in metas), tuple(meta["condition"] for meta in metas)
    )
    if min(np.count_nonzero(scored.synthetic), np.count_nonzero(~scored.synthetic)) < LEAST_OF_A_CLASS:
        raise CorpusError(
            f"The {split} split needs at least {LEAST_OF_A_CLASS} clips of both classes: make a larger set."
        )
    return scored


def calibrate(scored: Scored) -> tuple[float, float]:
    """Factor and offset that make the logarithm of the odds of mean scores, for classes of equal frequency.

    Logistic regression with equal weight for both classes (Platt 1999).
    """
    from scipy.optimize import minimize

    scores, signs = scored.scores, np.where(scored.synthetic, 1.0, -1.0)
    weights = np.where(scored.synthetic, 0.5 / scored.synthetic.mean(), 0.5 / (~scored.synthetic).mean())

    def loss(values: np.ndarray) -> float:
        margin = signs * (values[0] * scores + values[1])
        return float(np.mean(weights * np.logaddexp(0, -margin)) + 1e-4 * (values[0] - 1) ** 2)

    factor, offset = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return max(float(factor), 1e-3), float(offset)
