"""Training objectives of encoders: task, batches and optimiser settings of each."""

import logging
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from corpora.store import FeatureStore
from encoder.base import EncoderModel, SpeakerEncoder
from encoder.config import AugmentationConfig, no_augmentation
from encoder.crops import CropBatches
from encoder.data import BatchConfig, SpeakerBatches
from encoder.dino_task import DinoTask
from encoder.flags import EncoderFlags
from encoder.margin import MarginTask
from encoder.task import EncoderTask, LossConfig
from modelfile.header import ModelHeader
from speech.errors import ConfigError
from training.config import FitConfig, TrainingPlan
from training.flags import fit_config
from training.processes import process_rank

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Start:
    """What a training starts from.

    Attributes:
        flags: of the family.
        store: feature store.
        model: the encoder to train.
        header: of its model file.
        teacher: encoder to distil, if there is one.
        noise: power mels [frames, n_mels] of recorded noise, by split.
        task_type: GE2E and distillation of the family.
    """

    flags: EncoderFlags
    store: FeatureStore
    model: EncoderModel
    header: ModelHeader
    teacher: SpeakerEncoder | None
    noise: dict[str, list[np.ndarray]]
    task_type: type[EncoderTask]

    @property
    def validation(self) -> dict[str, Any]:
        """Arguments of a task for its validation."""
        return {"noise": self.noise["validation"], "pictures": self.flags.pictures}

    def settings(self, **others: Any) -> dict[str, Any]:
        """Settings that a resumed run must not change."""
        flags = self.flags
        return {
            "store": str(flags.store),
            "teacher": str(flags.teacher or ""),
            "init": str(flags.init or ""),
            "noise": str(flags.noise or ""),
            **others,
        }


def ge2e_plan(start: Start) -> TrainingPlan:
    """GE2E, distillation or both."""
    flags, loss = start.flags, losses(start.flags, start.teacher is not None)
    batch = batch_config(flags, start.model.config.partials.partial_frames)
    augmentation = flags.augmentation if flags.augment else no_augmentation()
    task = start.task_type(start.model, start.store, start.header, loss, teacher=start.teacher, **start.validation)
    settings = start.settings(loss=asdict(loss), batch=asdict(batch), augmentation=asdict(augmentation))
    return TrainingPlan(task, speaker_batches(start, batch, augmentation), optimisation(flags), settings)


def aam_plan(start: Start) -> TrainingPlan:
    """AAM-softmax over the training speakers."""
    flags = start.flags
    batch = replace(batch_config(flags, start.model.config.partials.partial_frames), speeds=flags.aam.speeds)
    augmentation = flags.augmentation if flags.augment else no_augmentation()
    augmentation = replace(augmentation, second_speaker_probability=0.0)  # a mixture of two voices has no label
    batches = speaker_batches(start, batch, augmentation)
    task = MarginTask(
        start.model,
        start.store,
        start.header,
        flags.aam,
        classes=batches.classes,
        steps=flags.steps,
        **start.validation,
    )
    settings = start.settings(
        objective="aam", aam=asdict(flags.aam), batch=asdict(batch), augmentation=asdict(augmentation)
    )
    return TrainingPlan(task, batches, optimisation(flags), settings)


def dino_plan(start: Start) -> TrainingPlan:
    """DINO, without speaker names."""
    flags, config = start.flags, start.flags.dino
    augmentation = flags.augmentation if flags.augment else no_augmentation()
    batches = CropBatches(start.store, config, augmentation, start.noise["train"], seed=flags.seed, rank=process_rank())
    logger.info("%d training utterances", len(batches.items))
    task = DinoTask(start.model, start.store, start.header, config, steps=flags.steps, **start.validation)
    decay, final_decay = config.weight_decay
    # the teacher is a moving average already
    fit = replace(optimisation(flags), ema_decay=0.0, weight_decay=decay, final_weight_decay=final_decay)
    settings = start.settings(objective="dino", dino=asdict(config), augmentation=asdict(augmentation))
    return TrainingPlan(task, batches, fit, settings)


def speaker_batches(start: Start, batch: BatchConfig, augmentation: AugmentationConfig) -> SpeakerBatches:
    """Batches of training speakers. Raises: CorpusError if there are too few."""
    seed, rank = start.flags.seed, process_rank()
    batches = SpeakerBatches(start.store, batch, augmentation, start.noise["train"], seed=seed, rank=rank)
    logger.info("%d training speakers", len(batches.names))
    return batches


def losses(flags: EncoderFlags, with_teacher: bool) -> LossConfig:
    """The losses: by default GE2E without a teacher, and distillation with one."""
    ge2e, distillation = flags.ge2e_weight, flags.distill_weight
    return LossConfig(
        ge2e=flags.ge2e,
        ge2e_weight=float(not with_teacher) if ge2e is None else ge2e,
        distill_weight=float(with_teacher) if distillation is None else distillation,
    )


def batch_config(flags: EncoderFlags, frames: int) -> BatchConfig:
    """Batches of windows of `frames`."""
    return BatchConfig(
        speakers=flags.speakers,
        utterances=flags.utterances,
        windows_per_utterance=flags.windows_per_utterance,
        frames=frames,
    )


def optimisation(flags: EncoderFlags) -> FitConfig:
    """AdamW with a short warm-up, cosine decay and averaged weights."""
    return fit_config(
        flags,
        final_learning_rate=flags.learning_rate / 50,
        warmup_steps=min(200, flags.steps // 10),
        decay="cosine",
        weight_decay=1e-4,
        ema_decay=0.998,
    )


PLANS = {"ge2e": ge2e_plan, "aam": aam_plan, "dino": dino_plan}


def plan_objective(start: Start) -> TrainingPlan:
    """The plan of the objective that the flags name.

    Raises:
        ConfigError: a teacher for an objective without one.
    """
    objective = start.flags.objective
    if objective != "ge2e" and start.teacher is not None:
        raise ConfigError(f"--teacher is for distillation, not for --objective {objective}: give --objective ge2e.")
    return PLANS[objective](start)
