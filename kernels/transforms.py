"""Fourier transforms of eight frames side by side, for numba: a frame in each lane of a vector, all in place.

A real frame of 2n samples is taken as a complex signal of n numbers: even samples are the real parts, odd ones the
imaginary parts, so [2n, 8] floats in memory are [n, 2, 8]. The transform of n numbers has a pass for each factor of n
(Cooley and Tukey 1965). The forward transform decimates in frequency and leaves the frequencies in digit-reversed
order, which the inverse transform takes. So nothing is sorted, and all of it stays in the first-level cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from kernels.builders import INT64, splat
from kernels.complex_vectors import VECTOR, Complex
from kernels.layout import LANES
from kernels.parts import intrinsic, moved, part


def _transformed(x: Sequence[Complex], sign: int) -> list[Complex]:
    """The discrete Fourier transform of a radix; `sign`, of the exponent, is -1 forward and +1 inverse."""
    radix = len(x)
    if radix == 2:
        return [x[0] + x[1], x[0] - x[1]]
    if radix == 4:
        even, odd, apart, rotated = x[0] + x[2], x[1] + x[3], x[0] - x[2], (x[1] - x[3]).times_i(sign)
        return [even + odd, apart + rotated, even - odd, apart - rotated]
    # an odd radix: numbers as far from either end have the same cosine and opposite sines
    half = range(1, radix // 2 + 1)
    sums, differences = [x[k] + x[radix - k] for k in half], [x[k] - x[radix - k] for k in half]
    found = [x[0].plus([1.0] * len(sums), sums)] + [x[0]] * (radix - 1)
    for frequency in half:
        angles = [2 * math.pi * frequency * k / radix for k in half]
        middle = x[0].plus([math.cos(angle) for angle in angles], sums)
        zero = differences[0] - differences[0]
        side = zero.plus([math.sin(angle) for angle in angles], differences).times_i(sign)
        found[frequency], found[radix - frequency] = middle + side, middle - side
    return found


def _butterfly(radix: int, sign: int) -> Any:
    """An intrinsic for one butterfly, in place: forward it ends with the rotations, inverse it begins with them."""

    @intrinsic
    def butterfly(_typing: Any, z: Any, at: Any, step: Any, twiddles: Any, first: Any) -> Any:
        """The numbers at `at`, at + step, ... of z; all but the first are rotated by the twiddles from `first` on."""

        def codegen(context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
            base, begin, apart, table, start = args
            indices = [builder.add(begin, builder.mul(apart, INT64(number))) for number in range(radix)]
            angles = [
                (_entry(builder, table, start, 2 * number), _entry(builder, table, start, 2 * number + 1))
                for number in range(radix - 1)
            ]
            x = [Complex.load(builder, base, index) for index in indices]
            if sign > 0:
                x[1:] = [value.rotated(*angle, sign) for value, angle in zip(x[1:], angles, strict=True)]
            x = _transformed(x, sign)
            if sign < 0:
                x[1:] = [value.rotated(*angle, sign) for value, angle in zip(x[1:], angles, strict=True)]
            for index, value in zip(indices, x, strict=True):
                value.store(base, index)
            return context.get_dummy_value()

        return types.void(z, *[types.int64] * 2, twiddles, types.int64), codegen

    return butterfly


def _entry(builder: ir.IRBuilder, table: ir.Value, pair: ir.Value, offset: int) -> ir.Value:
    """A number of a table of pairs, in all lanes."""
    index = builder.add(builder.mul(pair, INT64(2)), INT64(offset))
    return splat(builder, builder.load(builder.gep(table, [index])), LANES)


# --- passes -----------------------------------------------------------------------------------------------------------


def _pass_of(sign: int) -> Any:
    """A function for one pass over z: butterflies of a radix on spans of numbers."""
    two, three, four, five = (_butterfly(radix, sign) for radix in (2, 3, 4, 5))

    @part
    def run_pass(z, size, span, radix, twiddles):
        step = span // radix
        for start in range(0, size, span):
            for at in range(step):
                if radix == 5:
                    five(z, start + at, step, twiddles, at * 4)
                elif radix == 4:
                    four(z, start + at, step, twiddles, at * 3)
                elif radix == 3:
                    three(z, start + at, step, twiddles, at * 2)
                else:
                    two(z, start + at, step, twiddles, at)

    return run_pass


_pass_forward, _pass_inverse = _pass_of(-1), _pass_of(1)


@part
def transform(z, size, radices, passes, twiddles):
    """Transform z [size, 2, 8] in place; the frequencies come in digit-reversed order.

    Args:
        radices: [passes], each 2 to 5; their product is the size.
        twiddles: of one pass after the other, see `phase_search.Tables`.
    """
    span, done = size, 0
    for index in range(passes):
        radix = radices[index]
        _pass_forward(z, size, span, radix, moved(twiddles, 2 * done))
        done += span // radix * (radix - 1)
        span //= radix


@part
def transform_inverse(z, size, radices, passes, twiddles):
    """The inverse of `transform`, in place: the result is `size` times as large."""
    span, done = size, 0
    for index in range(passes):
        done += span // radices[index] * (radices[index] - 1)
        span //= radices[index]
    for index in range(passes - 1, -1, -1):
        radix = radices[index]
        span *= radix
        done -= span // radix * (radix - 1)
        _pass_inverse(z, size, span, radix, moved(twiddles, 2 * done))


# --- real frames ------------------------------------------------------------------------------------------------------


@intrinsic
def to_real(_typing: Any, z: Any, low_at: Any, high_at: Any, rotations: Any, k: Any) -> Any:
    """Twice the spectrum of the real frames at frequencies k and half - k, which are at `low_at` and `high_at` in z.

    With Z the transform of the [half] complex numbers and W = exp(-i pi / half), it is

        X[k] = E + W^k O               E = (Z[k] + conj(Z[half - k])) / 2
        conj(X[half - k]) = E - W^k O  O = (Z[k] - conj(Z[half - k])) / 2i

    `rotations` has cosine and sine of pi k / half. Returns the parts of X[k], then those of X[half - k].
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        base, first, second, table, frequency = args
        a, b = Complex.load(builder, base, first), Complex.load(builder, base, second).conjugate()
        cosine, sine = (_entry(builder, table, frequency, offset) for offset in (0, 1))
        even, odd = a + b, (a - b).times_i(-1).rotated(cosine, sine, -1)
        low, high = even + odd, (even - odd).conjugate()
        values = [low.real, low.imaginary, high.real, high.imaginary]
        return context.make_tuple(builder, signature.return_type, values)

    integer = types.int64
    return types.UniTuple(VECTOR, 4)(z, integer, integer, rotations, integer), codegen


@intrinsic
def from_real(_typing: Any, z: Any, low_at: Any, high_at: Any, rotations: Any, k: Any, low: Any, high: Any) -> Any:
    """The inverse of `to_real`, twice as large again; `low` and `high` are the parts of X[k] and X[half - k]."""

    def codegen(context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        base, first, second, table, frequency = args[:5]
        a, b = (Complex(builder, *cgutils.unpack_tuple(builder, both, 2)) for both in args[5:])
        b = b.conjugate()
        cosine, sine = (_entry(builder, table, frequency, offset) for offset in (0, 1))
        even, odd = a + b, (a - b).rotated(cosine, sine, 1).times_i(1)
        (even + odd).store(base, first)
        (even - odd).conjugate().store(base, second)
        return context.get_dummy_value()

    integer, pair = types.int64, types.UniTuple(VECTOR, 2)
    return types.void(z, integer, integer, rotations, integer, pair, pair), codegen
