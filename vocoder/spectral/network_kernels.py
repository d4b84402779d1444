"""The generator's layers on frames in rows, for numba: int8 weights, int16 activations.

The weights of such a model file are stored as int8, so integer products represent them exactly. Activations are
quantised as finely as 32-bit sums allow, finer than half precision. Integer sums are exact in any order, so the result
of a frame is bit-identical in any batch.
"""

import math

import numpy as np
from numba import types

from kernels.activations import gelu
from kernels.int8_products import multiply_tile, quantise
from kernels.layout import TILE_OUTPUTS, TILE_ROWS, largest_input
from kernels.machine_code import MachineCode
from kernels.parts import FLOATS, INTEGER, inline, machine_code, moved, part
from vocoder.spectral.fast_layers import CHUNK_ROWS

_EPSILON = np.float32(1e-5)  # of PyTorch's layer norm

_largest = inline(largest_input)


@part
def _apply_gelu(x, size):
    """In place."""
    for i in range(size):
        x[i] = gelu(x[i])


@part
def _normalise(x, size, weight, bias, out):
    """Layer norm of one frame."""
    total = np.float32(0)
    for i in range(size):
        total += x[i]
    mean = total / np.float32(size)
    square = np.float32(0)
    for i in range(size):
        apart = x[i] - mean
        square += apart * apart
    scale = np.float32(1) / np.float32(math.sqrt(square / np.float32(size) + _EPSILON))
    for i in range(size):
        out[i] = (x[i] - mean) * scale * weight[i] + bias[i]


@part
def _widen(weights, count, panel):
    """int8 -> int16."""
    for i in range(count):
        panel[i] = np.int16(weights[i])


@part
def _multiply(values, scales, rows, inputs, dense, outputs, panel, out):
    """out [rows, outputs] = (values * scales) @ weights + bias, rounded up to whole tiles.

    Args:
        values: int16 [rows, inputs, rounded up to a whole pair], with scales [rows].
        dense: weights [outputs / 16, inputs / 2, 16, 2] int8, their scales and bias, all of whole tiles.
        panel: workspace for the weights of a tile.
        out: rows `_whole_tiles(outputs)` apart.
    """
    weights, unit_scales, bias = dense
    pairs, stride = (inputs + 1) // 2, _whole_tiles(outputs)
    for first in range(0, outputs, TILE_OUTPUTS):
        _widen(moved(weights, first * 2 * pairs), 2 * pairs * TILE_OUTPUTS, panel)
        for row in range(0, rows, TILE_ROWS):
            multiply_tile(
                moved(values, row * 2 * pairs), 2 * pairs, moved(scales, row), panel, pairs,
                moved(unit_scales, first), moved(bias, first), moved(out, row * stride + first), stride,
            )  # fmt: skip


@part
def _convolve(x, taps, bias, kernel, channels, out):
    """Depthwise convolution over frames, for one frame: x [kernel, channels] -> out [channels]."""
    for channel in range(channels):
        out[channel] = bias[channel] + taps[channel] * x[channel]
    for offset in range(1, kernel):
        tap, frame = moved(taps, offset * channels), moved(x, offset * channels)
        for channel in range(channels):
            out[channel] += tap[channel] * frame[channel]


@inline
def _whole_pairs(inputs):
    return (inputs + 1) // 2 * 2


@inline
def _whole_tiles(outputs):
    return (outputs + TILE_OUTPUTS - 1) // TILE_OUTPUTS * TILE_OUTPUTS


def run_block(
    x, out, frames, channels, hidden, kernel, taps, bias, norm_weight, norm_bias,
    widen, widen_scales, widen_bias, narrow, narrow_scales, narrow_bias, residual_scale,
    values, panel, scales, wide, small,
):  # fmt: skip
    """x [frames + kernel - 1, channels] -> out [frames, channels] in whole tiles, see `fast_layers.FastBlock`.

    Args:
        values, panel, scales, wide, small: `fast_layers.Workspace.arrays`.
    """
    for start in range(0, frames, CHUNK_ROWS):
        rows = min(CHUNK_ROWS, frames - start)
        for row in range(rows):
            _convolve(moved(x, (start + row) * channels), taps, bias, kernel, channels, small)
            _normalise(small, channels, norm_weight, norm_bias, small)
            target = moved(values, row * _whole_pairs(channels))
            scales[row] = quantise(small, channels, target, _largest(channels))
        _multiply(values, scales, rows, channels, (widen, widen_scales, widen_bias), hidden, panel, wide)
        for row in range(rows):
            inner = moved(wide, row * _whole_tiles(hidden))
            _apply_gelu(inner, hidden)
            scales[row] = quantise(inner, hidden, moved(values, row * _whole_pairs(hidden)), _largest(hidden))
        made = moved(out, start * _whole_tiles(channels))
        _multiply(values, scales, rows, hidden, (narrow, narrow_scales, narrow_bias), channels, panel, made)
        for row in range(rows):
            before = moved(x, (start + row + kernel // 2) * channels)
            after = moved(made, row * _whole_tiles(channels))
            for channel in range(channels):
                after[channel] = before[channel] + residual_scale[channel] * after[channel]


def run_head(
    x, out, frames, channels, outputs, norm_weight, norm_bias, dense, dense_scales, dense_bias,
    values, panel, scales, wide, small,
):  # fmt: skip
    """Layer norm and a linear layer: x [frames, channels] -> out [frames, outputs] in whole tiles."""
    for start in range(0, frames, CHUNK_ROWS):
        rows = min(CHUNK_ROWS, frames - start)
        for row in range(rows):
            _normalise(moved(x, (start + row) * channels), channels, norm_weight, norm_bias, small)
            target = moved(values, row * _whole_pairs(channels))
            scales[row] = quantise(small, channels, target, _largest(channels))
        made = moved(out, start * _whole_tiles(outputs))
        _multiply(values, scales, rows, channels, (dense, dense_scales, dense_bias), outputs, panel, made)


_INT16, _INT8 = types.CPointer(types.int16), types.CPointer(types.int8)
_DENSE, _WORKSPACE = (_INT8, FLOATS, FLOATS), (_INT16, _INT16, *[FLOATS] * 3)


def compile_all() -> dict[str, MachineCode]:
    """The functions of `fast_layers.LIBRARY`."""
    block = (FLOATS, FLOATS, *[INTEGER] * 4, *[FLOATS] * 4, *_DENSE, *_DENSE, FLOATS, *_WORKSPACE)
    head = (FLOATS, FLOATS, *[INTEGER] * 3, FLOATS, FLOATS, *_DENSE, *_WORKSPACE)
    return {"block": machine_code(run_block, *block), "head": machine_code(run_head, *head)}
