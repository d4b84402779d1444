"""The generator's layers on frames in rows, for numba: weights in eight bits, activations in fifteen.

The weights of a file are stored in eight bits, so that products of whole numbers lose nothing there; the levels of a
frame are as fine as 32-bit sums allow, finer than half precision. Sums of whole numbers are exact in any order: what a
frame gives does not depend on the ones beside it, to the last bit.
"""

import math

import numpy as np
from numba import types

from kernels.int8_products import multiply_tile
from kernels.layout import OUTPUTS, ROWS
from kernels.machine_code import MachineCode
from kernels.parts import FLOATS, WHOLE, inline, machine_code, moved, part
from vocoder.spectral.fast_layers import CHUNK_ROWS, HIGHEST

_EPSILON = np.float32(1e-5)  # of PyTorch's layer norm
_MOST_LEVELS, _LARGEST_SUM = 2**15 - 1, 2**31 - 1


@inline
def _tanh(x):
    """A quotient of polynomials fitted to tanh on [-9, 9], right to 4e-7: arithmetic alone, which runs in vectors."""
    x = min(max(x, np.float32(-9.0)), np.float32(9.0))
    y = x * x
    above = np.float32(1.82556209e-11) * y - np.float32(1.27805890e-08)
    above = above * y + np.float32(9.26748147e-06)
    above = above * y + np.float32(2.92076950e-03)
    above = above * y + np.float32(1.29192359e-01)
    above = above * y + np.float32(0.999999941)
    below = np.float32(2.28101198e-04) * y + np.float32(2.37632011e-02)
    below = below * y + np.float32(4.62525198e-01)
    below = below * y + np.float32(1.0)
    return x * above / below


@part
def _gelu(x, size):
    """PyTorch's gelu of approximate="tanh", in place."""
    for i in range(size):
        value = x[i]
        inner = np.float32(0.7978845608) * (value + np.float32(0.044715) * value * value * value)
        half = np.float32(0.5) * value
        x[i] = half + half * _tanh(inner)


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
def _to_levels(x, size, levels, highest):
    """Rounds x [size] to whole numbers of at most `highest`; returns their step."""
    largest = np.float32(1e-20)
    for i in range(size):
        largest = max(largest, abs(x[i]))
    inverse = np.float32(highest) / largest
    for i in range(size):
        levels[i] = np.int16(np.int32(np.rint(x[i] * inverse)))
    if size % 2:
        levels[size] = np.int16(0)
    return largest / np.float32(highest)


@part
def _widen(weights, count, panel):
    """int8 -> int16."""
    for i in range(count):
        panel[i] = np.int16(weights[i])


@part
def _multiply(levels, steps, rows, inputs, dense, outputs, panel, out):
    """out [rows, outputs] = (levels * steps) @ weights + bias, rounded up to whole tiles.

    Args:
        dense: weights [outputs / 16, inputs / 2, 16, 2] int8, their steps and bias, all of whole tiles.
        panel: room for the weights of a tile.
        out: rows `_whole(outputs)` apart.
    """
    weights, unit_steps, bias = dense
    pairs, stride = (inputs + 1) // 2, _whole(outputs)
    for first in range(0, outputs, OUTPUTS):
        _widen(moved(weights, first * 2 * pairs), 2 * pairs * OUTPUTS, panel)
        for row in range(0, rows, ROWS):
            multiply_tile(
                moved(levels, row * 2 * pairs), 2 * pairs, moved(steps, row), panel, pairs,
                moved(unit_steps, first), moved(bias, first), moved(out, row * stride + first), stride,
            )  # fmt: skip


@part
def _convolve(x, taps, bias, kernel, channels, out):
    """A channel's own filter over frames, for one frame: x [kernel, channels] -> out [channels]."""
    for channel in range(channels):
        out[channel] = bias[channel] + taps[channel] * x[channel]
    for offset in range(1, kernel):
        tap, frame = moved(taps, offset * channels), moved(x, offset * channels)
        for channel in range(channels):
            out[channel] += tap[channel] * frame[channel]


@inline
def _highest(inputs):
    """Levels of an activation, so that no sum of so many products with weights leaves 32 bits."""
    return min(_MOST_LEVELS, _LARGEST_SUM // (HIGHEST * inputs))


@inline
def _even(inputs):
    return (inputs + 1) // 2 * 2


@inline
def _whole(outputs):
    return (outputs + OUTPUTS - 1) // OUTPUTS * OUTPUTS


def run_block(
    x, out, frames, channels, hidden, kernel, taps, bias, norm_weight, norm_bias,
    widen, widen_steps, widen_bias, narrow, narrow_steps, narrow_bias, scale,
    levels, panel, steps, wide, small,
):  # fmt: skip
    """x [frames + kernel - 1, channels] -> out [frames, channels] in whole tiles, see `fast_layers.FastBlock`."""
    for start in range(0, frames, CHUNK_ROWS):
        rows = min(CHUNK_ROWS, frames - start)
        for row in range(rows):
            _convolve(moved(x, (start + row) * channels), taps, bias, kernel, channels, small)
            _normalise(small, channels, norm_weight, norm_bias, small)
            steps[row] = _to_levels(small, channels, moved(levels, row * _even(channels)), _highest(channels))
        _multiply(levels, steps, rows, channels, (widen, widen_steps, widen_bias), hidden, panel, wide)
        for row in range(rows):
            inner = moved(wide, row * _whole(hidden))
            _gelu(inner, hidden)
            steps[row] = _to_levels(inner, hidden, moved(levels, row * _even(hidden)), _highest(hidden))
        target = moved(out, start * _whole(channels))
        _multiply(levels, steps, rows, hidden, (narrow, narrow_steps, narrow_bias), channels, panel, target)
        for row in range(rows):
            before, after = moved(x, (start + row + kernel // 2) * channels), moved(target, row * _whole(channels))
            for channel in range(channels):
                after[channel] = before[channel] + scale[channel] * after[channel]


def run_head(
    x, out, frames, channels, outputs, norm_weight, norm_bias, dense, dense_steps, dense_bias,
    levels, panel, steps, wide, small,
):  # fmt: skip
    """Layer norm and a linear layer: x [frames, channels] -> out [frames, outputs] in whole tiles."""
    for start in range(0, frames, CHUNK_ROWS):
        rows = min(CHUNK_ROWS, frames - start)
        for row in range(rows):
            _normalise(moved(x, (start + row) * channels), channels, norm_weight, norm_bias, small)
            steps[row] = _to_levels(small, channels, moved(levels, row * _even(channels)), _highest(channels))
        target = moved(out, start * _whole(outputs))
        _multiply(levels, steps, rows, channels, (dense, dense_steps, dense_bias), outputs, panel, target)


_WORDS, _BYTES = types.CPointer(types.int16), types.CPointer(types.int8)
_DENSE, _ROOM = (_BYTES, FLOATS, FLOATS), (_WORDS, _WORDS, *[FLOATS] * 3)


def compile_all() -> dict[str, MachineCode]:
    """The functions of `fast_layers.LIBRARY`."""
    block = (FLOATS, FLOATS, *[WHOLE] * 4, *[FLOATS] * 4, *_DENSE, *_DENSE, FLOATS, *_ROOM)
    head = (FLOATS, FLOATS, *[WHOLE] * 3, FLOATS, FLOATS, *_DENSE, *_ROOM)
    return {"block": machine_code(run_block, *block), "head": machine_code(run_head, *head)}
