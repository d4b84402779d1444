"""A generator's layers in compiled code, for weights that were stored in eight bits: `network_kernels` lays out why.

Every frame goes through by itself, so that it makes no difference which parts a stream comes in.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kernels.layout import OUTPUTS, ROWS
from kernels.machine_code import Library, functions_of
from vocoder.spectral.model import ConvNeXtBlock, SpectralGenerator

CHUNK_ROWS = 96  # frames that go through a product together: what they need stays in the processor's cache
HIGHEST = 127  # level of a weight
_SLACK = 0.01  # levels by which a weight that was stored in eight bits is off, after it was a float32
_SOURCES = (
    "kernels.parts", "kernels.layout", "kernels.simd", "kernels.int8_products",
    "vocoder.spectral.fast_layers", "vocoder.spectral.network_kernels",
)  # fmt: skip
LIBRARY = Library("network", "vocoder.spectral.network_kernels", _SOURCES)

Floats = NDArray[np.float32]
Dense = tuple[NDArray[np.int8], Floats, Floats]


class NotInLevels(Exception):
    """Weights that are not whole numbers of steps: products of whole numbers would not be theirs."""


class Room:
    """What the functions work in; of one stream, as they do not hold Python's lock."""

    def __init__(self, generator: SpectralGenerator) -> None:
        channels, hidden = generator.config.channels, generator.config.hidden
        even = _up(max(channels, hidden), 2)
        self.arrays = (
            np.zeros(CHUNK_ROWS * even, np.int16),  # levels; a tile also reads of rows that are not asked for
            np.empty(OUTPUTS * even, np.int16),  # panel of weights
            np.zeros(CHUNK_ROWS, np.float32),  # steps of the levels
            np.empty(CHUNK_ROWS * _up(hidden, OUTPUTS), np.float32),
            np.empty(channels, np.float32),
        )


class FastBlock:
    """A block of the generator: [frames + kernel - 1, channels] -> [frames, channels].

    Raises:
        NotInLevels, and whatever `functions_of` does.
    """

    def __init__(self, block: ConvNeXtBlock) -> None:
        taps = _floats(block.over_frames.weight[:, 0].t())
        self.kernel, self.channels = taps.shape
        self._hidden = block.widen.out_features
        norm = _floats(block.norm.weight), _floats(block.norm.bias)
        dense = (*_in_levels(block.widen), *_in_levels(block.narrow))
        self._weights = (taps, _floats(block.over_frames.bias), *norm, *dense, _floats(block.scale))
        self._run = functions_of(LIBRARY)["block"]

    def __call__(self, x: Tensor, room: Room | None) -> Tensor:
        assert room is not None
        frames = len(x) - self.kernel + 1
        out = torch.empty(_up(frames, ROWS), _up(self.channels, OUTPUTS))
        sizes = frames, self.channels, self._hidden, self.kernel
        self._run(x.contiguous().numpy(), out.numpy(), *sizes, *self._weights, *room.arrays)
        return out[:frames, : self.channels]


class FastHead:
    """The last two layers, to log magnitudes and phases: [frames, channels] -> [frames, 2 * bins].

    Raises:
        NotInLevels, and whatever `functions_of` does.
    """

    def __init__(self, generator: SpectralGenerator) -> None:
        norm, dense = generator.leave_norm, generator.to_spectrum
        self._outputs, self._channels = dense.weight.shape
        self._weights = (_floats(norm.weight), _floats(norm.bias), *_in_levels(dense))
        self._run = functions_of(LIBRARY)["head"]

    def __call__(self, x: Tensor, room: Room | None) -> Tensor:
        assert room is not None
        out = torch.empty(_up(len(x), ROWS), _up(self._outputs, OUTPUTS))
        sizes = len(x), self._channels, self._outputs
        self._run(x.contiguous().numpy(), out.numpy(), *sizes, *self._weights, *room.arrays)
        return out[: len(x), : self._outputs]


def _up(count: int, size: int) -> int:
    """The next multiple of a size."""
    return -(-count // size) * size


def _floats(x: Tensor | None) -> Floats:
    assert x is not None
    return np.ascontiguousarray(x.detach().numpy(), dtype=np.float32)


def _in_levels(layer: nn.Linear) -> Dense:
    """Weights [outputs / 16, inputs / 2, 16, 2] as the kernels read them, steps [outputs] and bias of a linear layer,
    with outputs of zeros up to whole tiles.

    Raises:
        NotInLevels: see there.
    """
    weight = _floats(layer.weight)
    outputs, inputs = weight.shape
    steps = np.maximum(np.abs(weight).max(axis=1), np.float32(1e-20)) / np.float32(HIGHEST)
    exact = weight / steps[:, None]
    rounded = np.rint(exact)
    exact -= rounded
    if np.abs(exact, out=exact).max() > _SLACK:
        raise NotInLevels
    levels = np.zeros((_up(outputs, OUTPUTS), _up(inputs, 2)), dtype=np.int8)
    levels[:outputs, :inputs] = rounded
    panels = levels.reshape(-1, OUTPUTS, levels.shape[1] // 2, 2).transpose(0, 2, 1, 3)
    lacking = 0, len(levels) - outputs
    return np.ascontiguousarray(panels), np.pad(steps, lacking), np.pad(_floats(layer.bias), lacking)
