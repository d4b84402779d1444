"""What training any synthesizer family takes: shared flags, and what the training script provides. Imports no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from tyro.conf import Positional

from modelfile.locations import DEFAULT_MODELS
from speech.errors import ConfigError
from training.flags import TrainingFlags

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from speech.mel_config import MelConfig


@dataclass(frozen=True)
class SynthesizerFlags(TrainingFlags):
    """Base of the training flags of a synthesizer family.

    Attributes:
        adaptation: defaults with --adapt, by the name of the flag.
    """

    adaptation: ClassVar[Mapping[str, Any]] = {}

    store: Positional[Path | None] = None  # type: ignore[assignment]
    """Feature store of the synthesizer stage. --adapt makes its own."""
    kind: str = ""
    run: Path = Path("runs/synthesizer")
    warm_start: Path | None = None
    """Model file to start from: its weights, and its settings unless a flag changes them."""
    adapt: Path | None = None
    """Adapt a finished model to one voice: a folder with some minutes of recordings, and the text of each."""
    encoder: Path = DEFAULT_MODELS / "encoder.safetensors"
    """Encoder model file for --adapt and for speaker-consistency losses: the one that prepared the store."""

    @classmethod
    def default_run(cls, words: Sequence[str]) -> Path:
        adapting = any(word.partition("=")[0] == "--adapt" for word in words)
        default = super().default_run(words)
        return cls.adaptation.get("run", default) if adapting else default

    @property
    def store_path(self) -> Path:
        """The feature store, of resolved flags."""
        assert self.store is not None
        return self.store

    def resolved(self) -> Self:
        """The flags with the defaults of --adapt, if it is given, and a store.

        Raises:
            ConfigError: no store and no --adapt, or both.
        """
        if self.adapt is None:
            if self.store is None:
                raise ConfigError("There is no training data: name a feature store, or a folder of clips with --adapt.")
            return self
        if self.store is not None:
            raise ConfigError("--adapt makes its own store: give a store or --adapt, not both.")
        default = type(self)()
        changes = {
            name: value for name, value in self.adaptation.items() if getattr(self, name) == getattr(default, name)
        }
        flags = dataclasses.replace(self, **changes)
        return dataclasses.replace(flags, store=flags.run / "clips")


class LoadedEncoder(Protocol):
    """A speaker encoder."""

    @property
    def embedding_space(self) -> str:
        """Name of the space of its embeddings."""

    @property
    def model(self) -> nn.Module:
        """Power mels [batch, frames, n_mels] -> embeddings [batch, embedding_size], L2 norm 1."""


Vocode = Callable[["np.ndarray", "MelConfig"], "np.ndarray"]
"""(mel [n_mels, frames], its settings) -> float32 [samples]."""


@dataclass(frozen=True)
class TrainingRun:
    """What a training script gives to the `plan` of a synthesizer family.

    Attributes:
        path: the run directory.
        load_encoder: loads the speaker encoder of a model file. Stages do not import each other, so the script does.
        vocode: makes the audio of validation; None makes none.
    """

    path: Path
    load_encoder: Callable[[Path], LoadedEncoder]
    vocode: Vocode | None = None
