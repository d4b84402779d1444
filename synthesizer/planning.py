"""What the training plans of all synthesizer families share."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from modelfile.families import read_family_file
from speech.errors import ConfigError, ModelFileError
from speech.mel_config import require_same_mel
from synthesizer.base import STAGE
from synthesizer.batches import BatchConfig, SynthesizerBatches
from synthesizer.training_flags import LoadedEncoder, SynthesizerFlags, TrainingRun
from training.config import FitConfig
from training.flags import fit_config, trained_on

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from corpora.store import FeatureStore
    from modelfile.header import ModelHeader

Config = TypeVar("Config")  # settings of a family with an `architecture`


def read_start_file(path: Path, kind: str) -> tuple[ModelHeader, dict[str, Tensor]]:
    """Header and weights of a model of this family to start from.

    Raises:
        ModelFileError: it is no such model.
    """
    family, header, weights = read_family_file(STAGE, path)
    if family.kind != kind:
        raise ModelFileError(f"{path} is a synthesizer of the family {family.kind!r}: give one of the family {kind!r}.")
    return header, weights


def with_store_settings(
    config: Config, store: FeatureStore, from_file: bool, embedding_size: int | None = None
) -> Config:
    """The settings with the mel settings and the size of the speaker embeddings of the data.

    Args:
        from_file: training starts from a model, whose settings must be those of the data. Otherwise only flags that
            differ from their default must.
        embedding_size: of an encoder that is trained too; by default that of the store's embeddings.

    Raises:
        ConfigError: the model or a flag has different settings.
    """
    changed: Any = config
    architecture, mel = changed.architecture, store.mel_config
    default = type(architecture)()
    if from_file or architecture.mel != default.mel:
        require_same_mel(architecture.mel, mel, "the model to train", f"the store {store.directory}")
    own = architecture.speaker_embedding_size
    size = embedding_size or (store.shape(0, "embedding")[0] if len(store) else own)
    if size != own and (from_file or own != default.speaker_embedding_size):
        raise ConfigError(
            f"The speaker embeddings have {size} numbers, but the model takes {own}: use the encoder that the "
            f"synthesizer was trained with, or train a new one with --speaker-embedding-size {size}."
        )
    return replace(changed, architecture=replace(architecture, mel=mel, speaker_embedding_size=size))


def make_batches(store: FeatureStore, config: BatchConfig, flags: SynthesizerFlags) -> SynthesizerBatches:
    """Batches of this process."""
    rank, world_size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    return SynthesizerBatches(store, config, seed=flags.seed, rank=rank, world_size=world_size)


def measuring_encoder(flags: SynthesizerFlags, run: TrainingRun, store: FeatureStore) -> LoadedEncoder:
    """The encoder of `--encoder`, for losses that measure the voice of a mel.

    Raises:
        ModelFileError: there is no such encoder.
        ConfigError: its embedding space is not that of the store.
    """
    encoder = run.load_encoder(flags.encoder)
    space = store.info.get("embedding_space", "")
    if encoder.embedding_space != space:
        raise ConfigError(
            f"{flags.encoder} has the embedding space {encoder.embedding_space!r}, but the store has {space!r}: give "
            "--encoder the one that prepared the store."
        )
    return encoder


def header_entries(flags: SynthesizerFlags, store: FeatureStore) -> dict[str, str]:
    """Entries of the model file besides the config."""
    return {
        "stage": STAGE,
        "kind": flags.kind,
        "embedding_space": store.info.get("embedding_space", ""),
        "licence": flags.licence,
        "trained_on": trained_on(flags, store),
    }


def network_fit(flags: SynthesizerFlags) -> FitConfig:
    """Settings of the training loop for a whole network."""
    return fit_config(flags, warmup_steps=min(200, flags.steps // 10), decay="cosine", weight_decay=1e-6, clip_norm=1.0)
