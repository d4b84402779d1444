"""An adapter: a small change of a synthesizer's weights that makes one voice more like the person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from speech.errors import ConfigError

MOST_VALUES = 4_000_000  # of all tensors: 8 MB


@dataclass(frozen=True, eq=False)
class VoiceAdapter:
    """The low-rank update of a network (LoRA, arXiv 2106.09685).

    Attributes:
        tensors: float16 by name.
        model: digest of the weights that it changes; it fits no others.

    Raises:
        ConfigError: a tensor is not float16, not finite, or there are too many values.
    """

    tensors: Mapping[str, NDArray[np.float16]]
    model: str

    def __post_init__(self) -> None:
        kept = {name: np.array(values) for name, values in self.tensors.items()}
        fits = all(values.dtype == np.float16 and np.isfinite(values).all() for values in kept.values())
        if not kept or not fits or sum(values.size for values in kept.values()) > MOST_VALUES:
            raise ConfigError("An adapter needs finite float16 tensors of a limited size: adapt the voice again.")
        for values in kept.values():
            values.setflags(write=False)
        object.__setattr__(self, "tensors", MappingProxyType(kept))


@dataclass(frozen=True, eq=False)
class AdaptationClip:
    """A recording to adapt a voice to.

    Attributes:
        mel: float32 [n_mels, frames], dB scaled to [-4, 4].
        embedding: float32 [embedding_size], L2 norm 1.
    """

    mel: NDArray[np.float32]
    embedding: NDArray[np.float32]
