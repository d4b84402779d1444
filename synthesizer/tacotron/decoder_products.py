"""Products of the compiled decoder: matrices that are read once a step, each in the order in which they lie in memory.

A matrix comes in blocks of 32 units, see `decoder_layout.packed_levels`. Each lane of a register is a unit, so that
four registers of sums wait for the end of a block and nothing has to be added across lanes:

    levels   of two inputs and 32 units, 64 bytes     sums[unit] += weights[unit, 0] * x[0] + weights[unit, 1] * x[1]
    floats   of one input and 32 units, 128 bytes     sums[unit] += weights[unit] * x

Where the processor adds products of 16 bits in pairs, the first line is one instruction for eight units. What a step
reads is larger than the caches that are near, and a processor that looks ahead by itself stops at each page of memory,
so it is told some kilobytes before. numba's own loops know neither; the loops here are explicit LLVM. Sums of whole
numbers are exact, so that they are the same whichever way they are taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba.extending
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils

from synthesizer.tacotron.decoder_layout import BLOCK, CACHE_LINE, PAIR

AHEAD = 8192  # bytes from what is read to what is asked for
LANES = 8
REGISTERS = BLOCK // LANES

intrinsic: Any = numba.extending.intrinsic  # untyped: what it makes is not called with what it is defined with
_njit: Any = njit  # its declared arguments lack some that it takes
# Parts of a loop, called by nothing else. Where Python must hear of a division by zero, no loop with one becomes
# vectors; and counting who refers to an array is work that only what makes arrays needs.
_settings: Any = {"error_model": "numpy", "_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
part: Any = _njit(fastmath=True, **_settings)
inline: Any = _njit(fastmath=True, forceinline=True, **_settings)
# Not free to reorder sums: what a row gives must not depend on how many go beside it.
exact: Any = _njit(**_settings)

INT8, INT16, INT32, INT64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
FLOATS = ir.VectorType(ir.FloatType(), LANES)
SUMS = ir.VectorType(INT32, LANES)
PAIRS = ir.VectorType(INT16, PAIR * LANES)

PairSums = Callable[[ir.IRBuilder, ir.Value, ir.Value], ir.Value]


# --- LLVM builders ----------------------------------------------------------------------------------------------------


def _function(builder: ir.IRBuilder, name: str, result: ir.Type, *arguments: ir.Type) -> Any:
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


def _load(builder: ir.IRBuilder, kind: ir.Type, base: ir.Value, index: ir.Value, align: int) -> ir.Value:
    return builder.load(builder.bitcast(builder.gep(base, [index]), kind.as_pointer()), align=align)


def _store(builder: ir.IRBuilder, value: ir.Value, base: ir.Value, index: ir.Value) -> None:
    builder.store(value, builder.bitcast(builder.gep(base, [index]), value.type.as_pointer()), align=4)


def _multiply_add(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
    """a * b + c, fused where the processor can."""
    return builder.call(_function(builder, f"llvm.fmuladd.v{LANES}f32", FLOATS, *[FLOATS] * 3), [a, b, c])


def _splat(builder: ir.IRBuilder, scalar: ir.Value) -> ir.Value:
    undefined = ir.Constant(ir.VectorType(scalar.type, LANES), ir.Undefined)
    return builder.shuffle_vector(builder.insert_element(undefined, scalar, INT32(0)), undefined, SUMS(None))


def _ask_for(builder: ir.IRBuilder, weights: ir.Value, at: ir.Value) -> None:
    """Have the cache line of a weight brought near, whether there is one or not."""
    byte = INT8.as_pointer()
    name = "llvm.prefetch.p0i8"  # which newer LLVM takes for the name that it has now
    place = builder.bitcast(builder.gep(weights, [at]), byte)
    builder.call(_function(builder, name, ir.VoidType(), byte, *[INT32] * 3), [place, INT32(0), INT32(3), INT32(1)])


def paired_sums(builder: ir.IRBuilder, weights: ir.Value, levels: ir.Value) -> ir.Value:
    """Sums of two neighbouring products, 16 of int16 to 8 of int32: the instruction of x86 with AVX2."""
    return builder.call(_function(builder, "llvm.x86.avx2.pmadd.wd", SUMS, PAIRS, PAIRS), [weights, levels])


def portable_sums(builder: ir.IRBuilder, weights: ir.Value, levels: ir.Value) -> ir.Value:
    """The same on any processor."""
    products = []
    for side in range(PAIR):
        order = ir.Constant(SUMS, list(range(side, PAIR * LANES, PAIR)))
        a, b = (builder.sext(builder.shuffle_vector(x, x, order), SUMS) for x in (weights, levels))
        products.append(builder.mul(a, b))
    return builder.add(*products)


def _sums_of_processor(context: Any) -> PairSums:
    _, _, features = context.codegen().magic_tuple()
    return paired_sums if "+avx2" in features else portable_sums


def _accumulate(builder: ir.IRBuilder, count: ir.Value, start: list[ir.Value], body: Any) -> list[ir.Value]:
    """`for k in range(count): sums = body(k, sums)`, with the sums in registers; returns them."""
    before = builder.block
    head, inner, after = (builder.append_basic_block(name) for name in ("head", "inner", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    k, sums = builder.phi(INT64), [builder.phi(value.type) for value in start]
    builder.cbranch(builder.icmp_signed("<", k, count), inner, after)
    builder.position_at_end(inner)
    following, last = body(k, sums), builder.add(k, INT64(1))
    for phi, first, then in zip([k, *sums], [INT64(0), *start], [last, *following], strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(then, builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    return sums


# --- what kernels call ------------------------------------------------------------------------------------------------


@intrinsic
def address(_typing: Any, array: Any, index: Any) -> Any:
    """Where a number of a contiguous array lies; who takes it must hold the array for as long."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        return builder.gep(context.make_array(signature.args[0])(context, builder, value=args[0]).data, [args[1]])

    return types.CPointer(array.dtype)(array, types.int64), codegen


