"""Training on pseudo labels by AAM-softmax, with dynamic loss gate and label correction (DLG-LC, arXiv 2208.01928)."""

import functools
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from encoder.base import EncoderModel
from encoder.clustering import Labels, majority_speakers, normalised_mutual_information, purity, speakers_of
from encoder.config import MarginConfig, PseudoLabelConfig
from encoder.data import Floats
from encoder.gate_figures import add_gate_pictures
from encoder.loss_gate import OPEN, SMALLEST_LOSS, LossGate, correction_losses, fit_gate, log_losses
from encoder.margin import AAMSoftmax, aam_logits, margin_at
from encoder.speaker_task import SpeakerTask
from encoder.utterances import UtteranceBatches, Windows
from training.processes import gather

if TYPE_CHECKING:
    from training.run_directory import RunDirectory

logger = logging.getLogger(__name__)

UNSEEN = -1.0


class LabelRecord(nn.Module):
    """Label and last loss of each training utterance, and the gate. Part of the resumable state."""

    labels: Tensor
    losses: Tensor
    gate_values: Tensor

    def __init__(self, labels: Labels):
        super().__init__()
        self.register_buffer("labels", torch.from_numpy(labels))
        self.register_buffer("losses", torch.full((len(labels),), UNSEEN))
        self.register_buffer("gate_values", torch.zeros(7))
        self.gate = OPEN

    @property
    def gate(self) -> LossGate:
        values = self.gate_values.tolist()
        return LossGate((values[0], values[1]), (values[2], values[3]), (values[4], values[5]), values[6])

    @gate.setter
    def gate(self, gate: LossGate) -> None:
        self.gate_values.copy_(torch.tensor([*gate.weights, *gate.means, *gate.deviations, gate.threshold]))

    def seen_losses(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the utterances with a loss, and their losses."""
        losses = self.losses.cpu().numpy()
        seen = np.flatnonzero(losses != UNSEEN)
        return seen, losses[seen]


class PseudoLabelTask(SpeakerTask):
    """Classifies the training utterances by their pseudo labels. The newest model is the best, as in DINO.

    In each epoch, a gate is fitted to the last losses of all utterances. A window whose loss is below it is trained on
    its label. Above it, the target is the model's own sharpened prediction for the window before augmentation, if that
    is confident; otherwise the window is left out.

    Args:
        model, store, header, others: as `SpeakerTask`.
        batches: whose utterances have the labels.
        labels: int64 [utterances of `batches`].
        config: gate and correction.
        margin: of AAM-softmax.
        directions: initial ones of the labels, float32 [classes of labels, dim]; random ones if an int, their number.
        steps: of the whole training, for the schedule of the margin.
    """

    best_metric = "newest_step"
    best_mode: Literal["min", "max"] = "max"

    def __init__(
        self,
        model: EncoderModel,
        *args: Any,
        batches: UtteranceBatches,
        labels: Labels,
        config: PseudoLabelConfig,
        margin: MarginConfig,
        directions: Floats | int,
        steps: int,
        **others: Any,
    ):
        super().__init__(model, *args, names_needed=False, **others)
        self.batches, self.config, self.margin, self.steps = batches, config, margin, steps
        self.classes = directions if isinstance(directions, int) else len(directions)
        speeds = len(batches.speeds)
        self.classifier = AAMSoftmax(self.classes * speeds, model.config.embedding_size, margin)
        if not isinstance(directions, int):
            with torch.no_grad():
                self.classifier.directions.copy_(torch.from_numpy(directions).repeat_interleave(speeds, dim=0))
        self.record = LabelRecord(labels)
        self.extra_modules = {"classifier": self.classifier, "record": self.record}
        self.speakers = speakers_of(batches.store, batches.items)

    def step(self, batch: Windows, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """`loss`; fractions of the windows: `right`, `reliable`, `corrected` and `left_out`; and the `margin`.

        With speaker names also `corrected_right`, the fraction that is corrected to the right speaker.
        """
        margin, scale = margin_at(step, self.steps, self.margin), self.margin.scale
        classes = self._classes(batch)
        cosines = self.classifier.cosines(self.model(batch["mels"]))
        with torch.autocast(cosines.device.type, enabled=False):
            losses = functional.cross_entropy(aam_logits(cosines, classes, margin, scale), classes, reduction="none")
            reliable = self._pass_gate(losses.detach())
            total = torch.where(reliable, losses, torch.zeros_like(losses)).sum()
            corrected = torch.zeros_like(reliable)
            figures = {}
            if self.config.correct and not reliable.all():
                clean = scale * self._clean_cosines(batch["clean"][~reliable])
                corrections, confident = correction_losses(
                    scale * cosines[~reliable], clean, self.config.confidence, self.config.sharpening
                )
                total = total + corrections.sum()
                corrected[~reliable] = confident
                if self.speakers is not None:
                    figures["corrected_right"] = self._right_speakers(batch, clean, ~reliable, confident)
            elif self.speakers is not None:
                figures["corrected_right"] = torch.zeros(())
        self._remember(batch["positions"], losses.detach())
        return {
            "loss": total / len(losses),
            "right": (cosines.argmax(dim=1) == classes).float().mean(),
            "reliable": reliable.float().mean(),
            "corrected": corrected.float().mean(),
            "left_out": (~reliable & ~corrected).float().mean(),
            **figures,
            "margin": torch.tensor(margin),
            "items": torch.tensor(len(losses)),
        }

    def after_step(self, done: int, averages: Mapping[str, Tensor]) -> None:
        """Fit the gate at the end of each epoch."""
        epoch = self.batches.epoch_at(done)
        if self.config.gate and epoch > self.batches.epoch_at(done - 1) and epoch >= self.config.warmup_epochs:
            self.record.gate = fit_gate(self.record.seen_losses()[1])
            logger.info("step %d: gate at the loss %.3g", done, np.exp(self.record.gate.threshold))

    def validate(self, step: int, run: "RunDirectory") -> dict[str, float]:
        """The figures of `SpeakerTask`, and those of `gate_figures`."""
        figures = {**super().validate(step, run), **self.gate_figures()}
        if self.pictures:
            add_gate_pictures(run, step, self.record.seen_losses()[1], self.record.gate)
        return {**figures, "newest_step": step}

    def gate_figures(self) -> dict[str, float]:
        """The gate, and what it does with the last losses of all utterances.

        Returns:
            `gate`, the loss at it; `reliable`, the fraction of utterances below it. With speaker names: `purity` and
            `nmi` of the labels, where a label is right if its most frequent speaker is the utterance's;
            `right_labels_kept`, the fraction of the right labels that is below the gate; `errors_found`, the fraction
            of the wrong ones that is above it; and `found_are_errors`, the fraction of wrong ones among those above.
        """
        seen, losses = self.record.seen_losses()
        if not len(seen):
            return {}
        reliable = log_losses(losses) <= self.record.gate.threshold
        figures = {"gate": float(np.exp(self.record.gate.threshold)), "reliable": float(reliable.mean())}
        if self.speakers is not None:
            labels = self.record.labels.cpu().numpy()
            right = (self._majority[labels] == self.speakers)[seen]
            figures["purity"] = purity(labels, self.speakers)
            figures["nmi"] = normalised_mutual_information(labels, self.speakers)
            figures["right_labels_kept"] = _fraction(reliable, right)
            figures["errors_found"] = _fraction(~reliable, ~right)
            figures["found_are_errors"] = _fraction(~right, ~reliable)
        return figures

    def _classes(self, batch: Windows) -> Tensor:
        return self.record.labels[batch["positions"]] * len(self.batches.speeds) + batch["speeds"]

    def _pass_gate(self, losses: Tensor) -> Tensor:
        """Which losses [n] are below the gate."""
        return losses.clamp_min(SMALLEST_LOSS).log() <= self.record.gate.threshold

    def _clean_cosines(self, windows: Tensor) -> Tensor:
        """Cosines [n, classes] of windows before augmentation, by the model in eval mode, without a gradient."""
        self.model.eval()
        with torch.no_grad():
            cosines = self.classifier.cosines(self.model(windows))
        self.model.train()
        return cosines

    def _remember(self, positions: Tensor, losses: Tensor) -> None:
        """Keep the losses of the utterances of all processes."""
        self.record.losses[gather(positions)] = gather(losses).to(self.record.losses.dtype)

    def _right_speakers(self, batch: Windows, logits: Tensor, chosen: Tensor, confident: Tensor) -> Tensor:
        """Fraction of a batch that is corrected to a label of the right speaker, from logits of the `chosen` rows."""
        assert self.speakers is not None
        predicted = (logits.argmax(dim=1) // len(self.batches.speeds)).cpu().numpy()
        own = self.speakers[batch["positions"][chosen].cpu().numpy()]
        right = (self._majority[predicted] == own) & confident.cpu().numpy()
        return torch.tensor(float(right.sum()) / len(chosen))

    @functools.cached_property
    def _majority(self) -> Labels:
        """Most frequent speaker of each label, int64 [classes of labels]."""
        assert self.speakers is not None
        return majority_speakers(self.record.labels.cpu().numpy(), self.speakers, self.classes)


def _fraction(found: np.ndarray, among: np.ndarray) -> float:
    """Fraction of `among` that is found; NaN if there are none."""
    return float(found[among].mean()) if among.any() else float("nan")
