"""The parts of a training plan that all vocoder families share."""

import dataclasses
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from speech.mel_config import MelConfig
from training.config import FitConfig, TrainingPlan
from training.starting import read_start
from vocoder.base import STAGE

if TYPE_CHECKING:
    from torch import Tensor

    from corpora.store import FeatureStore
    from vocoder.data import CropBatches
    from vocoder.flags import VocoderFlags
    from vocoder.task import VocoderTask

logger = logging.getLogger(__name__)


def start_of(
    flags: "VocoderFlags",
    config: Any,
    store: "FeatureStore",
    unpack: "Callable[[dict[str, Tensor], Any], dict[str, Tensor]] | None" = None,
) -> "tuple[Any, dict[str, Tensor] | None]":
    """Config and weights that a training starts from; see `training.starting.read_start`.

    Without a model file, the config has the mel settings of the store unless flags say otherwise.

    Args:
        config: the family's config as the flags give it.
    """
    if flags.start_from is None and config.mel == MelConfig():
        config = dataclasses.replace(config, mel=store.mel_config)
    return read_start(flags.start_from, STAGE, flags.kind, config, unpack)


def plan_of(
    flags: "VocoderFlags", task: "VocoderTask", batches: "CropBatches", fit: FitConfig, **settings: Any
) -> TrainingPlan:
    """The plan, whose data and model are logged.

    Args:
        settings: of the family, which a resumed run must not change.
    """
    logger.info("%s: %d utterances, %d for training", flags.store, len(batches.store), len(batches.items))
    parameters = sum(parameter.numel() for parameter in task.model.parameters())
    logger.info("%s vocoder, %.2f million parameters", flags.kind, parameters / 1e6)
    shared = {"store": str(flags.store), "batch_size": flags.batch_size, "frames": flags.frames}
    return TrainingPlan(task, batches, fit, {**settings, **shared})
