"""Training of a VITS as its flags describe it."""

from __future__ import annotations

import logging
import os
from dataclasses import asdict, replace

import torch
from torch import Tensor

from corpora.store import FeatureStore
from modelfile.header import config_from_header
from speech.errors import ConfigError
from synthesizer.planning import header_entries, read_start_file, with_mel_of
from synthesizer.training_flags import TrainingRun
from synthesizer.vits.config import KIND, Architecture, VitsConfig
from synthesizer.vits.data import VitsBatches
from synthesizer.vits.flags import VitsFlags
from synthesizer.vits.model import Vits
from synthesizer.vits.task import VitsTask
from training.config import TrainingPlan
from training.flags import fit_config
from training.starting import take_over, with_flags

logger = logging.getLogger(__name__)

BETAS = (0.8, 0.99)  # of the paper
CLIP_NORM = 50.0  # only rare steps have a larger gradient


def plan_training(flags: VitsFlags, store: FeatureStore, run: TrainingRun) -> TrainingPlan:
    """Train the network on a store, from random weights or those of `--warm-start`.

    Raises:
        ConfigError, CorpusError, ModelFileError: the flags, the store and the start do not fit.
    """
    config, weights = read_start(flags, store)
    _check_embeddings(config, store)
    rank, world_size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    batches = VitsBatches(
        store, config.architecture, flags.batch_frames, seed=flags.seed, rank=rank, world_size=world_size
    )
    torch.manual_seed(flags.seed)
    network = Vits(config.architecture)
    take_over(network, weights, flags.warm_start)
    task = VitsTask(network, config, store, flags, header_entries(flags, store))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    hours = batches.frames.sum() / config.architecture.mel.frames_per_second / 3600
    logger.info(
        "%s: %d recordings to train on (%.2f h); %.1f million parameters",
        flags.store, len(batches.indices), hours, parameters / 1e6,
    )  # fmt: skip
    fit = fit_config(
        flags,
        warmup_steps=min(500, flags.steps // 10),
        decay="exponential",
        weight_decay=0.01,
        betas=BETAS,
        clip_norm=CLIP_NORM,
    )
    names = ("batch_frames", "segment_frames", "mel_weight", "kl_weight", "duration_weight", "adversarial_weight")
    losses = {name: getattr(flags, name) for name in (*names, "discriminator_warmup_steps")}
    settings = {"store": str(flags.store), **losses, "discriminators": asdict(flags.disc)}
    return TrainingPlan(task, batches, fit, settings)


def read_start(flags: VitsFlags, store: FeatureStore) -> tuple[VitsConfig, dict[str, Tensor] | None]:
    """Settings and weights that a training starts from. Flags that differ from their default replace those of the file.

    Raises:
        ModelFileError: `--warm-start` is not a VITS.
        ConfigError: its mel settings or its embedding space are not those of the store.
    """
    config, weights = VitsConfig(flags.architecture, flags.inference), None
    if flags.warm_start is not None:
        header, weights = read_start_file(flags.warm_start, KIND)
        space = store.info.get("embedding_space", "")
        if header.embedding_space != space:
            raise ConfigError(
                f"{flags.warm_start} has the embedding space {header.embedding_space!r}, but the store has {space!r}: "
                "prepare the store with the encoder that the synthesizer was trained with."
            )
        found = config_from_header(VitsConfig, header)
        config = VitsConfig(
            with_flags(found.architecture, flags.architecture), with_flags(found.inference, flags.inference)
        )
    elif flags.architecture.speaker_embedding_size == Architecture().speaker_embedding_size:
        size = _embedding_size(store, config.architecture.speaker_embedding_size)
        config = replace(config, architecture=replace(config.architecture, speaker_embedding_size=size))
    return with_mel_of(config, store, from_file=weights is not None), weights


def _embedding_size(store: FeatureStore, default: int) -> int:
    return store.shape(0, "embedding")[0] if len(store) else default


def _check_embeddings(config: VitsConfig, store: FeatureStore) -> None:
    """Raises: ConfigError if the store has speaker embeddings of another size."""
    wanted = config.architecture.speaker_embedding_size
    found = _embedding_size(store, wanted)
    if found != wanted:
        raise ConfigError(
            f"{store.directory} has speaker embeddings of {found} numbers, but the model takes {wanted}: set "
            f"--speaker-embedding-size {found}."
        )
