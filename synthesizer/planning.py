"""What the training plans of all synthesizer families share."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from modelfile.families import read_family_file
from speech.errors import ModelFileError
from speech.mel_config import MelConfig, require_same_mel
from synthesizer.base import STAGE
from synthesizer.batches import BatchConfig, SynthesizerBatches
from synthesizer.training_flags import SynthesizerFlags
from training.config import FitConfig
from training.flags import fit_config, trained_on

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from corpora.store import FeatureStore
    from modelfile.header import ModelHeader

Config = TypeVar("Config")  # settings of a family with `architecture.mel`


def read_start_file(path: Path, kind: str) -> tuple[ModelHeader, dict[str, Tensor]]:
    """Header and weights of a model of this family to start from.

    Raises:
        ModelFileError: it is no such model.
    """
    family, header, weights = read_family_file(STAGE, path)
    if family.kind != kind:
        raise ModelFileError(f"{path} is a synthesizer of the family {family.kind!r}: give one of the family {kind!r}.")
    return header, weights


def with_mel_of(config: Config, store: FeatureStore, from_file: bool) -> Config:
    """The settings with the mel settings of the store, which are those of a new model.

    Raises:
        ConfigError: the model that training starts from, or a flag, has different mel settings.
    """
    changed: Any = config
    mel, own = store.mel_config, changed.architecture.mel
    if from_file or own != MelConfig():
        require_same_mel(own, mel, "the model to train", f"the store {store.directory}")
    return replace(changed, architecture=replace(changed.architecture, mel=mel))


def make_batches(store: FeatureStore, config: BatchConfig, flags: SynthesizerFlags) -> SynthesizerBatches:
    """Batches of this process."""
    rank, world_size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    return SynthesizerBatches(store, config, seed=flags.seed, rank=rank, world_size=world_size)


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
