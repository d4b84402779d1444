"""Products of whole numbers for numba: a tile of six rows and sixteen outputs in registers.

Processors multiply sixteen pairs of 16-bit numbers and add neighbours in one instruction, twice as many as float32.
LLVM knows it by its parts: numbers widened to 32 bits, multiplied, the even ones added to the odd ones.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from vocoder.kernel_parts import intrinsic
from vocoder.spectral.fast_layers import OUTPUTS, ROWS

_LANES = 8  # sums in a register

INT16, INT32, INT64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
_PAIRS, _SUMS = ir.VectorType(INT16, 2 * _LANES), ir.VectorType(INT32, _LANES)
_WIDE = ir.VectorType(INT32, 2 * _LANES)


def _pick(builder: ir.IRBuilder, vector: ir.Value, order: list[int]) -> ir.Value:
    return builder.shuffle_vector(vector, vector, ir.Constant(ir.VectorType(INT32, len(order)), order))


def _add_pairs(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """[16] int16 each -> [8] int32, the sums of neighbouring products."""
    products = builder.mul(builder.sext(a, _WIDE), builder.sext(b, _WIDE))
    even, odd = (_pick(builder, products, list(range(start, 2 * _LANES, 2))) for start in (0, 1))
    return builder.add(even, odd)


@intrinsic
def multiply_tile(_typing: Any, levels: Any, stride: Any, weights: Any, pairs: Any, sums: Any) -> Any:
    """sums [6, 16] int32 = levels [6, 2 * pairs] int16, rows `stride` apart, times weights [pairs, 16, 2] int16."""

    def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        first, apart, panel, count, out = args
        zero = ir.Constant(_SUMS, None)
        places = [cgutils.alloca_once_value(builder, zero) for _ in range(2 * ROWS)]
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
                single = builder.insert_element(ir.Constant(_SUMS, ir.Undefined), pair, INT32(0))
                pair = builder.bitcast(_pick(builder, single, [0] * _LANES), _PAIRS)
                for half, column in enumerate(columns):
                    place = places[2 * row + half]
                    builder.store(builder.add(builder.load(place), _add_pairs(builder, pair, column)), place)
        for index, place in enumerate(places):
            where = builder.bitcast(builder.gep(out, [INT64(index * _LANES)]), _SUMS.as_pointer())
            builder.store(builder.load(place), where, align=4)
        return _context.get_dummy_value()

    return types.void(levels, types.int64, weights, types.int64, sums), codegen
