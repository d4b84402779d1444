"""What training does with a batch, and how a half-trained encoder is judged."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from encoder.data import Batch, MelStore, cut_window, items_by_speaker
from encoder.ge2e import GE2ELoss
from encoder.inference import STAGE, fingerprint
from encoder.model import SpeakerEncoderModel
from encoder.verification import equal_error_rate
from speech.errors import ConfigError, CorpusError

if TYPE_CHECKING:
    from encoder.inference import SpeakerEncoder
    from training.checkpoint import RunDirectory

logger = logging.getLogger(__name__)

WINDOWS_PER_PASS = 128


@dataclass(frozen=True)
class LossConfig:
    """How much each loss counts; a weight of 0 switches it off."""

    ge2e_weight: float = 1.0
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


class EncoderTask:
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
        self.ge2e = GE2ELoss()
        # learnt, but of no use to anybody after training: kept in the resumable state, not in the model file
        self.extra_modules: dict[str, nn.Module] = {"ge2e": self.ge2e} if self.loss.ge2e_weight > 0 else {}
        self.best_metric = "eer" if self.teacher is None else "teacher_cosine"
        self.best_mode: Literal["min", "max"] = "min" if self.teacher is None else "max"
        self.trials = VerificationTrials(store, model.config.partial_frames, windows_per_speaker)
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
            with torch.no_grad():
                answers = self.teacher.model.to(mels.device).trajectory(batch["clean"].flatten(0, 1), every)
            parts["distillation"] = distillation_loss(embeddings, answers)
        weights = {"ge2e": self.loss.ge2e_weight, "distillation": self.loss.distill_weight}
        loss = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
        return {"loss": loss, **parts, "items": torch.tensor(speakers * utterances)}

    def validate(self, step: int, run: "RunDirectory") -> dict[str, float]:
        """Figures on windows of speakers never trained on: `eer` over single windows, `teacher_cosine` if taught."""
        embeddings = self._embed(self.model)
        figures = {"eer": self.trials.equal_error_rate(embeddings)}
        if self.teacher is not None:
            if self._teacher_answers is None:
                self._teacher_answers = self._embed(self.teacher.model)
            figures["teacher_cosine"] = float((embeddings * self._teacher_answers).sum(dim=-1).mean())
        return figures

    def model_file(self) -> dict[str, Any]:
        """Keyword arguments for `training.checkpoint.save_model`."""
        space = self.teacher.embedding_space if self.teacher is not None else fingerprint(self.model)
        return {
            "stage": STAGE,
            "config": self.config,
            "embedding_space": space,
            "licence": self.licence,
            "trained_on": self.trained_on,
        }

    def _embed(self, model: nn.Module) -> Tensor:
        """Embeddings of the validation windows, float32 [windows, dim], on the CPU."""
        device = next(self.model.parameters()).device
        model = model.to(device)
        with torch.inference_mode():
            return torch.cat([model(part.to(device)).cpu() for part in self.trials.windows.split(WINDOWS_PER_PASS)])


class VerificationTrials:
    """Windows of validation speakers, and the pairs of them that are fair trials.

    Two windows of one recording share the room and the microphone, so they make no trial. A speaker with one recording
    can only be the stranger. Speakers who are trained on take part only where a store has nobody else, and that is said
    in the log: the figure is too good then.

    Args:
        store: see `EncoderTask`.
        frames: length of a window.
        windows_per_speaker: at most so many, spread over the speaker's utterances.

    Raises:
        CorpusError: if there are not two speakers, one of them with two utterances.
    """

    def __init__(self, store: MelStore, frames: int, windows_per_speaker: int):
        trained_on = items_by_speaker(store, "train")
        held_out = items_by_speaker(store, "validation")
        unheard = {name: items for name, items in held_out.items() if name not in trained_on}
        everybody = {name: trained_on.get(name, []) + held_out.get(name, []) for name in {**trained_on, **held_out}}
        for choice in (unheard, held_out, everybody):
            self._choose(choice, windows_per_speaker)
            if self._same.any() and not self._same.all():
                break
        else:
            raise CorpusError(
                "The store cannot judge an encoder: it takes two speakers, one of them with two utterances; "
                "add speakers and preprocess again."
            )
        if choice is not unheard:
            logger.warning("the validation split has too few speakers: the EER is that of speakers who are trained on")
        windows = [cut_window(store.array(item, "mel"), frames, position) for item, position in self._places]
        self.windows = torch.from_numpy(np.stack(windows))

    def _choose(self, items_of: dict[str, list[int]], windows_per_speaker: int) -> None:
        """Places the windows (item, position) and lists the fair pairs."""
        names, self._places = [], []
        for name, items in sorted(items_of.items()):
            for turn in range(windows_per_speaker):
                self._places.append(
                    (items[turn * len(items) // windows_per_speaker], (turn + 0.5) / windows_per_speaker)
                )
                names.append(name)
        speakers, recordings = np.array(names, dtype=str), np.array([item for item, _ in self._places], dtype=np.int64)
        first, second = np.triu_indices(len(speakers), k=1)
        fair = recordings[first] != recordings[second]
        self._pairs = first[fair], second[fair]
        self._same = speakers[self._pairs[0]] == speakers[self._pairs[1]]

    def equal_error_rate(self, embeddings: Tensor) -> float:
        """EER of the windows' embeddings [windows, dim] over all fair pairs, in [0, 1]."""
        rows = embeddings.float().numpy()
        return equal_error_rate((rows @ rows.T)[self._pairs], self._same)


def _check_same_shapes(student: SpeakerEncoderModel, teacher: SpeakerEncoderModel) -> None:
    for name in ("n_mels", "embedding_size", "sample_rate", "hop_length"):
        ours, theirs = getattr(student.config, name), getattr(teacher.config, name)
        if ours != theirs:
            raise ConfigError(f"The teacher's {name} is {theirs}, the student's is {ours}; they must be equal.")
