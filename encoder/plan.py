"""Training plans of encoder families: the model, teacher and noise that the flags name, and their objective."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from corpora.store import FeatureStore
from encoder.base import STAGE, EncoderModel, SpeakerEncoder
from encoder.config import EncoderSettings
from encoder.flags import EncoderFlags
from encoder.objectives import Start, plan_objective
from encoder.task import EncoderTask
from modelfile.header import ModelHeader
from speech.errors import CorpusError, ModelFileError
from training.config import TrainingPlan
from training.flags import trained_on

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
        task_type: GE2E and distillation of the family.

    Raises:
        ModelFileError: --init is not an encoder of the family, or --teacher no encoder.
        ConfigError: losses, batches or model do not fit together.
        CorpusError: the store has too few speakers.
    """
    start, teacher = load_encoder(flags.init, flags.kind), load_encoder(flags.teacher)
    model = network(start.config if start else config)
    if start:
        model.load_state_dict(start.model.state_dict())
    check_bands(store, model.config.n_mels, "encoder")
    logger.info("%s: %d utterances", flags.store, len(store))
    header = ModelHeader(STAGE, flags.kind, licence=flags.licence, trained_on=trained_on(flags, store))
    noise = {split: load_noise(flags.noise, split, model.config.n_mels) for split in ("train", "validation")}
    return plan_objective(Start(flags, store, model, header, teacher, noise, task_type))


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


def load_encoder(path: Path | None, kind: str | None = None) -> SpeakerEncoder | None:
    """The encoder to start from or to distil, None without a path.

    Args:
        kind: the family that it must be of; None for any.

    Raises:
        ModelFileError: not an encoder, or not of this family; a `.pt` file has to be converted first.
    """
    if path is None:
        return None
    if path.suffix == ".pt":
        raise ModelFileError(f"{path} is a PyTorch file: convert it with python -m encoder.convert OUT --source {path}")
    encoder = SpeakerEncoder.load(path)
    if kind is not None and encoder.kind != kind:
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
