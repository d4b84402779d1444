"""Training plans of encoder families: batches, losses, validation and optimiser settings from the flags."""

import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from corpora.store import FeatureStore
from encoder.base import STAGE, EncoderModel, SpeakerEncoder
from encoder.config import EncoderSettings, no_augmentation
from encoder.data import BatchConfig, SpeakerBatches
from encoder.flags import EncoderFlags
from encoder.task import EncoderTask, LossConfig
from modelfile.header import ModelHeader
from speech.errors import CorpusError, ModelFileError
from training.config import FitConfig, TrainingPlan
from training.flags import fit_config, trained_on
from training.processes import process_rank

logger = logging.getLogger(__name__)


def plan_training(
    flags: EncoderFlags,
    store: FeatureStore,
    network: Callable[[Any], EncoderModel],
    config: EncoderSettings,
    task_type: type[EncoderTask] = EncoderTask,
) -> TrainingPlan:
    """The plan of a family: from the model file of --init, or from random weights.

    Args:
        network: makes the untrained model of a config.
        config: of the model, unless there is a file to start from.
        task_type: losses of the family.

    Raises:
        ModelFileError: --init or --teacher is not an encoder of the family.
        ConfigError: losses, batches or model do not fit together.
        CorpusError: the store has too few speakers.
    """
    start, teacher = load_encoder(flags.init, flags.kind), load_encoder(flags.teacher, flags.kind)
    model = network(start.config if start else config)
    if start:
        model.load_state_dict(start.model.state_dict())
    check_bands(store, model.config.n_mels, "encoder")
    loss, batch = losses(flags, teacher is not None), batch_config(flags, model.config.partials.partial_frames)
    augmentation = flags.augmentation if flags.augment else no_augmentation()
    noise = {split: load_noise(flags.noise, split, model.config.n_mels) for split in ("train", "validation")}
    batches = SpeakerBatches(store, batch, augmentation, noise["train"], seed=flags.seed, rank=process_rank())
    logger.info("%s: %d utterances, %d training speakers", flags.store, len(store), len(batches.names))
    task = task_type(
        model,
        store,
        ModelHeader(STAGE, flags.kind, licence=flags.licence, trained_on=trained_on(flags, store)),
        loss,
        teacher=teacher,
        noise=noise["validation"],
        pictures=flags.pictures,
    )
    settings = {
        "store": str(flags.store),
        "teacher": str(flags.teacher or ""),
        "init": str(flags.init or ""),
        "loss": asdict(loss),
        "batch": asdict(batch),
        "augmentation": asdict(augmentation),
        "noise": str(flags.noise or ""),
    }
    return TrainingPlan(task, batches, optimisation(flags), settings)


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


def check_bands(store: FeatureStore, n_mels: int, subcommand: str) -> None:
    """Check that a store has as many mel bands as the encoder.

    Args:
        subcommand: of preprocess.py, which made the store.

    Raises:
        CorpusError: it has a different number.
    """
    found = store.array(0, "mel").shape[1] if len(store) else n_mels
    if found != n_mels:
        raise CorpusError(
            f"{store.directory} has {found} mel bands and the encoder takes {n_mels}: "
            f"make a store with `preprocess.py {subcommand} --n-mels {n_mels}`."
        )


def load_encoder(path: Path | None, kind: str) -> SpeakerEncoder | None:
    """The encoder to start from or to distil, None without a path.

    Raises:
        ModelFileError: not an encoder of this family; a `.pt` file has to be converted first.
    """
    if path is None:
        return None
    if path.suffix == ".pt":
        raise ModelFileError(f"{path} is a PyTorch file: convert it with python -m encoder.convert OUT --source {path}")
    encoder = SpeakerEncoder.load(path)
    if encoder.kind != kind:
        raise ModelFileError(f"{path} is an encoder of the family {encoder.kind!r}: give one of the family {kind!r}.")
    return encoder


def load_noise(path: Path | None, split: str, n_mels: int) -> list[np.ndarray]:
    """The mels [frames, n_mels] of one split of a noise store; none without a path.

    Raises:
        CorpusError: not a noise store, or one with a different number of bands.
    """
    if path is None:
        return []
    store = FeatureStore(path)
    if store.info.get("stage") != "noise":
        raise CorpusError(f"{path} holds no noise: make a noise store with `preprocess.py noise`.")
    check_bands(store, n_mels, "noise")
    return [store.array(index, "mel") for index in store.select(split=split)]
