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
    from torch import Tensor, nn

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

    @property
    def n_mels(self) -> int:
        """Bands of these mels."""


class JointEncoder(Protocol):
    """A speaker encoder that is trained together with a synthesizer, by the synthesizer's losses and by DINO."""

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """All networks by name; those with parameters that require a gradient are trained."""

    @property
    def n_mels(self) -> int:
        """Bands of the power mels that it takes."""

    @property
    def embedding_size(self) -> int: ...

    @property
    def embedding_space(self) -> str:
        """Name of the space that the present weights define."""

    def embed(self, crops: Tensor) -> Tensor:
        """Power mels [crops, utterances, frames, n_mels] -> [crops, utterances, embedding_size], with gradients."""

    def measure(self, mels: Tensor) -> Tensor:
        """By the teacher, whose weights get no gradient: [batch, frames, n_mels] -> [batch, embedding_size]."""

    def losses(self, long: Tensor, views: list[Tensor], step: int) -> dict[str, Tensor]:
        """ "loss" and its parts, of crops [crops, utterances, frames, n_mels] and the embeddings of all crops."""

    def after_step(self, done: int) -> None:
        """Move the teacher after an optimiser step."""

    def save(self, path: Path, step: int) -> None:
        """Write the encoder's model file."""


@dataclass(frozen=True)
class JointEncoderRequest:
    """What a joint training asks of its speaker encoder.

    Attributes:
        steps: of the training.
        start: model file to start from; None for random weights.
        prototypes: outputs of the projection head of DINO.
        momentum: of the teacher, at the start and at the end.
        licence, trained_on: for the header of its file.
    """

    steps: int
    start: Path | None
    prototypes: int
    momentum: tuple[float, float]
    licence: str = ""
    trained_on: str = ""


Vocode = Callable[["np.ndarray", "MelConfig"], "np.ndarray"]
"""(mel [n_mels, frames], its settings) -> float32 [samples]."""


@dataclass(frozen=True)
class TrainingRun:
    """What a training script gives to the `plan` of a synthesizer family.

    Attributes:
        path: the run directory.
        load_encoder: loads the speaker encoder of a model file. Stages do not import each other, so the script does.
        vocode: makes the audio of validation; None makes none.
        joint_encoder: makes a speaker encoder for joint training.
    """

    path: Path
    load_encoder: Callable[[Path], LoadedEncoder]
    vocode: Vocode | None = None
    joint_encoder: Callable[[JointEncoderRequest], JointEncoder] | None = None
