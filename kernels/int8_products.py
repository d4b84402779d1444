"""Products of whole numbers for numba: a tile of six rows and sixteen outputs in registers.

Processors multiply sixteen pairs of 16-bit numbers and add neighbours in one instruction, twice as many as float32.
LLVM knows it by its parts: numbers widened to 32 bits, multiplied, the even ones added to the odd ones.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from kernels.layout import OUTPUTS, ROWS
from kernels.parts import intrinsic
from kernels.simd import multiply_add, splat_value

_LANES = 8  # sums in a register

INT16, INT32, INT64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
_PAIRS, _SUMS = ir.VectorType(INT16, 2 * _LANES), ir.VectorType(INT32, _LANES)
_WIDE, _FLOATS = ir.VectorType(INT32, 2 * _LANES), ir.VectorType(ir.FloatType(), _LANES)


def _pick(builder: ir.IRBuilder, vector: ir.Value, order: list[int]) -> ir.Value:
    return builder.shuffle_vector(vector, vector, ir.Constant(ir.VectorType(INT32, len(order)), order))


def _add_pairs(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """[16] int16 each -> [8] int32, the sums of neighbouring products."""
    products = builder.mul(builder.sext(a, _WIDE), builder.sext(b, _WIDE))
    even, odd = (_pick(builder, products, list(range(start, 2 * _LANES, 2))) for start in (0, 1))
    return builder.add(even, odd)


def _floats_at(builder: ir.IRBuilder, base: ir.Value, index: int | ir.Value) -> ir.Value:
    place = builder.gep(base, [INT64(index) if isinstance(index, int) else index])
    return builder.bitcast(place, _FLOATS.as_pointer())


@intrinsic
def multiply_tile(
    _typing: Any, levels: Any, stride: Any, steps: Any, weights: Any, pairs: Any, unit_steps: Any, bias: Any,
    out: Any, out_stride: Any,
) -> Any:  # fmt: skip
    """out [6, 16] = steps * (levels @ weights) * unit_steps + bias.

    Args:
        levels: int16 [6, 2 * pairs], rows `stride` apart, and their steps [6].
        weights: int16 [pairs, 16, 2], and the steps and bias of their units [16].
        out: float32, rows `out_stride` apart.
    """

    def codegen(context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        first, apart, row_steps, panel, count, columns_steps, columns_bias, target, target_apart = args
        places = [cgutils.alloca_once_value(builder, ir.Constant(_SUMS, None)) for _ in range(2 * ROWS)]
        rows = [builder.gep(first, [builder.mul(apart, INT64(row))]) for row in range(ROWS)]
        with cgutils.for_range(builder, count, intp=INT64) as loop:
            at = builder.mul(loop.index, INT64(2))
            begin = builder.gep(panel, [builder.mul(loop.index, INT64(2 * OUTPUTS))])
            columns = [
                builder.load(builder.bitcast(builder.gep(begin, [INT64(start)]), _PAIRS.as_pointer()), align=2)
                for start in (0, 2 * _LANES)
            ]
            for row, start in enumerate(rows):
                pair = builder.load(builder.bitcast(builder.gep(start, [at]), INT32.as_pointer()), align=2)
                pair = builder.bitcast(splat_value(builder, pair, _LANES), _PAIRS)
                for half, column in enumerate(columns):
                    place = places[2 * row + half]
                    builder.store(builder.add(builder.load(place), _add_pairs(builder, pair, column)), place)
        for half in range(2):
            units = builder.load(_floats_at(builder, columns_steps, half * _LANES), align=4)
            added = builder.load(_floats_at(builder, columns_bias, half * _LANES), align=4)
            for row in range(ROWS):
                step = splat_value(builder, builder.load(builder.gep(row_steps, [INT64(row)])), _LANES)
                sums = builder.sitofp(builder.load(places[2 * row + half]), _FLOATS)
                made = multiply_add(builder, sums, builder.fmul(units, step), added)
                at = builder.add(builder.mul(target_apart, INT64(row)), INT64(half * _LANES))
                builder.store(made, _floats_at(builder, target, at), align=4)
        return context.get_dummy_value()

    whole = types.int64
    return types.void(levels, whole, steps, weights, whole, unit_steps, bias, out, whole), codegen
