"""Training objectives of encoders: task, batches and optimiser settings of each."""

import logging
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from corpora.store import FeatureStore
from encoder.base import EncoderModel, SpeakerEncoder
from encoder.cluster_dino import LEAD, ClusterCropBatches, ClusterDinoTask
from encoder.clustering import Labels, cluster_utterances
from encoder.config import AugmentationConfig, no_augmentation
from encoder.crops import CropBatches
from encoder.data import BatchConfig, Floats, SpeakerBatches
from encoder.dino_task import DinoTask
from encoder.flags import EncoderFlags
from encoder.margin import MarginTask
from encoder.pseudo_labels import PseudoLabelTask
from encoder.task import EncoderTask, LossConfig
from encoder.utterances import UtteranceBatches
from modelfile.header import ModelHeader
from speech.errors import ConfigError
from training.config import FitConfig, TrainingPlan
from training.flags import fit_config
from training.processes import chosen_device, process_rank
from training.run_directory import RunDirectory

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
    """GE2E, distillation or both.

    Raises:
        ConfigError: GE2E with one window per speaker.
    """
    flags, loss = start.flags, losses(start.flags, start.teacher is not None)
    batch = batch_config(flags, start.model.config.partials.partial_frames)
    if loss.ge2e_weight and batch.utterances < 2:
        raise ConfigError("GE2E compares the windows of a speaker: --utterances must be at least 2.")
    augmentation = augmentation_of(flags)
    task = start.task_type(start.model, start.store, start.header, loss, teacher=start.teacher, **start.validation)
    settings = start.settings(loss=asdict(loss), batch=asdict(batch), augmentation=asdict(augmentation))
    return TrainingPlan(task, speaker_batches(start, batch, augmentation), optimisation(flags), settings)


def aam_plan(start: Start) -> TrainingPlan:
    """AAM-softmax over the training speakers."""
    flags = start.flags
    batch = replace(batch_config(flags, start.model.config.partials.partial_frames), speeds=flags.aam.speeds)
    # a mixture of two voices has no label
    augmentation = replace(augmentation_of(flags), second_speaker_probability=0.0)
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
    flags, augmentation = start.flags, augmentation_of(start.flags)
    batches = CropBatches(start.store, flags.dino, augmentation, start.noise["train"], **draws(flags))
    logger.info("%d training utterances", len(batches.items))
    task = DinoTask(start.model, start.store, start.header, flags.dino, steps=flags.steps, **start.validation)
    settings = start.settings(objective="dino", dino=asdict(flags.dino), augmentation=asdict(augmentation))
    return TrainingPlan(task, batches, dino_optimisation(flags), settings)


def cluster_dino_plan(start: Start) -> TrainingPlan:
    """Cluster-aware DINO, without speaker names."""
    flags, augmentation = start.flags, augmentation_of(start.flags)
    batches = ClusterCropBatches(start.store, flags.dino, augmentation, start.noise["train"], **draws(flags))
    flags.cluster.check(len(batches.items))
    logger.info("%d training utterances", len(batches.items))
    task = ClusterDinoTask(
        start.model,
        start.store,
        start.header,
        flags.dino,
        batches=batches,
        clustering=flags.cluster,
        start=0 if flags.init else round(flags.cluster.start * flags.steps),
        seed=flags.seed,
        steps=flags.steps,
        **start.validation,
    )
    settings = start.settings(
        objective="cluster-dino",
        dino=asdict(flags.dino),
        cluster=asdict(flags.cluster),
        augmentation=asdict(augmentation),
    )
    fit = dino_optimisation(flags)
    return TrainingPlan(task, batches, replace(fit, prefetch=min(fit.prefetch, LEAD - 1)), settings)


def pseudo_label_plan(start: Start) -> TrainingPlan:
    """AAM-softmax on the clusters of an encoder, with dynamic loss gate and label correction.

    Raises:
        ConfigError: no encoder gives the labels.
    """
    flags, augmentation = start.flags, augmentation_of(start.flags)
    if flags.init is None:
        raise ConfigError("--objective pseudo-labels clusters the embeddings of an encoder: give it with --from FILE.")
    frames, speeds = start.model.config.partials.partial_frames, flags.aam.speeds
    batches = UtteranceBatches(
        start.store, flags.pseudo.utterances, frames, augmentation, start.noise["train"], speeds=speeds, **draws(flags)
    )
    flags.cluster.check(len(batches.items))
    fit = optimisation(flags)
    labels, directions = pseudo_labels(start, batches, fit)
    task = PseudoLabelTask(
        type(start.model)(start.model.config) if flags.pseudo.fresh else start.model,
        start.store,
        start.header,
        batches=batches,
        labels=labels,
        config=flags.pseudo,
        margin=flags.aam,
        directions=len(directions) if flags.pseudo.fresh else directions,
        steps=flags.steps,
        **start.validation,
    )
    settings = start.settings(
        objective="pseudo-labels",
        pseudo=asdict(replace(flags.pseudo, steps=0, iterations=1)),  # these are of the whole sequence
        cluster=asdict(flags.cluster),
        aam=asdict(flags.aam),
        augmentation=asdict(augmentation),
    )
    return TrainingPlan(task, batches, fit, settings)


def pseudo_labels(start: Start, batches: UtteranceBatches, fit: FitConfig) -> tuple[Labels, Floats]:
    """Cluster of each training utterance and directions of the clusters; zeros where a saved state has them."""
    flags, items = start.flags, batches.items
    if process_rank() > 0 or (flags.resume and RunDirectory(flags.run).state_files()):
        shape = flags.cluster.clusters_of(len(items)), start.model.config.embedding_size
        return np.zeros(len(items), dtype=np.int64), np.zeros(shape, dtype=np.float32)
    model = start.model.to(chosen_device(fit))
    return cluster_utterances(model, start.store, items, flags.cluster, flags.seed)


def augmentation_of(flags: EncoderFlags) -> AugmentationConfig:
    """The augmentation of the flags; none with --no-augment."""
    return flags.augmentation if flags.augment else no_augmentation()


def draws(flags: EncoderFlags) -> dict[str, int]:
    """Arguments of batches for their random numbers."""
    return {"seed": flags.seed, "rank": process_rank()}


def dino_optimisation(flags: EncoderFlags) -> FitConfig:
    """As `optimisation`, with the weight decay of DINO. The teacher is a moving average already."""
    decay, final_decay = flags.dino.weight_decay
    return replace(optimisation(flags), ema_decay=0.0, weight_decay=decay, final_weight_decay=final_decay)


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


PLANS = {
    "ge2e": ge2e_plan, "aam": aam_plan, "dino": dino_plan, "cluster-dino": cluster_dino_plan,
    "pseudo-labels": pseudo_label_plan,
}  # fmt: skip


def plan_objective(start: Start) -> TrainingPlan:
    """The plan of the objective that the flags name.

    Raises:
        ConfigError: a teacher for an objective without one, or a sequence of trainings (`encoder.iterations`).
    """
    objective = start.flags.objective
    if objective not in PLANS:
        raise ConfigError(f"--objective {objective} is a sequence of trainings: start it with train_encoder.py.")
    if objective != "ge2e" and start.teacher is not None:
        raise ConfigError(f"--teacher is for distillation, not for --objective {objective}: give --objective ge2e.")
    return PLANS[objective](start)
