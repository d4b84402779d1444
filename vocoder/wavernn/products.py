"""Products of a packed matrix with one vector or with 8 or 16 of them side by side, for numba.

A matrix is cut into blocks of 16 rows and one column. A row of blocks becomes 16 rows of the result, as one loop over
the columns that have a block, with the sums in registers:

    one vector      sums += block * x[column]               lanes are the 16 rows
    8 or 16 of them sums[row] += block[row] * x[column]     lanes are the vectors; one sum for each of the 16 rows

Where all columns have a block, their list is not read.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from vocoder.wavernn.packing import BIAS, BLOCK_ROWS, COLUMNS, PLAN_COLUMNS, STARTS, VALUES
from vocoder.wavernn.simd import (
    INT64,
    WIDE,
    intrinsic,
    jit_inline,
    jit_part,
    larger,
    load_vector,
    multiply_add,
    splat_value,
    store_vector,
)


def _loop(builder: ir.IRBuilder, count: Any, carried: list[Any], body: Any, unrolled: bool) -> list[Any]:
    """`for k in range(count): carried = body(k, carried)`, with what is carried in registers; returns it.

    LLVM is to leave the loop as it is unless `unrolled`: over a few dozen terms, what it wins by doing eight at once is
    lost again by the branches for those that are left.
    """
    before = builder.block
    head, inner, after = (builder.append_basic_block(name) for name in ("head", "inner", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    k, sums = builder.phi(INT64), [builder.phi(value.type) for value in carried]
    builder.cbranch(builder.icmp_signed("<", k, count), inner, after)
    builder.position_at_end(inner)
    following, last = body(k, sums), builder.add(k, INT64(1))
    for phi, first, then in zip([k, *sums], [INT64(0), *carried], [last, *following], strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(then, builder.block)
    back = builder.branch(head)
    if not unrolled:
        back.set_metadata("llvm.loop", _loop_settings(builder.module, "llvm.loop.unroll.disable"))
    builder.position_at_end(after)
    return sums


def _loop_settings(module: ir.Module, *settings: str) -> Any:
    """Metadata of a loop: a node whose first operand is itself, so that no two loops share it."""
    node = ir.values.MDValue(module, [], name=str(len(module.metadata)))
    node.operands = (node, *(module.add_metadata([ir.MetaDataString(module, setting)]) for setting in settings))
    return node


def _rows_at_once(context: Any, lanes: int) -> int:
    """Sums of so many floats that fit in the registers of this processor, beside the other factor and a weight."""
    triple, _, features = context.codegen().magic_tuple()
    if "+avx512f" in features:
        registers, floats = 32, 16
    elif triple.startswith(("aarch64", "arm64")):
        registers, floats = 32, 4
    else:
        registers, floats = 16, 8 if "+avx" in features or not features else 4
    each = max(1, lanes // floats)
    return max(rows for rows in (1, 2, 4, 8, WIDE) if (rows + 1) * each < registers)


def _values(builder: ir.IRBuilder, begin: Any, k: Any, row: int = 0) -> Any:
    """The offset of a row in block k."""
    return builder.add(begin, builder.add(builder.mul(k, INT64(WIDE)), INT64(row)))


def _column(builder: ir.IRBuilder, columns: Any, begin: Any, k: Any) -> Any:
    """The column of block k; all have one where `columns` is None."""
    if columns is None:
        return k
    return builder.zext(builder.load(builder.gep(columns, [builder.add(begin, k)])), INT64)


def _stream_rows(sparse: bool, together: int) -> Any:
    """An intrinsic for `together` rows of blocks and one vector; while one sum waits for its last addition, the others
    go on. Of sparse ones there are seldom enough terms for that to matter.
    """

    @intrinsic
    def multiply(_typing: Any, floats: Any, values: Any, apart: Any, ints: Any, columns: Any, count: Any,
                 source: Any, source_at: Any, base: Any, base_at: Any, base_apart: Any,
                 target: Any, target_at: Any, target_apart: Any, floor: Any) -> Any:  # fmt: skip
        """For each row i: target = max(base + blocks @ source, floor), with offsets i times `..._apart` further on."""
        whole = types.int64
        signature = types.void(
            floats, whole, whole, ints, whole, whole, source, whole, base, whole, whole, target, whole, whole,
            types.float32,
        )  # fmt: skip

        def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
            def offsets(begin: Any, apart: Any) -> list[Any]:
                return [builder.add(begin, builder.mul(apart, INT64(row))) for row in range(together)]

            begins = offsets(args[1], args[2])

            def body(k: Any, sums: list[Any]) -> list[Any]:
                column = _column(builder, args[3] if sparse else None, args[4], k)
                number = builder.load(builder.gep(args[6], [builder.add(args[7], column)]))
                x = splat_value(builder, number, WIDE)
                return [
                    multiply_add(builder, load_vector(builder, args[0], _values(builder, begin, k), WIDE), x, total)
                    for begin, total in zip(begins, sums, strict=True)
                ]

            start = [load_vector(builder, args[8], at, WIDE) for at in offsets(args[9], args[10])]
            sums = _loop(builder, args[5], start, body, unrolled=not sparse)
            low = splat_value(builder, args[14], WIDE)
            for at, total in zip(offsets(args[12], args[13]), sums, strict=True):
                store_vector(builder, larger(builder, total, low), args[11], at)
            return context.get_dummy_value()

        return signature, codegen

    return multiply


def _lanes_row(lanes: int, sparse: bool) -> Any:
    """An intrinsic for one row of blocks and 8 or 16 vectors side by side."""

    @intrinsic
    def multiply(_typing: Any, floats: Any, values: Any, ints: Any, columns: Any, count: Any,
                 source: Any, source_at: Any, base: Any, base_at: Any, spread: Any,
                 target: Any, target_at: Any, floor: Any) -> Any:  # fmt: skip
        """target = max(base + blocks @ source, floor); `spread` says that the base is one number for all lanes."""
        whole = types.int64
        signature = types.void(
            floats, whole, ints, whole, whole, source, whole, base, whole, types.boolean, target, whole, types.float32
        )

        def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
            low, at_once = splat_value(builder, args[12], lanes), _rows_at_once(context, lanes)
            for first in range(0, WIDE, at_once):
                rows = range(first, first + at_once)

                def body(k: Any, sums: list[Any], rows: range = rows) -> list[Any]:
                    column = _column(builder, args[2] if sparse else None, args[3], k)
                    x_at = builder.add(args[6], builder.mul(column, INT64(lanes)))
                    x = load_vector(builder, args[5], x_at, lanes)
                    weights = [builder.gep(args[0], [_values(builder, args[1], k, row)]) for row in rows]
                    return [
                        multiply_add(builder, splat_value(builder, builder.load(weight), lanes), x, total)
                        for weight, total in zip(weights, sums, strict=True)
                    ]

                start = _start(builder, args[7], args[8], args[9], lanes, rows)
                sums = _loop(builder, args[4], start, body, unrolled=False)
                for row, total in zip(rows, sums, strict=True):
                    at = builder.add(args[11], INT64(row * lanes))
                    store_vector(builder, larger(builder, total, low), args[10], at)
            return context.get_dummy_value()

        return signature, codegen

    return multiply


def _start(builder: ir.IRBuilder, base: Any, at: Any, spread: Any, lanes: int, rows: range) -> list[Any]:
    """The sums before the first term: one number for all lanes where `spread`, else a number for each lane."""
    with builder.if_else(spread) as (one, each):
        with one:
            numbers = [builder.load(builder.gep(base, [builder.add(at, INT64(row))])) for row in rows]
            same, same_end = [splat_value(builder, number, lanes) for number in numbers], builder.block
        with each:
            own = [load_vector(builder, base, builder.add(at, INT64(row * lanes)), lanes) for row in rows]
            own_end = builder.block
    sums = []
    for a, b in zip(same, own, strict=True):
        phi = builder.phi(a.type)
        phi.add_incoming(a, same_end)
        phi.add_incoming(b, own_end)
        sums.append(phi)
    return sums


_AT_ONCE = 4  # rows of blocks of a dense matrix and one vector
_stream_sparse, _stream_dense = _stream_rows(True, 1), _stream_rows(False, 1)
_stream_gates, _stream_several = _stream_rows(False, 3), _stream_rows(False, _AT_ONCE)
_half_sparse, _half_dense = _lanes_row(8, True), _lanes_row(8, False)
_wide_sparse, _wide_dense = _lanes_row(16, True), _lanes_row(16, False)


@jit_inline
def look_up(plan, matrix, column):
    """An entry of a `PackedWaveRNN.plan`."""
    return plan[matrix * PLAN_COLUMNS + column]


@jit_inline
def _multiply_row(net, matrix, row, source, source_at, base, base_at, spread, target, target_at, floor, width):
    """Rows [16 * row, 16 * row + 16) of a product; `base_at` and `target_at` are those of the first of them."""
    plan, floats, ints = net
    start = ints[look_up(plan, matrix, STARTS) + row]
    count = ints[look_up(plan, matrix, STARTS) + row + 1] - start
    values, columns = look_up(plan, matrix, VALUES) + start * WIDE, look_up(plan, matrix, COLUMNS) + start
    dense = look_up(plan, matrix, COLUMNS) < 0
    # fmt: off
    if width == 1:
        if dense:
            _stream_dense(floats, values, 0, ints, columns, count, source, source_at,
                          base, base_at, 0, target, target_at, 0, floor)
        else:
            _stream_sparse(floats, values, 0, ints, columns, count, source, source_at,
                           base, base_at, 0, target, target_at, 0, floor)
    elif width == WIDE:
        if dense:
            _wide_dense(floats, values, ints, columns, count, source, source_at,
                        base, base_at, spread, target, target_at, floor)
        else:
            _wide_sparse(floats, values, ints, columns, count, source, source_at,
                         base, base_at, spread, target, target_at, floor)
    elif dense:
        _half_dense(floats, values, ints, columns, count, source, source_at,
                    base, base_at, spread, target, target_at, floor)
    else:
        _half_sparse(floats, values, ints, columns, count, source, source_at,
                     base, base_at, spread, target, target_at, floor)
    # fmt: on


@jit_part
def product(net, matrix, source, source_at, base, base_at, target, target_at, floor, width):
    """target = max(base + matrix @ source, floor), all laid out [units, width].

    Args:
        net: addresses of plan, floats and ints of a `packing.PackedWaveRNN`.
        base_at: below zero stands for the matrix's own bias, which is the same for all lanes.
    """
    plan, floats, ints = net
    spread, rows, row = base_at < 0, look_up(plan, matrix, BLOCK_ROWS), 0
    added, added_at = (floats, look_up(plan, matrix, BIAS)) if spread else (base, base_at)
    apart, target_apart = WIDE if spread else WIDE * width, WIDE * width
    if width == 1 and look_up(plan, matrix, COLUMNS) < 0:
        values, count = look_up(plan, matrix, VALUES), ints[look_up(plan, matrix, STARTS) + 1]
        while row + _AT_ONCE <= rows:
            _stream_several(floats, values + row * count * WIDE, count * WIDE, ints, 0, count,
                            source, source_at, added, added_at + row * WIDE, WIDE,
                            target, target_at + row * WIDE, WIDE, floor)  # fmt: skip
            row += _AT_ONCE
    while row < rows:
        _multiply_row(net, matrix, row, source, source_at, added, added_at + row * apart, spread,
                      target, target_at + row * target_apart, floor, width)  # fmt: skip
        row += 1


@jit_inline
def multiply_gates(net, matrix, unit, source, source_at, target, target_at, width):
    """What 16 units give to each gate of a recurrent matrix, biases included: [3, 16, width]."""
    plan, floats, ints = net
    rows, bias, floor = (
        look_up(plan, matrix, BLOCK_ROWS) // 3,
        look_up(plan, matrix, BIAS),
        np.float32(-np.inf),
    )
    if width == 1 and look_up(plan, matrix, COLUMNS) < 0:
        values, count = look_up(plan, matrix, VALUES), ints[look_up(plan, matrix, STARTS) + 1]
        _stream_gates(floats, values + unit * count * WIDE, rows * count * WIDE, ints, 0, count,
                      source, source_at, floats, bias + unit * WIDE, rows * WIDE,
                      target, target_at, WIDE, floor)  # fmt: skip
        return
    for gate in range(3):
        row = gate * rows + unit
        _multiply_row(net, matrix, row, source, source_at, floats, bias + row * WIDE, width > 0,
                      target, target_at + gate * WIDE * width, floor, width)  # fmt: skip
