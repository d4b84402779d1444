"""Products of int8 weights with int16 inputs for numba: rounding to int16, pairs of products, and a tile.

Processors multiply 16-bit numbers and add neighbouring products in one instruction, twice as many as float32. Sums of
integers are exact in any order, so the result is the same on every processor.

The tile is for many rows. The decoder of the synthesizer has one or two, for which the loops of `decoder_products`
take a fifth of the time; for 96 rows the tile takes half the time of those.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from kernels.builders import (
    FLOAT,
    INT16,
    INT32,
    INT64,
    intrinsic_function,
    load,
    multiply_add,
    shuffle,
    splat,
    store_vector,
)
from kernels.layout import LANES, PAIR, TILE_OUTPUTS, TILE_ROWS
from kernels.parts import finite_part, intrinsic

SUMS, PAIRS = ir.VectorType(INT32, LANES), ir.VectorType(INT16, PAIR * LANES)
FLOAT_LANES = ir.VectorType(FLOAT, LANES)

PairProducts = Callable[[ir.IRBuilder, ir.Value, ir.Value], ir.Value]


@finite_part
def quantise(x, size, values, largest_value):
    """Round x, float32 [size], to int16 of at most `largest_value`; returns the scale: x = values * scale.

    Args:
        x, values: addresses; `values` has an even length, of at least `size`.
        largest_value: see `layout.largest_input`.
    """
    largest, steps = np.float32(1e-20), np.float32(largest_value)
    for i in range(size):
        largest = max(largest, abs(x[i]))
    inverse = np.float32(1) / largest
    for i in range(size):
        values[i] = np.int16(np.int32(np.rint(x[i] * steps * inverse)))
    if size % 2:
        values[size] = np.int16(0)
    return largest / steps


def avx2_pair_products(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """Sums of neighbouring products, int16 [16] each -> int32 [8]: one instruction of x86 with AVX2."""
    return builder.call(intrinsic_function(builder, "llvm.x86.avx2.pmadd.wd", SUMS, PAIRS, PAIRS), [a, b])


def portable_pair_products(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """The same on any processor."""
    products = []
    for first in range(PAIR):
        order = list(range(first, PAIR * LANES, PAIR))
        products.append(builder.mul(*(builder.sext(shuffle(builder, x, x, order), SUMS) for x in (a, b))))
    return builder.add(*products)


def pair_products(context: Any) -> PairProducts:
    """The fastest of both that the processor has."""
    _, _, features = context.codegen().magic_tuple()
    return avx2_pair_products if "+avx2" in features else portable_pair_products


def splat_pair(builder: ir.IRBuilder, values: ir.Value, index: ir.Value) -> ir.Value:
    """values[index : index + 2], int16, in all pairs of lanes."""
    return builder.bitcast(splat(builder, load(builder, INT32, values, index, align=2), LANES), PAIRS)


def _floats_at(builder: ir.IRBuilder, base: ir.Value, index: int | ir.Value) -> ir.Value:
    return load(builder, FLOAT_LANES, base, INT64(index) if isinstance(index, int) else index)


@intrinsic
def multiply_tile(
    _typing: Any, values: Any, stride: Any, scales: Any, weights: Any, pairs: Any, unit_scales: Any, bias: Any,
    out: Any, out_stride: Any,
) -> Any:  # fmt: skip
    """out [6, 16] = scales * (values @ weights) * unit_scales + bias: addresses of float32 where not stated.

    Args:
        values: int16 [6, 2 * pairs], rows `stride` apart, with their scales [6].
        weights: int16 [pairs, 16, 2], with the scales and the bias of their units [16].
        out: rows `out_stride` apart.
    """

    def codegen(context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        first, apart, row_scales, panel, count, column_scales, column_bias, target, target_apart = args
        of_pairs = pair_products(context)
        sums = [cgutils.alloca_once_value(builder, ir.Constant(SUMS, None)) for _ in range(2 * TILE_ROWS)]
        rows = [builder.gep(first, [builder.mul(apart, INT64(row))]) for row in range(TILE_ROWS)]
        with cgutils.for_range(builder, count, intp=INT64) as loop:
            at = builder.mul(loop.index, INT64(PAIR))
            begin = builder.mul(loop.index, INT64(PAIR * TILE_OUTPUTS))
            columns = [
                load(builder, PAIRS, panel, builder.add(begin, INT64(offset)), align=2)
                for offset in (0, PAIR * LANES)
            ]  # fmt: skip
            for row, start in enumerate(rows):
                both = splat_pair(builder, start, at)
                for half, column in enumerate(columns):
                    cell = sums[2 * row + half]
                    builder.store(builder.add(builder.load(cell), of_pairs(builder, both, column)), cell)
        for half in range(2):
            units = _floats_at(builder, column_scales, half * LANES)
            added = _floats_at(builder, column_bias, half * LANES)
            for row in range(TILE_ROWS):
                scale = splat(builder, builder.load(builder.gep(row_scales, [INT64(row)])), LANES)
                total = builder.sitofp(builder.load(sums[2 * row + half]), FLOAT_LANES)
                result = multiply_add(builder, total, builder.fmul(units, scale), added)
                at = builder.add(builder.mul(target_apart, INT64(row)), INT64(half * LANES))
                store_vector(builder, result, target, at)
        return context.get_dummy_value()

    integer = types.int64
    return types.void(values, integer, scales, weights, integer, unit_scales, bias, out, integer), codegen
