"""Training of a Tacotron 2 as its flags describe it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import torch

from modelfile.checkpoint import warm_start
from speech.errors import ConfigError
from synthesizer.batches import BatchConfig
from synthesizer.planning import (
    header_entries,
    make_batches,
    measuring_encoder,
    network_fit,
    read_start_file,
    with_store_settings,
)
from synthesizer.speaker_loss import SpeakerLoss
from synthesizer.tacotron.config import KIND, TacotronConfig, read_config
from synthesizer.tacotron.flags import TacotronFlags
from synthesizer.tacotron.inference import current_names
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.task import LossConfig, TacotronTask
from synthesizer.training_flags import TrainingRun
from training.config import TrainingPlan
from training.starting import take_over, with_flags

if TYPE_CHECKING:
    from torch import Tensor

    from corpora.store import FeatureStore

logger = logging.getLogger(__name__)

Schedule = tuple[tuple[int, int], ...]


def plan_network(flags: TacotronFlags, store: FeatureStore, run: TrainingRun) -> TrainingPlan:
    """Train the network on a store.

    Raises:
        ConfigError, CorpusError, ModelFileError: the flags, the store and the start do not fit.
    """
    start, weights = read_start(flags)
    start = with_store_settings(start, store, from_file=weights is not None)
    factor = start.inference.reduction_factor
    schedule = ((0, factor),) if flags.adapt is not None else parse_schedule(flags.reduction_schedule)
    batch_config = BatchConfig(
        frames=flags.batch_frames,
        phoneme_probability=flags.phoneme_probability,
        reduction_schedule=schedule,
        tail_steps=start.training.tail_steps,
    )
    batches = make_batches(store, batch_config, flags)
    hours = batches.frames.sum() / start.architecture.mel.frames_per_second / 3600
    logger.info("%s: %d utterances, %d to train on (%.2f h)", flags.store, len(store), len(batches.indices), hours)

    config = replace(
        start,
        architecture=replace(start.architecture, max_reduction_factor=max(factor for _, factor in schedule)),
        inference=replace(start.inference, reduction_factor=schedule[-1][1]),
    )
    torch.manual_seed(flags.seed)
    model = Tacotron2(config.architecture, config.training)
    take_over(model, weights, flags.warm_start)
    if flags.adapt is None:
        model.mean_embedding.copy_(batches.mean_embedding())
    losses = LossConfig(
        guided_attention=flags.guided_attention, voice=flags.voice_loss, free_voice=flags.free_voice_loss
    )
    header = header_entries(flags, store)
    speaker_loss = None
    if flags.voice_loss or flags.free_voice_loss:
        encoder = measuring_encoder(flags, run, store)
        speaker_loss = SpeakerLoss(encoder.model, encoder.n_mels, config.architecture.mel)
    task = TacotronTask(model, config, store, batch_config, losses, header, speaker_loss, run.vocode)
    settings = {"store": str(flags.store), "loss": asdict(losses), "batch": asdict(batch_config)}
    return TrainingPlan(task, batches, network_fit(flags), settings)


def read_start(flags: TacotronFlags) -> tuple[TacotronConfig, dict[str, Tensor] | None]:
    """Settings and weights that a training starts from. Flags that differ from their default replace those of the file.

    Raises:
        ModelFileError: `--warm-start` is not a Tacotron 2.
    """
    if flags.warm_start is None:
        return TacotronConfig(flags.architecture, flags.training, flags.inference), None
    found, weights = read_model(flags)
    inference = found.inference
    if flags.adapt is not None:  # emphasis is for voices that are not in the training data
        inference = replace(inference, voice_emphasis=1.0)
    config = TacotronConfig(
        with_flags(found.architecture, flags.architecture),
        with_flags(found.training, flags.training),
        with_flags(inference, flags.inference),
    )
    return config, weights


def read_model(flags: TacotronFlags) -> tuple[TacotronConfig, dict[str, Tensor]]:
    """Settings and weights of `--warm-start`, or of the default model.

    Raises:
        ModelFileError: it is not a Tacotron 2.
    """
    path = flags.warm_start or flags.adaptation["warm_start"]
    header, weights = read_start_file(path, KIND)
    return read_config(header), current_names(weights)


def frozen_model(config: TacotronConfig, weights: Mapping[str, Tensor], trainable: Collection[str]) -> Tacotron2:
    """A finished model of which only these parts are trained: those of `weights`, or new ones.

    Raises:
        ConfigError: the weights lack another part.
    """
    model = Tacotron2(config.architecture, config.training).eval().requires_grad_(False)
    missing = [name for name in warm_start(model, weights) if name.split(".")[0] not in trainable]
    if missing:
        raise ConfigError(f"The model to start from lacks parts of a synthesizer: {', '.join(missing)}.")
    for name in trainable:
        model.get_submodule(name).requires_grad_(True)
    return model


def parse_schedule(stairs: tuple[str, ...]) -> Schedule:
    """Read a reduction schedule: ("0:4", "20000:3") -> ((0, 4), (20000, 3)).

    Raises:
        ConfigError: it is malformed, does not start at step 0, or does not rise.
    """
    try:
        schedule = tuple((int(start), int(factor)) for start, factor in (stair.split(":") for stair in stairs))
    except ValueError:
        schedule = ()
    starts = [start for start, _ in schedule]
    rising = starts == sorted(set(starts)) and starts[:1] == [0]
    if not rising or any(factor < 1 for _, factor in schedule):
        raise ConfigError("--reduction-schedule must look like 0:4 20000:3, with rising steps from 0 on.")
    return schedule
