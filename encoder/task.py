"""Training of a speaker encoder with GE2E, distillation, or both."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from encoder.base import EncoderModel, SpeakerEncoder
from encoder.config import EncoderSettings
from encoder.data import Batch, MelStore
from encoder.ge2e import GE2ELoss
from encoder.speaker_task import SpeakerTask
from modelfile.header import ModelHeader
from speech.errors import ConfigError


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses; 0 switches a loss off."""

    ge2e_weight: float = 1.0
    ge2e: Literal["softmax", "contrast"] = "softmax"
    distill_weight: float = 0.0
    # A recurrent student is compared with its teacher after every 10 frames, not only at the end of a window. That
    # gives many targets at the cost of one, and the gradient reaches the first of them.
    distill_every: int = 10

    def __post_init__(self) -> None:
        if min(self.ge2e_weight, self.distill_weight) < 0 or self.ge2e_weight + self.distill_weight == 0:
            raise ConfigError("The weights of the losses must not be negative, and one of them must be above 0.")
        if self.distill_every < 1:
            raise ConfigError(f"distill_every is {self.distill_every}: it must be at least 1 frame.")


def distillation_loss(embeddings: Tensor, targets: Tensor) -> Tensor:
    """Distance of a student from its teacher: 1 - cosine, plus the same after the batch mean is removed from both.

    Embeddings of all voices have similar directions (different speakers have a cosine near 0.5). A student that
    always gives the mean embedding does well on the first term, whose gradient then stays uninformative for long. The
    second term measures what distinguishes voices.

    Args:
        embeddings, targets: [batch, ..., dim] of student and teacher, rows of L2 norm 1; the mean is over the batch.

    Returns:
        Scalar in [0, 4].
    """
    mean = targets.mean(dim=0, keepdim=True)
    centred = functional.cosine_similarity(embeddings - mean, targets - mean, dim=-1)
    return 2 - (embeddings * targets).sum(dim=-1).mean() - centred.mean()


class EncoderTask(SpeakerTask):
    """Trains an encoder to distinguish speakers (GE2E), to imitate a teacher (distillation), or both.

    A student shares its teacher's embedding space, which its file names. Without a teacher the weights define a new
    space, named after their hash.

    A family may override `embeddings` and `targets`, and `step` to train with a different loss.

    Args:
        loss: weights of the losses.
        teacher: encoder whose embeddings are the targets, needed if `loss.distill_weight` is above 0.
        others: as `SpeakerTask`.

    Raises:
        ConfigError: distillation without a teacher, or with one of different sizes.
        CorpusError: the store does not have two speakers, one of them with two utterances.
    """

    def __init__(
        self,
        model: EncoderModel,
        store: MelStore,
        header: ModelHeader,
        loss: LossConfig | None = None,
        *,
        teacher: SpeakerEncoder | None = None,
        **others: Any,
    ):
        self.loss = loss or LossConfig()
        if self.loss.distill_weight > 0 and teacher is None:
            raise ConfigError("Distillation needs a teacher: give one with --teacher FILE, or set --distill-weight 0.")
        self.teacher = teacher if self.loss.distill_weight > 0 else None
        if self.teacher is not None:
            _check_same_sizes(model.config, self.teacher.config)
        super().__init__(model, store, header, **others)
        self.ge2e = GE2ELoss(self.loss.ge2e)
        # trained, but not needed afterwards: part of the resumable state, not of the model file
        self.extra_modules: dict[str, nn.Module] = {"ge2e": self.ge2e} if self.loss.ge2e_weight > 0 else {}
        self.best_metric = "eer" if self.teacher is None else "teacher_cosine"
        self.best_mode: Literal["min", "max"] = "min" if self.teacher is None else "max"
        self._teacher_embeddings: Tensor | None = None

    def embeddings(self, batch: Batch) -> Tensor:
        """Embeddings of the augmented windows, [windows, points, dim]; the last point is of the whole window."""
        return self.model(batch["mels"].flatten(0, 1))[:, None]

    def targets(self, batch: Batch, teacher: SpeakerEncoder) -> Tensor:
        """The teacher's embeddings of the clean windows, [windows, points, dim], at the points of `embeddings`."""
        return teacher.model(batch["clean"].flatten(0, 1))[:, None]

    def step(self, batch: Batch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of a batch: `loss` and its parts `ge2e` and `distillation`."""
        speakers, utterances = batch["mels"].shape[:2]
        embeddings = self.embeddings(batch)
        parts: dict[str, Tensor] = {}
        if self.loss.ge2e_weight > 0:
            parts["ge2e"] = self.ge2e(embeddings[:, -1].unflatten(0, (speakers, utterances)))
        if self.teacher is not None:
            self.teacher.model.to(embeddings.device)
            with torch.no_grad():
                targets = self.targets(batch, self.teacher)
            parts["distillation"] = distillation_loss(embeddings, targets)
        weights = {"ge2e": self.loss.ge2e_weight, "distillation": self.loss.distill_weight}
        loss = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
        return {"loss": loss, **parts, "items": torch.tensor(speakers * utterances)}

    def figures(self, embeddings: Tensor, noisy: Tensor) -> dict[str, float]:
        """With a teacher also `teacher_cosine` and `noisy_teacher_cosine`, with its embeddings of the clean windows."""
        figures = super().figures(embeddings, noisy)
        if self.teacher is not None:
            if self._teacher_embeddings is None:
                self._teacher_embeddings = self.embed(self.teacher.model, self.trials.windows)
            figures["teacher_cosine"] = float((embeddings * self._teacher_embeddings).sum(dim=-1).mean())
            figures["noisy_teacher_cosine"] = float((noisy * self._teacher_embeddings).sum(dim=-1).mean())
        return figures

    def embedding_space(self) -> str:
        """The space of the teacher, if there is one."""
        return self.teacher.embedding_space if self.teacher is not None else super().embedding_space()


def _check_same_sizes(student: EncoderSettings, teacher: EncoderSettings) -> None:
    for name in ("n_mels", "embedding_size", "sample_rate", "hop_length"):
        ours, theirs = getattr(student, name), getattr(teacher, name)
        if ours != theirs:
            raise ConfigError(f"The teacher's {name} is {theirs} and the student's is {ours}: they must be equal.")
