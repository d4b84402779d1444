"""Fourier transforms of eight frames side by side, for numba: a frame in each lane of a vector, all in place.

A real frame of 2n samples is a complex signal of n, its even samples the real parts and its odd ones the imaginary
parts, so that [2n, 8] floats as they lie are [n, 2, 8]. Its transform of n numbers goes pass by pass (Cooley and Tukey
1965), one for each factor of n: the way there splits by the remainder of the frequency and so leaves the frequencies
with their digits reversed, the way back takes them like that. Nothing is ever sorted, and all of it stays in the
processor's first cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from kernels.lanes import VECTOR, Complex
from kernels.layout import LANES
from kernels.parts import intrinsic, moved, part
from kernels.simd import INT64, splat_value


def _transformed(x: Sequence[Complex], way: int) -> list[Complex]:
    """The discrete transform of as many numbers as a radix has; `way` is -1 there and +1 back."""
    radix = len(x)
    if radix == 2:
        return [x[0] + x[1], x[0] - x[1]]
    if radix == 4:
        even, odd, apart, turned = x[0] + x[2], x[1] + x[3], x[0] - x[2], (x[1] - x[3]).times_i(way)
        return [even + odd, apart + turned, even - odd, apart - turned]
    # an odd one: numbers as far from either end have the same cosine, and opposite sines
    places = range(1, radix // 2 + 1)
    sums, differences = [x[k] + x[radix - k] for k in places], [x[k] - x[radix - k] for k in places]
    found = [x[0].plus([1.0] * len(sums), sums)] + [x[0]] * (radix - 1)
    for frequency in places:
        angles = [2 * math.pi * frequency * k / radix for k in places]
        middle = x[0].plus([math.cos(angle) for angle in angles], sums)
        nothing = differences[0] - differences[0]
        side = nothing.plus([math.sin(angle) for angle in angles], differences).times_i(way)
        found[frequency], found[radix - frequency] = middle + side, middle - side
    return found


def _butterfly(radix: int, way: int) -> Any:
    """An intrinsic for one butterfly, in place; there it ends with the turns, back it begins with them."""

    @intrinsic
    def butterfly(_typing: Any, z: Any, at: Any, step: Any, twiddles: Any, first: Any) -> Any:
        """Of the numbers at `at`, at + step, ... of z, which but for the first are turned by twiddles from `first`."""

        def codegen(context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
            base, begin, apart, table, start = args
            places = [builder.add(begin, builder.mul(apart, INT64(number))) for number in range(radix)]
            angles = [
                (_entry(builder, table, start, 2 * number), _entry(builder, table, start, 2 * number + 1))
                for number in range(radix - 1)
            ]
            x = [Complex.load(builder, base, place) for place in places]
            if way > 0:
                x[1:] = [value.turned(*angle, way) for value, angle in zip(x[1:], angles, strict=True)]
            x = _transformed(x, way)
            if way < 0:
                x[1:] = [value.turned(*angle, way) for value, angle in zip(x[1:], angles, strict=True)]
            for place, value in zip(places, x, strict=True):
                value.store(base, place)
            return context.get_dummy_value()

        return types.void(z, *[types.int64] * 2, twiddles, types.int64), codegen

    return butterfly


def _entry(builder: ir.IRBuilder, table: ir.Value, pair: ir.Value, offset: int) -> ir.Value:
    """A number of a table of pairs, in all lanes."""
    index = builder.add(builder.mul(pair, INT64(2)), INT64(offset))
    return splat_value(builder, builder.load(builder.gep(table, [index])), LANES)


_two, _three, _four, _five = (_butterfly(radix, -1) for radix in (2, 3, 4, 5))
_two_back, _three_back, _four_back, _five_back = (_butterfly(radix, 1) for radix in (2, 3, 4, 5))


# --- passes -----------------------------------------------------------------------------------------------------------


@part
def _pass_there(z, size, span, radix, twiddles):
    step = span // radix
    for start in range(0, size, span):
        for place in range(step):
            if radix == 5:
                _five(z, start + place, step, twiddles, place * 4)
            elif radix == 4:
                _four(z, start + place, step, twiddles, place * 3)
            elif radix == 3:
                _three(z, start + place, step, twiddles, place * 2)
            else:
                _two(z, start + place, step, twiddles, place)


@part
def _pass_back(z, size, span, radix, twiddles):
    step = span // radix
    for start in range(0, size, span):
        for place in range(step):
            if radix == 5:
                _five_back(z, start + place, step, twiddles, place * 4)
            elif radix == 4:
                _four_back(z, start + place, step, twiddles, place * 3)
            elif radix == 3:
                _three_back(z, start + place, step, twiddles, place * 2)
            else:
                _two_back(z, start + place, step, twiddles, place)


@part
def transform(z, size, radices, passes, twiddles):
    """The frequencies of z [size, 2, 8], their digits reversed, in place.

    Args:
        radices: [passes], each 2 to 5; their product is the size.
        twiddles: of one pass after the other, see `fast_search.Transform`.
    """
    span, done = size, 0
    for index in range(passes):
        radix = radices[index]
        _pass_there(z, size, span, radix, moved(twiddles, 2 * done))
        done += span // radix * (radix - 1)
        span //= radix


@part
def transform_back(z, size, radices, passes, twiddles):
    """From frequencies with their digits reversed back to z [size, 2, 8], `size` times as large, in place."""
    span, done = size, 0
    for index in range(passes):
        done += span // radices[index] * (radices[index] - 1)
        span //= radices[index]
    for index in range(passes - 1, -1, -1):
        radix = radices[index]
        span *= radix
        done -= span // radix * (radix - 1)
        _pass_back(z, size, span, radix, moved(twiddles, 2 * done))


# --- real frames ------------------------------------------------------------------------------------------------------


@intrinsic
def to_real(_typing: Any, z: Any, here: Any, there: Any, turns: Any, k: Any) -> Any:
    """Twice the spectrum of the real frames at frequencies k and half - k, which lie `here` and `there` in z.

    With Z the transform of the [half] complex numbers and W = exp(-i pi / half), it is

        X[k] = E + W^k O               E = (Z[k] + conj(Z[half - k])) / 2
        conj(X[half - k]) = E - W^k O  O = (Z[k] - conj(Z[half - k])) / 2i

    `turns` has cosine and sine of pi k / half. Returns the parts of X[k], then those of X[half - k].
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        base, first, second, table, frequency = args
        a, b = Complex.load(builder, base, first), Complex.load(builder, base, second).conjugate()
        cosine, sine = (_entry(builder, table, frequency, offset) for offset in (0, 1))
        even, odd = a + b, (a - b).times_i(-1).turned(cosine, sine, -1)
        low, high = even + odd, (even - odd).conjugate()
        values = [low.real, low.imaginary, high.real, high.imaginary]
        return context.make_tuple(builder, signature.return_type, values)

    whole = types.int64
    return types.UniTuple(VECTOR, 4)(z, whole, whole, turns, whole), codegen


@intrinsic
def from_real(_typing: Any, z: Any, here: Any, there: Any, turns: Any, k: Any, low: Any, high: Any) -> Any:
    """The way back of `to_real`, twice as large again; `low` and `high` are the parts of X[k] and X[half - k]."""

    def codegen(context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        base, first, second, table, frequency = args[:5]
        a, b = (Complex(builder, *cgutils.unpack_tuple(builder, both, 2)) for both in args[5:])
        b = b.conjugate()
        cosine, sine = (_entry(builder, table, frequency, offset) for offset in (0, 1))
        even, odd = a + b, (a - b).turned(cosine, sine, 1).times_i(1)
        (even + odd).store(base, first)
        (even - odd).conjugate().store(base, second)
        return context.get_dummy_value()

    whole, pair = types.int64, types.UniTuple(VECTOR, 2)
    return types.void(z, whole, whole, turns, whole, pair, pair), codegen
