"""Matrix products of compiled decoders, which read each matrix once a step in the order in which it is stored.

A matrix comes in blocks of 32 units, see `decoder_arrays.packed_int8`. Each lane of a register is a unit, so that four
registers of sums are carried to the end of a block and no sum over lanes is needed:

    int8     of two inputs and 32 units, 64 bytes     sums[unit] += weights[unit, 0] * x[0] + weights[unit, 1] * x[1]
    float32  of one input and 32 units, 128 bytes     sums[unit] += weights[unit] * x

A step has one or two rows and reads more weights than the near caches hold, so the loops prefetch: a processor's own
prefetcher stops at each page of memory. For one row these loops take a fifth of the time of the tiles in
`kernels.int8_products`, which for 96 rows take half the time of these.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from kernels.builders import FLOAT, INT8, INT64, load, load_vector, loop, multiply_add, prefetch, splat, store_vector
from kernels.int8_products import FLOAT_LANES, PAIRS, SUMS, PairProducts, pair_products, splat_pair
from kernels.layout import LANES, PAIR
from kernels.parts import address, exact_part, intrinsic
from synthesizer.decoder_arrays import BLOCK, CACHE_LINE

AHEAD = 8192  # bytes between what is read and what is prefetched
REGISTERS = BLOCK // LANES


def int8_block(rows: int, products: PairProducts | None = None) -> Any:
    """An intrinsic: 32 units of an int8 matrix times `rows` vectors, which share the reading of the weights.

    Args:
        products: None for the fastest that the processor has.
    """

    @intrinsic
    def add_product(
        _typing: Any, weights: Any, unit_scales: Any, values: Any, scales: Any, pairs: Any, sums: Any
    ) -> Any:
        """sums[row][unit] += (weights[unit] @ values[row]) * unit_scales[unit] * scales[row].

        Each row has separate instructions, so that its result is bit-identical with one row and with two.

        Args:
            weights: address of int8 [pairs, 32 units, 2].
            unit_scales: address of float32 [32].
            values: tuple of addresses, int16 [2 * pairs] each.
            scales: tuple of float32.
            sums: tuple of addresses, float32 [32] each.
        """

        def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
            of_pairs = products or pair_products(context)
            vectors, row_scales, sums = (cgutils.unpack_tuple(builder, args[number], rows) for number in (2, 3, 5))

            def body(k: ir.Value, totals: list[ir.Value]) -> list[ir.Value]:
                at = builder.mul(k, INT64(PAIR * BLOCK))
                prefetch(builder, args[0], builder.add(at, INT64(AHEAD)))
                offsets = [builder.add(at, INT64(PAIR * LANES * number)) for number in range(REGISTERS)]
                stored = [
                    load(builder, ir.VectorType(INT8, PAIR * LANES), args[0], offset, align=1) for offset in offsets
                ]
                units = [builder.sext(values, PAIRS) for values in stored]
                index = builder.mul(k, INT64(PAIR))
                inputs = [splat_pair(builder, x, index) for x in vectors]
                added = [of_pairs(builder, unit, pair) for pair in inputs for unit in units]
                return [builder.add(total, product) for total, product in zip(totals, added, strict=True)]

            totals = loop(builder, args[4], [SUMS(None)] * (rows * REGISTERS), body)
            for number, total in enumerate(totals):
                row, offset = number // REGISTERS, INT64(number % REGISTERS * LANES)
                unit_scale = load_vector(builder, args[1], offset, LANES)
                scale = builder.fmul(unit_scale, splat(builder, row_scales[row], LANES))
                before = load_vector(builder, sums[row], offset, LANES)
                after = multiply_add(builder, builder.sitofp(total, FLOAT_LANES), scale, before)
                store_vector(builder, after, sums[row], offset)
            return context.get_dummy_value()

        return types.void(weights, unit_scales, values, scales, types.int64, sums), codegen

    return add_product


def float_block(far: bool) -> Any:
    """An intrinsic: 32 units of a float32 matrix times a vector; `far` prefetches, for a matrix outside near caches."""

    @intrinsic
    def multiply_block(_typing: Any, weights: Any, x: Any, inputs: Any, sums: Any) -> Any:
        """sums = weights @ x: addresses of float32 [inputs, 32 units], [inputs], and [32] to be filled."""

        def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
            def body(k: ir.Value, totals: list[ir.Value]) -> list[ir.Value]:
                at = builder.mul(k, INT64(BLOCK))
                for line in range(0, BLOCK if far else 0, CACHE_LINE // 4):
                    prefetch(builder, args[0], builder.add(at, INT64(AHEAD // 4 + line)))
                factor = splat(builder, load(builder, FLOAT, args[1], k), LANES)
                offsets = [builder.add(at, INT64(LANES * number)) for number in range(REGISTERS)]
                units = [load_vector(builder, args[0], offset, LANES) for offset in offsets]
                return [multiply_add(builder, unit, factor, total) for unit, total in zip(units, totals, strict=True)]

            totals = loop(builder, args[2], [ir.Constant(FLOAT_LANES, [0.0] * LANES)] * REGISTERS, body)
            for number, total in enumerate(totals):
                store_vector(builder, total, args[3], INT64(number * LANES))
            return context.get_dummy_value()

        return types.void(weights, x, types.int64, sums), codegen

    return multiply_block


_add_to_one, _add_to_two = int8_block(1), int8_block(2)
_multiply_far, _multiply_near = float_block(far=True), float_block(far=False)


@exact_part
def multiply(matrix, bias, x, sums):
    """sums = matrix @ x + bias, all float32.

    Args:
        matrix: [blocks, inputs, 32].
        bias: [units].
        x: [at least inputs].
        sums: [at least 32 * blocks]; the ones past the units are undefined afterwards.
    """
    blocks, inputs, width = matrix.shape
    for block in range(blocks):
        _multiply_far(address(matrix, block * inputs * width), address(x, 0), inputs, address(sums, block * width))
    for unit in range(len(bias)):
        sums[unit] += bias[unit]


@exact_part
def apply_filters(filters, x, start, sums, first):
    """sums[first + unit] = filters[unit] @ x[start : start + taps], all float32.

    Args:
        filters: [blocks, taps, 32].
        sums: [at least first + 32 * blocks].
    """
    blocks, taps, width = filters.shape
    for block in range(blocks):
        target = address(sums, first + block * width)
        _multiply_near(address(filters, block * taps * width), address(x, start), taps, target)


@exact_part
def add_products(matrix, rows, count, values, scales, sums):
    """sums[row] += matrix @ (values[row] * scales[row]) for the first `count` of `rows`, which share the weights.

    Args:
        matrix: `decoder_arrays.Int8Matrix`.
        rows: int64 [at least count], indices.
        values: int16 [rows, at least 2 * pairs].
        scales: float32 [rows].
        sums: float32 [rows, at least 32 * blocks].
    """
    weights, unit_scales = matrix
    blocks, pairs, width = weights.shape
    wide, apart = values.shape[1], sums.shape[1]
    for block in range(blocks):
        first = block * BLOCK
        of_block, of_units = address(weights, block * pairs * width), address(unit_scales, first)
        for index in range(0, count - 1, 2):
            row, other = rows[index], rows[index + 1]
            vectors = (address(values, row * wide), address(values, other * wide))
            targets = (address(sums, row * apart + first), address(sums, other * apart + first))
            _add_to_two(of_block, of_units, vectors, (scales[row], scales[other]), pairs, targets)
        if count % 2:
            row = rows[count - 1]
            target = (address(sums, row * apart + first),)
            _add_to_one(of_block, of_units, (address(values, row * wide),), (scales[row],), pairs, target)