def block_of_levels(rows: int, sums_of: PairSums | None = None) -> Any:
    """An intrinsic: 32 units of a matrix of levels times `rows` vectors, which share the reading of the weights.

    Args:
        sums_of: None for the fastest that the processor has.
    """

    @intrinsic
    def add_product(_typing: Any, weights: Any, unit_steps: Any, levels: Any, steps: Any, pairs: Any, sums: Any) -> Any:
        """sums[row][unit] += (weights[unit] @ levels[row]) * unit_steps[unit] * steps[row].

        All that is done to a row is written out, so that it is the same to the last bit alone and beside another one.

        Args:
            weights: address of int8 [pairs, 32 units, 2].
            unit_steps: address of float32 [32].
            levels: tuple of addresses, int16 [2 * pairs] each.
            steps: tuple of float32.
            sums: tuple of addresses, float32 [32] each.
        """

        def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
            of_pairs = sums_of or _sums_of_processor(context)
            vectors, steps, sums = (cgutils.unpack_tuple(builder, args[number], rows) for number in (2, 3, 5))

            def body(k: ir.Value, totals: list[ir.Value]) -> list[ir.Value]:
                at = builder.mul(k, INT64(PAIR * BLOCK))
                _ask_for(builder, args[0], builder.add(at, INT64(AHEAD)))
                places = [builder.add(at, INT64(PAIR * LANES * number)) for number in range(REGISTERS)]
                loaded = [_load(builder, ir.VectorType(INT8, PAIR * LANES), args[0], place, 1) for place in places]
                units = [builder.sext(eights, PAIRS) for eights in loaded]
                index = builder.mul(k, INT64(PAIR))
                both = [builder.bitcast(_splat(builder, _load(builder, INT32, x, index, 2)), PAIRS) for x in vectors]
                products = [of_pairs(builder, unit, pair) for pair in both for unit in units]
                return [builder.add(total, product) for total, product in zip(totals, products, strict=True)]

            totals = _accumulate(builder, args[4], [SUMS(None)] * (rows * REGISTERS), body)
            for number, total in enumerate(totals):
                row, place = number // REGISTERS, INT64(number % REGISTERS * LANES)
                scale = builder.fmul(_load(builder, FLOATS, args[1], place, 4), _splat(builder, steps[row]))
                before = _load(builder, FLOATS, sums[row], place, 4)
                _store(builder, _multiply_add(builder, builder.sitofp(total, FLOATS), scale, before), sums[row], place)
            return context.get_dummy_value()

        return types.void(weights, unit_steps, levels, steps, types.int64, sums), codegen

    return add_product


