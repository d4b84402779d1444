"""Products of int16 numbers in the matrix registers of x86 processors (AMX), for numba.

An instruction multiplies two tiles of int8, 16 lanes by 64 inputs and 64 inputs by 16 outputs, and adds to a tile of
int32: 16 times as many products as one of float32 vectors. A number of 16 bits is two of 8 bits, high and low, so four
such instructions multiply numbers of 16 bits, and no sum is rounded.

Used only where `amx_support.amx_is_usable`; on other processors nothing is compiled for these functions.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from kernels.amx_support import LANES, LARGEST, MOST_INPUTS, OUTPUTS, PANEL
from kernels.builders import (
    FLOAT,
    INT8,
    INT32,
    INT64,
    constant,
    intrinsic_function,
    larger,
    load_vector,
    loop,
    multiply_add,
    prefetch,
    splat,
    store_vector,
)
from kernels.parts import exact_inline, exact_part, intrinsic
from kernels.simd import largest_lane, load16, maximum, splat16

_TILE = LANES * PANEL  # bytes
_AHEAD = 4 * 2 * _TILE  # bytes of weights that are fetched ahead
_WHOLE, _PARTS, _SMALL = ir.VectorType(INT32, LANES), ir.VectorType(FLOAT, LANES), ir.VectorType(INT8, LANES)
_INPUTS, _WEIGHTS = 4, 6  # registers of the high bytes, before those of the low ones; 0 to 3 have the sums
_ZERO, _LEAST, _STEPS = np.float32(0), np.float32(1e-20), np.float32(LARGEST)


def _has_amx(context: Any) -> bool:
    return "+amx-int8" in context.codegen().magic_tuple()[2]


def _instruct(builder: ir.IRBuilder, name: str, *arguments: ir.Value) -> None:
    function = intrinsic_function(builder, f"llvm.x86.{name}", ir.VoidType(), *(value.type for value in arguments))
    builder.call(function, arguments)


def _at(builder: ir.IRBuilder, base: ir.Value, index: ir.Value) -> ir.Value:
    return builder.bitcast(builder.gep(base, [index]), INT8.as_pointer())


@intrinsic
def open_tiles(_typing: Any) -> Any:
    """Set all registers of this thread to 16 rows of 64 bytes."""

    def codegen(context: Any, builder: ir.IRBuilder, _signature: Any, _args: Any) -> ir.Value:
        if _has_amx(context):
            settings = [1] + [0] * 15 + [PANEL, 0] * 8 + [0] * 16 + [LANES] * 8 + [0] * 8
            kind = ir.ArrayType(INT8, len(settings))
            memory = cgutils.alloca_once_value(builder, ir.Constant(kind, settings))
            _instruct(builder, "ldtilecfg", builder.bitcast(memory, INT8.as_pointer()))
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def close_tiles(_typing: Any) -> Any:
    """Release the registers of this thread."""

    def codegen(context: Any, builder: ir.IRBuilder, _signature: Any, _args: Any) -> ir.Value:
        if _has_amx(context):
            _instruct(builder, "tilerelease")
        return context.get_dummy_value()

    return types.void(), codegen


def _memory(kind: Any, numba_kind: Any, count: int) -> Any:
    """An intrinsic: memory for this many numbers until the function returns."""

    @intrinsic
    def memory(_typing: Any) -> Any:
        def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, _args: Any) -> ir.Value:
            place = cgutils.alloca_once(builder, kind, size=INT64(count))
            place.align = 64
            return place

        return types.CPointer(numba_kind)(), codegen

    return memory


@intrinsic
def _store_halves(_typing: Any, source: Any, at: Any, factor: Any, halves: Any, to: Any) -> Any:
    """halves[to : to + 16] and, a tile later, the high and low bytes of source[at : at + 16] * factor, rounded."""

    def codegen(context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        scaled = builder.fmul(load_vector(builder, args[0], args[1], LANES), splat(builder, args[2], LANES))
        rounded = builder.call(intrinsic_function(builder, "llvm.rint.v16f32", _PARTS, _PARTS), [scaled])
        whole = builder.fptosi(rounded, _WHOLE)
        eight = constant(_WHOLE, 8)
        high = builder.ashr(builder.add(whole, constant(_WHOLE, 128)), eight)
        low = builder.sub(whole, builder.shl(high, eight))
        for half, offset in ((high, 0), (low, _TILE)):
            place = builder.gep(args[3], [builder.add(args[4], INT64(offset))])
            builder.store(builder.trunc(half, _SMALL), builder.bitcast(place, _SMALL.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(source, types.int64, types.float32, halves, types.int64), codegen


@intrinsic
def _multiply_panels(_typing: Any, inputs: Any, ints: Any, weights: Any, panels: Any, sums: Any) -> Any:
    """Sums over all panels, int32 [4, 16 lanes, 16 outputs]: of high * high, high * low, low * high, low * low.

    Args:
        inputs: int8 [panels, 2, 16 lanes, 64].
        ints, weights: int8 [panels, 2, 16, 16 outputs, 4] from ints[weights], where four inputs are side by side.
    """

    def codegen(context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        if not _has_amx(context):
            return context.get_dummy_value()
        row = INT64(PANEL)
        for number in range(4):
            _instruct(builder, "tilezero", INT8(number))
        begin = _at(builder, args[1], args[2])

        def body(panel: Any, _carried: list[Any]) -> list[Any]:
            start = builder.mul(panel, INT64(2 * _TILE))
            for number, base in ((_INPUTS, args[0]), (_WEIGHTS, begin)):
                for half in range(2):
                    place = _at(builder, base, builder.add(start, INT64(half * _TILE)))
                    _instruct(builder, "tileloadd64", INT8(number + half), place, row)
            for line in range(0, 2 * _TILE, 64):
                prefetch(builder, begin, builder.add(start, INT64(_AHEAD + line)))
            for number in range(4):
                left, right = INT8(_INPUTS + number // 2), INT8(_WEIGHTS + number % 2)
                _instruct(builder, "tdpbssd", INT8(number), left, right)
            return []

        loop(builder, args[3], [], body, unrolled=False)
        for number in range(4):
            _instruct(builder, "tilestored64", INT8(number), _at(builder, args[4], INT64(number * _TILE)), row)
        return context.get_dummy_value()

    return types.void(inputs, ints, types.int64, types.int64, sums), codegen


@intrinsic
def _finish_lane(_typing: Any, sums: Any, lane: Any, scale: Any, floats: Any, scales: Any, base: Any, base_at: Any,
                 target: Any, target_at: Any, floor: Any) -> Any:  # fmt: skip
    """target = max(base + sums * scale * scales, floor) of 16 outputs of a lane."""

    def codegen(context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        first = builder.mul(args[1], INT64(PANEL))
        parts = [
            builder.load(
                builder.bitcast(
                    builder.gep(args[0], [builder.add(first, INT64(number * _TILE))]), _WHOLE.as_pointer()
                ), align=64,
            )
            for number in range(4)
        ]  # fmt: skip
        high, middle, low = (
            builder.sitofp(part, _PARTS) for part in (parts[0], builder.add(parts[1], parts[2]), parts[3])
        )
        byte = constant(_PARTS, 256.0)
        total = multiply_add(builder, multiply_add(builder, high, byte, middle), byte, low)
        factor = builder.fmul(load_vector(builder, args[3], args[4], OUTPUTS), splat(builder, args[2], OUTPUTS))
        result = multiply_add(builder, total, factor, load_vector(builder, args[5], args[6], OUTPUTS))
        store_vector(builder, larger(builder, result, splat(builder, args[9], OUTPUTS)), args[7], args[8])
        return context.get_dummy_value()

    integer = types.int64
    return types.void(
        sums, integer, types.float32, floats, integer, base, integer, target, integer, types.float32
    ), codegen  # fmt: skip


_new_halves = _memory(INT8, types.int8, 2 * LANES * MOST_INPUTS)
_new_scales = _memory(FLOAT, types.float32, LANES)
_new_sums = _memory(INT8, types.int8, 4 * _TILE)


@exact_inline
def _halve(source, source_at, columns, halves, scales):
    """Round the inputs of all lanes, [columns / 16, 16 lanes, 16], to int16; `scales` [16]."""
    tile, none = LANES * LANES, splat16(_ZERO)
    for lane in range(LANES):
        begin, end = source_at + lane * LANES, source_at + columns * LANES
        largest = none
        for at in range(begin, end, tile):
            x = load16(source, at)
            largest = maximum(largest, maximum(x, none - x))
        highest = max(largest_lane(largest), _LEAST)
        scales[lane] = highest / _STEPS
        unit = 0
        for at in range(begin, end, tile):
            to = unit // PANEL * 2 * _TILE + lane * PANEL + unit % PANEL
            _store_halves(source, at, _STEPS / highest, halves, to)
            unit += LANES


@exact_part
def tile_product(ints, weights, floats, weight_scales, rows, columns, source, source_at, base, base_at, base_apart,
                 base_lane, target, target_at, floor):  # fmt: skip
    """target = max(base + weights @ source, floor) for 16 lanes, between `open_tiles` and `close_tiles`.

    Args:
        ints, weights: `amx_support.weight_tiles` from ints[weights], with their scales from floats[weight_scales].
        rows: outputs / 16.
        columns: inputs, a multiple of 16 and at most MOST_INPUTS.
        source, target: float32 [units / 16, 16 lanes, 16], addresses with their offsets.
        base_apart: from one row of the base to the next.
        base_lane: the same for lanes, 0 where all have the same base.
    """
    halves, scales, sums = _new_halves(), _new_scales(), _new_sums()
    _halve(source, source_at, columns, halves, scales)
    panels = (columns + PANEL - 1) // PANEL
    for row in range(rows):
        _multiply_panels(halves, ints, weights + row * panels * (2 * _TILE // 4), panels, sums)
        for lane in range(LANES):
            _finish_lane(sums, lane, scales[lane], floats, weight_scales + row * OUTPUTS,
                         base, base_at + row * base_apart + lane * base_lane,
                         target, target_at + (row * LANES + lane) * OUTPUTS, floor)  # fmt: skip
