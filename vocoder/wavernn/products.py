"""Products of a packed matrix with one vector or with several side by side, for numba.

A matrix is cut into blocks of 16 rows and one column. A row of blocks becomes 16 rows of the result: one loop over the
columns that have a block, with the sums in registers. A block that was loaded serves all vectors:

    sums[lane] += block * x[lane, column]      for each lane; the floats of a register are the 16 rows

So that 16 rows of a lane are loaded and stored at once, vectors side by side are laid out in tiles:
[units / 16, lanes, 16]. With a single lane that is the vector itself.

The conditioning network always has 16 frames and dense matrices: there the floats of a register are the frames, laid
out [units, 16].
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from kernels.amx import tile_product
from kernels.builders import INT64, larger, load_vector, loop, multiply_add, splat, store_vector
from kernels.parts import exact_inline, exact_part, intrinsic
from vocoder.wavernn.packing import BIAS, BLOCK_ROWS, COLUMNS, PLAN_COLUMNS, SCALES, STARTS, TILES, VALUES

WIDE = 16  # rows of a block, floats of a vector


def _sums_at_once(context: Any) -> int:
    """Sums of 16 floats that fit in the registers of this processor beside a block and its factor."""
    triple, _, features = context.codegen().magic_tuple()
    if "+avx512f" in features:
        return 16
    if triple.startswith(("aarch64", "arm64")):
        return 4
    return 4 if "+avx" in features or not features else 2


def _values(builder: ir.IRBuilder, begin: Any, k: Any, row: int = 0) -> Any:
    """The offset of a row in block k."""
    return builder.add(begin, builder.add(builder.mul(k, INT64(WIDE)), INT64(row)))


def _column(builder: ir.IRBuilder, columns: Any, begin: Any, k: Any) -> Any:
    """The column of block k; all have one where `columns` is None."""
    if columns is None:
        return k
    return builder.zext(builder.load(builder.gep(columns, [builder.add(begin, k)])), INT64)


def _offset(builder: ir.IRBuilder, begin: Any, apart: Any, times: int) -> Any:
    return builder.add(begin, builder.mul(apart, INT64(times)))


def _tiled(builder: ir.IRBuilder, column: Any, lanes: int) -> Any:
    """The offset of a column's number in tiles of this number of lanes."""
    if lanes == 1:
        return column
    tile = builder.mul(builder.and_(column, INT64(-WIDE)), INT64(lanes))
    return builder.or_(tile, builder.and_(column, INT64(WIDE - 1)))