def block_of_floats(far: bool) -> Any:
    """An intrinsic: 32 units of a matrix of floats times a vector; `far` tells that no near cache holds the matrix."""

    @intrinsic
    def multiply(_typing: Any, weights: Any, x: Any, inputs: Any, sums: Any) -> Any:
        """sums = weights @ x: addresses of float32 [inputs, 32 units], [inputs], and [32] to be filled."""

        def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
            def body(k: ir.Value, totals: list[ir.Value]) -> list[ir.Value]:
                at = builder.mul(k, INT64(BLOCK))
                for line in range(0, BLOCK if far else 0, CACHE_LINE // 4):
                    _ask_for(builder, args[0], builder.add(at, INT64(AHEAD // 4 + line)))
                factor = _splat(builder, _load(builder, ir.FloatType(), args[1], k, 4))
                places = [builder.add(at, INT64(LANES * number)) for number in range(REGISTERS)]
                units = [_load(builder, FLOATS, args[0], place, 4) for place in places]
                return [_multiply_add(builder, unit, factor, total) for unit, total in zip(units, totals, strict=True)]

            totals = _accumulate(builder, args[2], [ir.Constant(FLOATS, [0.0] * LANES)] * REGISTERS, body)
            for number, total in enumerate(totals):
                _store(builder, total, args[3], INT64(number * LANES))
            return context.get_dummy_value()

        return types.void(weights, x, types.int64, sums), codegen

    return multiply


_add_to_one, _add_to_two = block_of_levels(1), block_of_levels(2)
_multiply_far, _multiply_near = block_of_floats(far=True), block_of_floats(far=False)


@exact
def multiply(matrix, bias, x, sums):
    """sums = matrix @ x + bias, all float32.

    Args:
        matrix: [blocks, inputs, 32].
        bias: [units].
        x: [at least inputs].
        sums: [at least 32 * blocks], of which those beyond the units are left with anything.
    """
    blocks, inputs, width = matrix.shape
    for block in range(blocks):
        _multiply_far(address(matrix, block * inputs * width), address(x, 0), inputs, address(sums, block * width))
    for unit in range(len(bias)):
        sums[unit] += bias[unit]


@exact
def apply_filters(filters, x, start, sums, place):
    """sums[place + unit] = filters[unit] @ x[start : start + taps], all float32.

    Args:
        filters: [blocks, taps, 32].
        sums: with room for 32 * blocks from `place` on.
    """
    blocks, taps, width = filters.shape
    for block in range(blocks):
        target = address(sums, place + block * width)
        _multiply_near(address(filters, block * taps * width), address(x, start), taps, target)


@part
def to_levels(x, levels, start, highest):
    """Rounds x to whole numbers of at most `highest`, from `start` on in `levels`; returns their step."""
    largest = np.float32(1e-12)
    for k in range(len(x)):
        largest = max(largest, abs(x[k]))
    inverse = np.float32(highest) / largest
    for k in range(len(x)):
        levels[start + k] = np.int16(np.rint(x[k] * inverse))
    return largest / np.float32(highest)


@exact
def add_products(matrix, rows, count, levels, steps, sums):
    """sums[row] += matrix @ (levels[row] * steps[row]) for `count` rows, which share the reading of the weights.

    Args:
        matrix: `decoder_layout.PackedLevels`.
        levels: int16 [rows, at least 2 * pairs].
        sums: float32 [rows, at least 32 * blocks].
    """
    weights, unit_steps = matrix
    blocks, pairs, width = weights.shape
    wide, apart = levels.shape[1], sums.shape[1]
    for block in range(blocks):
        first = block * BLOCK
        of_block, scales = address(weights, block * pairs * width), address(unit_steps, first)
        for index in range(0, count - 1, 2):
            row, other = rows[index], rows[index + 1]
            vectors = (address(levels, row * wide), address(levels, other * wide))
            targets = (address(sums, row * apart + first), address(sums, other * apart + first))
            _add_to_two(of_block, scales, vectors, (steps[row], steps[other]), pairs, targets)
        if count % 2:
            row = rows[count - 1]
            target = (address(sums, row * apart + first),)
            _add_to_one(of_block, scales, (address(levels, row * wide),), (steps[row],), pairs, target)
