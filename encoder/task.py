"""What training does with a batch, and how a half-trained encoder is judged."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from encoder.base import STAGE, fingerprint
from encoder.data import Batch, MelStore
from encoder.ge2e import GE2ELoss
from encoder.lstm.model import SpeakerEncoderModel, trajectory_frames
from encoder.pictures import add_pictures
from encoder.trials import VerificationTrials
from speech.errors import ConfigError
from training.config import Task

if TYPE_CHECKING:
    from encoder.base import SpeakerEncoder
    from training.run_directory import RunDirectory

logger = logging.getLogger(__name__)

WINDOWS_PER_PASS = 128


@dataclass(frozen=True)
class LossConfig:
    """How much each loss counts; a weight of 0 switches it off."""

    ge2e_weight: float = 1.0
    ge2e: Literal["softmax", "contrast"] = "softmax"
    distill_weight: float = 0.0  # of `distillation_loss`
    # The student answers to the teacher not only at the end of a window but every so many frames on the way: many
    # targets for the price of one, and the first of them near enough for the gradient to reach.
    distill_every: int = 10

    def __post_init__(self) -> None:
        if min(self.ge2e_weight, self.distill_weight) < 0 or self.ge2e_weight + self.distill_weight == 0:
            raise ConfigError("The weights of the losses must not be negative, and one of them must be above 0.")
        if self.distill_every < 1:
            raise ConfigError(f"distill_every is {self.distill_every}; it must be at least 1 frame.")


def distillation_loss(embeddings: Tensor, answers: Tensor) -> Tensor:
    """How far a student is from its teacher: 1 - cosine, plus the same once the mean voice is taken off both.

    All voices share most of their direction (two strangers have a cosine near 0.5), so that a student does well on the
    first term by giving everybody the mean voice, and its gradient says little else for a long time. The second term
    asks for what tells voices apart.

    Args:
        embeddings, answers: [batch, ..., dim] of student and teacher, rows of L2 norm 1; the mean is over the batch.

    Returns:
        Scalar in [0, 4].
    """
    mean = answers.mean(dim=0, keepdim=True)
    centred = functional.cosine_similarity(embeddings - mean, answers - mean, dim=-1)
    return 2 - (embeddings * answers).sum(dim=-1).mean() - centred.mean()


class EncoderTask(Task):
    """Trains an encoder to tell speakers apart (GE2E), to agree with a teacher (distillation), or both.

    A student of a teacher lives in the teacher's embedding space, and its file says so. Without a teacher the weights
    define a space of their own, named after their hash.

    Args:
        model: the encoder to train.
        store: feature store; the speakers of its validation split judge the model.
        loss: weights of the losses.
        teacher: encoder whose embeddings are the targets, needed if `loss.distill_weight` is above 0.
        licence, trained_on: for the header of the model file.
        windows_per_speaker: how many windows of each validation speaker are embedded.
        noises: recorded noise that nothing is trained on, power mels [frames, n_mels], for the noisy windows.
        pictures: draw a DET curve and a map of the speakers at each validation, for TensorBoard and `samples/`.

    Raises:
        ConfigError: if distillation is asked for without a teacher, or the teacher's sizes differ.
        CorpusError: if the store has not two speakers, one of them with two utterances.
    """

    def __init__(
        self,
        model: SpeakerEncoderModel,
        store: MelStore,
        loss: LossConfig | None = None,
        *,
        teacher: "SpeakerEncoder | None" = None,
        licence: str = "",
        trained_on: str = "",
        windows_per_speaker: int = 8,
        noises: Sequence[np.ndarray] = (),
        pictures: bool = False,
    ):
        self.model: nn.Module = model
        self._encoder = model
        self.config = model.config
        self.loss = loss or LossConfig()
        if self.loss.distill_weight > 0 and teacher is None:
            raise ConfigError("Distillation needs a teacher; give one with --teacher FILE, or set --distill-weight 0.")
        self.teacher = teacher if self.loss.distill_weight > 0 else None
        if self.teacher is not None:
            _check_same_shapes(model, self.teacher.model)
        self.licence = licence
        self.trained_on = trained_on
        self.ge2e = GE2ELoss(self.loss.ge2e)
        # learnt, but of no use to anybody after training: kept in the resumable state, not in the model file
        self.extra_modules: dict[str, nn.Module] = {"ge2e": self.ge2e} if self.loss.ge2e_weight > 0 else {}
        self.best_metric = "eer" if self.teacher is None else "teacher_cosine"
        self.best_mode: Literal["min", "max"] = "min" if self.teacher is None else "max"
        self.trials = VerificationTrials(store, model.config.partial_frames, windows_per_speaker, noises)
        self.pictures = pictures
        self._teacher_answers: Tensor | None = None

    def step(self, batch: Batch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of a batch: `loss` and its parts `ge2e` and `distillation`."""
        mels = batch["mels"]
        speakers, utterances, frames, _ = mels.shape
        every = frames if self.teacher is None else min(self.loss.distill_every, frames)
        embeddings = self._encoder.trajectory(mels.flatten(0, 1), every)
        parts: dict[str, Tensor] = {}
        if self.loss.ge2e_weight > 0:
            parts["ge2e"] = self.ge2e(embeddings[:, -1].unflatten(0, (speakers, utterances)))
        if self.teacher is not None:
            # Where the student has had a pause, the teacher had heard as much by an earlier frame.
            heard = batch["heard"].flatten(0, 1)[:, trajectory_frames(frames, every)]
            with torch.no_grad():
                answers = self.teacher.model.to(mels.device).at_frames(batch["clean"].flatten(0, 1), heard)
            parts["distillation"] = distillation_loss(embeddings, answers)
        weights = {"ge2e": self.loss.ge2e_weight, "distillation": self.loss.distill_weight}
        loss = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
        return {"loss": loss, **parts, "items": torch.tensor(speakers * utterances)}

    def validate(self, step: int, run: "RunDirectory") -> dict[str, float]:
        """Figures on windows of speakers never trained on.

        Returns:
            `eer` and `min_dcf` over single windows, `noisy_eer` with noise beside the speech; with a teacher also
            `teacher_cosine` and `noisy_teacher_cosine`, to what the teacher says of the clean windows.
        """
        embeddings, noisy = self._embed(self.model, self.trials.windows), self._embed(self.model, self.trials.noisy)
        figures = {
            "eer": self.trials.equal_error_rate(embeddings),
            "min_dcf": self.trials.min_dcf(embeddings),
            "noisy_eer": self.trials.equal_error_rate(noisy),
        }
        if self.teacher is not None:
            if self._teacher_answers is None:
                self._teacher_answers = self._embed(self.teacher.model, self.trials.windows)
            figures["teacher_cosine"] = float((embeddings * self._teacher_answers).sum(dim=-1).mean())
            figures["noisy_teacher_cosine"] = float((noisy * self._teacher_answers).sum(dim=-1).mean())
        if self.pictures:
            add_pictures(run, step, self.trials, {"clean": embeddings, "noise": noisy})
        return figures

    def model_file(self) -> dict[str, Any]:
        """Keyword arguments for `modelfile.checkpoint.save_model`."""
        space = self.teacher.embedding_space if self.teacher is not None else fingerprint(self.model)
        return {
            "stage": STAGE,
            "config": self.config,
            "embedding_space": space,
            "licence": self.licence,
            "trained_on": self.trained_on,
        }

    def _embed(self, model: nn.Module, windows: Tensor) -> Tensor:
        """Embeddings of windows [n, frames, n_mels]: float32 [n, dim], on the CPU."""
        device = next(self.model.parameters()).device
        model = model.to(device)
        with torch.inference_mode():
            return torch.cat([model(part.to(device)).float().cpu() for part in windows.split(WINDOWS_PER_PASS)])


def _check_same_shapes(student: SpeakerEncoderModel, teacher: SpeakerEncoderModel) -> None:
    for name in ("n_mels", "embedding_size", "sample_rate", "hop_length"):
        ours, theirs = getattr(student.config, name), getattr(teacher.config, name)
        if ours != theirs:
            raise ConfigError(f"The teacher's {name} is {theirs}, the student's is {ours}; they must be equal.")
