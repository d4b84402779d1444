"""A generator's layers in compiled code, for weights that were stored as int8; see `network_kernels`.

Every frame is computed independently, so that the result does not depend on the segments in which a stream arrives.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kernels.layout import TILE_OUTPUTS, TILE_ROWS
from kernels.machine_code import Library, functions_of
from modelfile.int8 import quantise_rows
from vocoder.spectral.model import ConvNeXtBlock, SpectralGenerator

CHUNK_ROWS = 96  # frames that are multiplied together: what they need stays in the processor's cache
_TOLERANCE = 0.01  # largest deviation of a weight from an integer, after its conversion from int8 to float32
_SOURCES = (
    "kernels.parts", "kernels.layout", "kernels.builders", "kernels.simd", "kernels.activations",
    "kernels.int8_products", "vocoder.spectral.fast_layers", "vocoder.spectral.network_kernels",
)  # fmt: skip
LIBRARY = Library("network", "vocoder.spectral.network_kernels", _SOURCES)

Floats = NDArray[np.float32]
Dense = tuple[NDArray[np.int8], Floats, Floats]


class NotQuantised(Exception):
    """The weights are not multiples of int8 scales, so integer products would change the result."""


class Workspace:
    """Scratch buffers of the compiled functions. Each stream has its own, as they run without the GIL."""

    def __init__(self, generator: SpectralGenerator) -> None:
        channels, hidden = generator.config.channels, generator.config.hidden
        even = _round_up(max(channels, hidden), 2)
        self.arrays = (
            np.zeros(CHUNK_ROWS * even, np.int16),  # quantised activations; a tile also reads rows past the last one
            np.empty(TILE_OUTPUTS * even, np.int16),  # panel of weights
            np.zeros(CHUNK_ROWS, np.float32),  # scales of the activations
            np.empty(CHUNK_ROWS * _round_up(hidden, TILE_OUTPUTS), np.float32),
            np.empty(channels, np.float32),
        )


class FastBlock:
    """A block of the generator: [frames + kernel - 1, channels] -> [frames, channels].

    Raises:
        NotQuantised, and the errors of `functions_of`.
    """

    def __init__(self, block: ConvNeXtBlock) -> None:
        taps = _floats(block.over_frames.weight[:, 0].t())
        self.kernel, self.channels = taps.shape
        self._hidden = block.widen.out_features
        norm = _floats(block.norm.weight), _floats(block.norm.bias)
        dense = (*_packed(block.widen), *_packed(block.narrow))
        self._weights = (taps, _floats(block.over_frames.bias), *norm, *dense, _floats(block.scale))
        self._run = functions_of(LIBRARY)["block"]

    def __call__(self, x: Tensor, workspace: Workspace | None) -> Tensor:
        assert workspace is not None
        frames = len(x) - self.kernel + 1
        out = torch.empty(_round_up(frames, TILE_ROWS), _round_up(self.channels, TILE_OUTPUTS))
        sizes = frames, self.channels, self._hidden, self.kernel
        self._run(x.contiguous().numpy(), out.numpy(), *sizes, *self._weights, *workspace.arrays)
        return out[:frames, : self.channels]


class FastHead:
    """The last two layers, to log magnitudes and phases: [frames, channels] -> [frames, 2 * bins].

    Raises:
        NotQuantised, and the errors of `functions_of`.
    """

    def __init__(self, generator: SpectralGenerator) -> None:
        norm, dense = generator.leave_norm, generator.to_spectrum
        self._outputs, self._channels = dense.weight.shape
        self._weights = (_floats(norm.weight), _floats(norm.bias), *_packed(dense))
        self._run = functions_of(LIBRARY)["head"]

    def __call__(self, x: Tensor, workspace: Workspace | None) -> Tensor:
        assert workspace is not None
        out = torch.empty(_round_up(len(x), TILE_ROWS), _round_up(self._outputs, TILE_OUTPUTS))
        sizes = len(x), self._channels, self._outputs
        self._run(x.contiguous().numpy(), out.numpy(), *sizes, *self._weights, *workspace.arrays)
        return out[: len(x), : self._outputs]


def _round_up(count: int, size: int) -> int:
    """The next multiple of a size."""
    return -(-count // size) * size


def _floats(x: Tensor | None) -> Floats:
    assert x is not None
    return np.ascontiguousarray(x.detach().numpy(), dtype=np.float32)


def _packed(layer: nn.Linear) -> Dense:
    """Weights [outputs / 16, inputs / 2, 16, 2] as the kernels read them, scales [outputs] and bias of a linear layer,
    with outputs of zeros up to whole tiles.

    Raises:
        NotQuantised: see there.
    """
    weight = layer.weight.detach().float()
    outputs, inputs = weight.shape
    quantised, scales = quantise_rows(weight)
    if (weight / scales[:, None] - quantised).abs().max() > _TOLERANCE:
        raise NotQuantised
    values = np.zeros((_round_up(outputs, TILE_OUTPUTS), _round_up(inputs, 2)), dtype=np.int8)
    values[:outputs, :inputs] = quantised.numpy()
    panels = values.reshape(-1, TILE_OUTPUTS, values.shape[1] // 2, 2).transpose(0, 2, 1, 3)
    lacking = 0, len(values) - outputs
    return np.ascontiguousarray(panels), np.pad(scales.numpy(), lacking), np.pad(_floats(layer.bias), lacking)
