"""Arrays of compiled decoders: packed weights, texts, outputs. Their products are in `decoder_products`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from kernels.arguments import ArrayKind, Blocks, Vector
from kernels.layout import PAIR
from modelfile.int8 import quantise_rows

Floats = NDArray[np.float32]
Counts = Annotated[NDArray[np.int64], ArrayKind("int64", 1)]
Weights = Annotated[NDArray[np.int8], ArrayKind("int8", 3)]
Inputs = Annotated[NDArray[np.int16], ArrayKind("int16", 2)]

BLOCK = 32  # units that are stored together, see `decoder_products`
CACHE_LINE = 64

KERNEL_SOURCES = (
    *(f"kernels.{name}" for name in ("parts", "layout", "builders", "simd", "activations")),
    *(f"kernels.{name}" for name in ("int8_products", "arguments", "argument_reader")),
    *(f"synthesizer.{name}" for name in ("decoder_arrays", "decoder_products", "decoder_parts")),
)
"""Modules that the machine code of every compiled decoder is made of."""


class Int8Matrix(NamedTuple):
    """A matrix = values * scales as `decoder_products` reads it, padded with zeros to whole blocks and pairs."""

    values: Weights  # [blocks, pairs, 32 units * 2]
    scales: Vector  # [blocks * 32]


class Texts(NamedTuple):
    """Memory [rows, tokens, size], token counts and step limits [rows]."""

    memory: Blocks
    lengths: Counts
    limits: Counts


class Outputs(NamedTuple):
    """frames [rows, steps, factor * n_mels], weights [rows, steps, tokens]; zero after a sentence's end."""

    frames: Blocks
    weights: Blocks


def packed_int8(weight: Tensor) -> Int8Matrix:
    """[units, inputs] quantised row by row, pairs of inputs of 32 units after another."""
    values, scales = (tensor.numpy() for tensor in quantise_rows(weight.detach().float()))
    units, inputs = values.shape
    padded = np.pad(values, ((0, -units % BLOCK), (0, -inputs % PAIR)))
    blocks = padded.reshape(-1, BLOCK, padded.shape[1] // PAIR, PAIR).transpose(0, 2, 1, 3)
    packed = np.ascontiguousarray(blocks).reshape(*blocks.shape[:2], BLOCK * PAIR)
    return Int8Matrix(packed, np.pad(scales, (0, -units % BLOCK)))


def packed_floats(weight: Tensor) -> Floats:
    """[units, inputs] -> [blocks, inputs, 32 units]."""
    matrix = weight.detach().float().numpy()
    units, inputs = matrix.shape
    padded = np.pad(matrix, ((0, -units % BLOCK), (0, 0)))
    return np.ascontiguousarray(padded.reshape(-1, BLOCK, inputs).transpose(0, 2, 1))


def adjacent(arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Copies in one buffer, each aligned to a cache line."""
    sizes = [array.nbytes + -array.nbytes % CACHE_LINE for array in arrays]
    buffer = np.empty(sum(sizes) + CACHE_LINE, np.uint8)
    at, copies = -buffer.ctypes.data % CACHE_LINE, []
    for array, size in zip(arrays, sizes, strict=True):
        copies.append(buffer[at : at + array.nbytes].view(array.dtype).reshape(array.shape))
        copies[-1][...] = array
        at += size
    return copies


def whole_blocks(units: int) -> int:
    return units + -units % BLOCK


def buffer(units: int) -> Floats:
    return np.zeros(whole_blocks(units), np.float32)


def as_floats(tensor: Tensor) -> Floats:
    return np.array(tensor.detach().float().numpy(), order="C")  # a copy