def _lane_rows(sparse: bool, together: int, lanes: int) -> Any:
    """An intrinsic for `together` rows of blocks and `lanes` vectors. Several sums hide the latency of an addition,
    which seldom matters for the few terms of a sparse row.
    """

    @intrinsic
    def multiply(_typing: Any, floats: Any, values: Any, apart: Any, ints: Any, columns: Any, count: Any,
                 source: Any, source_at: Any, base: Any, base_at: Any, base_apart: Any, base_lane: Any,
                 target: Any, target_at: Any, target_apart: Any, floor: Any) -> Any:  # fmt: skip
        """For each row i: target = max(base + blocks @ source, floor), with i * `..._apart` added to the offsets.

        The base of the next lane is `base_lane` further on: 16, or 0 where all lanes have the same.
        """
        integer = types.int64
        signature = types.void(
            floats, integer, integer, ints, integer, integer, source, integer, base, *[integer] * 3, target, integer,
            integer, types.float32,
        )  # fmt: skip

        def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
            begins = [_offset(builder, args[1], args[2], row) for row in range(together)]
            low, at_once = splat(builder, args[15], WIDE), max(1, min(lanes, _sums_at_once(context) // together))
            for first in range(0, lanes, at_once):
                some = range(first, min(first + at_once, lanes))

                def body(k: Any, sums: list[Any], some: range = some) -> list[Any]:
                    column = _tiled(builder, _column(builder, args[3] if sparse else None, args[4], k), lanes)
                    at = builder.add(args[7], column)
                    numbers = [builder.load(builder.gep(args[6], [builder.add(at, INT64(WIDE * i))])) for i in some]
                    xs = [splat(builder, number, WIDE) for number in numbers]
                    blocks = [load_vector(builder, args[0], _values(builder, begin, k), WIDE) for begin in begins]
                    factors = [(block, x) for block in blocks for x in xs]
                    return [multiply_add(builder, *both, total) for both, total in zip(factors, sums, strict=True)]

                targets = [(row, lane) for row in range(together) for lane in some]
                rows = [_offset(builder, args[9], args[10], row) for row in range(together)]
                start = [
                    load_vector(builder, args[8], _offset(builder, rows[row], args[11], lane), WIDE)
                    for row, lane in targets
                ]
                sums = loop(builder, args[5], start, body, unrolled=not sparse)
                for (row, lane), total in zip(targets, sums, strict=True):
                    at = builder.add(_offset(builder, args[13], args[14], row), INT64(WIDE * lane))
                    store_vector(builder, larger(builder, total, low), args[12], at)
            return context.get_dummy_value()

        return signature, codegen

    return multiply


@intrinsic
def _frames_row(_typing: Any, floats: Any, values: Any, count: Any, source: Any, source_at: Any,
                base: Any, base_at: Any, target: Any, target_at: Any, floor: Any) -> Any:  # fmt: skip
    """target = max(base + blocks @ source, floor) for a row of blocks and 16 frames, which share the base."""
    integer = types.int64
    signature = types.void(floats, integer, integer, source, integer, base, integer, target, integer, types.float32)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        low, at_once = splat(builder, args[9], WIDE), _sums_at_once(context)
        for first in range(0, WIDE, at_once):
            rows = range(first, first + at_once)

            def body(k: Any, sums: list[Any], rows: range = rows) -> list[Any]:
                x = load_vector(builder, args[3], builder.add(args[4], builder.mul(k, INT64(WIDE))), WIDE)
                weights = [builder.load(builder.gep(args[0], [_values(builder, args[1], k, row)])) for row in rows]
                return [
                    multiply_add(builder, splat(builder, weight, WIDE), x, total)
                    for weight, total in zip(weights, sums, strict=True)
                ]

            numbers = [builder.load(builder.gep(args[5], [builder.add(args[6], INT64(row))])) for row in rows]
            start = [splat(builder, number, WIDE) for number in numbers]
            for row, total in zip(rows, loop(builder, args[2], start, body, unrolled=False), strict=True):
                store_vector(builder, larger(builder, total, low), args[7], builder.add(args[8], INT64(row * WIDE)))
        return context.get_dummy_value()

    return signature, codegen


@exact_inline
def look_up(plan, matrix, column):
    """An entry of a `PackedWaveRNN.plan`."""
    return plan[matrix * PLAN_COLUMNS + column]


def _row_of(lanes: int) -> Any:
    """The function for rows [16 * row, 16 * row + 16) of a product; `base_at` and `target_at` are of the first row."""
    sparse, dense = _lane_rows(True, 1, lanes), _lane_rows(False, 1, lanes)

    @exact_inline
    def multiply_row(net, matrix, row, source, source_at, base, base_at, base_lane, target, target_at, floor):
        plan, floats, ints = net
        start = ints[look_up(plan, matrix, STARTS) + row]
        count = ints[look_up(plan, matrix, STARTS) + row + 1] - start
        values, columns = look_up(plan, matrix, VALUES) + start * WIDE, look_up(plan, matrix, COLUMNS) + start
        if look_up(plan, matrix, COLUMNS) < 0:
            dense(floats, values, 0, ints, columns, count, source, source_at,
                  base, base_at, 0, base_lane, target, target_at, 0, floor)  # fmt: skip
        else:
            sparse(floats, values, 0, ints, columns, count, source, source_at,
                   base, base_at, 0, base_lane, target, target_at, 0, floor)  # fmt: skip

    return multiply_row


_AT_ONCE = 4  # rows of blocks of a dense matrix and one vector
_row_1, _row_2, _row_4, _row_8, _row_16 = (_row_of(lanes) for lanes in (1, 2, 4, 8, 16))
_dense_gates, _dense_several = _lane_rows(False, 3, 1), _lane_rows(False, _AT_ONCE, 1)


@exact_inline
def _multiply_row(net, matrix, row, source, source_at, base, base_at, base_lane, target, target_at, floor, width):
    if width == 1:
        _row_1(net, matrix, row, source, source_at, base, base_at, base_lane, target, target_at, floor)
    elif width == 2:
        _row_2(net, matrix, row, source, source_at, base, base_at, base_lane, target, target_at, floor)
    elif width == 4:
        _row_4(net, matrix, row, source, source_at, base, base_at, base_lane, target, target_at, floor)
    elif width == 8:
        _row_8(net, matrix, row, source, source_at, base, base_at, base_lane, target, target_at, floor)
    else:
        _row_16(net, matrix, row, source, source_at, base, base_at, base_lane, target, target_at, floor)


@exact_part
def product(net, matrix, source, source_at, base, base_at, target, target_at, floor, width):
    """target = max(base + matrix @ source, floor), all in tiles of `width` lanes.

    Args:
        net: addresses of plan, floats and ints of a `packing.PackedWaveRNN`.
        base_at: below zero stands for the bias of the matrix, which is the same for all lanes.
    """
    plan, floats, ints = net
    own, rows, row = base_at < 0, look_up(plan, matrix, BLOCK_ROWS), 0
    added, added_at = (floats, look_up(plan, matrix, BIAS)) if own else (base, base_at)
    base_lane, target_apart = 0 if own else WIDE, WIDE * width
    apart = WIDE if own else target_apart
    if width == WIDE and look_up(plan, matrix, TILES) >= 0:
        columns = (ints[look_up(plan, matrix, STARTS) + 1] + WIDE - 1) // WIDE * WIDE
        tile_product(ints, look_up(plan, matrix, TILES), floats, look_up(plan, matrix, SCALES), rows, columns,
                     source, source_at, added, added_at, apart, base_lane, target, target_at, floor)  # fmt: skip
        return
    if width == 1 and look_up(plan, matrix, COLUMNS) < 0:
        values, count = look_up(plan, matrix, VALUES), ints[look_up(plan, matrix, STARTS) + 1]
        while row + _AT_ONCE <= rows:
            _dense_several(floats, values + row * count * WIDE, count * WIDE, ints, 0, count,
                           source, source_at, added, added_at + row * WIDE, WIDE, base_lane,
                           target, target_at + row * WIDE, WIDE, floor)  # fmt: skip
            row += _AT_ONCE
    while row < rows:
        _multiply_row(net, matrix, row, source, source_at, added, added_at + row * apart, base_lane,
                      target, target_at + row * target_apart, floor, width)  # fmt: skip
        row += 1


@exact_inline
def multiply_gates(net, matrix, unit, source, source_at, target, target_at, width):
    """The sums of 16 units for each gate of a recurrent matrix, biases included: [3, width, 16]."""
    plan, floats, ints = net
    rows, bias, floor = (
        look_up(plan, matrix, BLOCK_ROWS) // 3,
        look_up(plan, matrix, BIAS),
        np.float32(-np.inf),
    )
    if width == 1 and look_up(plan, matrix, COLUMNS) < 0:
        values, count = look_up(plan, matrix, VALUES), ints[look_up(plan, matrix, STARTS) + 1]
        _dense_gates(floats, values + unit * count * WIDE, rows * count * WIDE, ints, 0, count,
                     source, source_at, floats, bias + unit * WIDE, rows * WIDE, 0,
                     target, target_at, WIDE, floor)  # fmt: skip
        return
    for gate in range(3):
        row = gate * rows + unit
        _multiply_row(net, matrix, row, source, source_at, floats, bias + row * WIDE, 0,
                      target, target_at + gate * WIDE * width, floor, width)  # fmt: skip


@exact_part
def frames_product(net, matrix, source, source_at, target, target_at, floor):
    """target = max(bias + matrix @ source, floor) for a dense matrix and 16 frames, all laid out [units, 16]."""
    plan, floats, ints = net
    values, bias = look_up(plan, matrix, VALUES), look_up(plan, matrix, BIAS)
    count = ints[look_up(plan, matrix, STARTS) + 1]
    for row in range(look_up(plan, matrix, BLOCK_ROWS)):
        _frames_row(floats, values + row * count * WIDE, count, source, source_at,
                    floats, bias + row * WIDE, target, target_at + row * WIDE * WIDE, floor)  # fmt: skip
