"""Fourier transforms of eight frames side by side, for numba: a frame in each lane of a vector, all in place.

A real frame of 2n samples is a complex signal of n, its even samples the real parts and its odd ones the imaginary
parts, so that [2n, 8] floats as they lie are [n, 2, 8]. Its transform of n numbers goes pass by pass (Cooley and Tukey
1965), one for each factor of n: the way there splits by the remainder of the frequency and so leaves the frequencies
with their digits reversed, the way back takes them like that. Nothing is ever sorted, and all of it stays in the
processor's first cache.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from vocoder.fast_search import LANES
from vocoder.kernel_parts import inline, intrinsic, moved, part
from vocoder.wavernn.simd import Vector, fused, load_vector, splat_value, store_vector

PAIR = 2 * LANES  # floats of a complex number of all lanes


@intrinsic
def get(_typing: Any, floats: Any, index: Any) -> Any:
    """The eight floats from `index` on."""

    def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        return load_vector(builder, args[0], args[1], LANES)

    return Vector(LANES)(floats, types.int64), codegen


@intrinsic
def put(_typing: Any, floats: Any, index: Any, vector: Any) -> Any:
    def codegen(context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        store_vector(builder, args[2], args[0], args[1])
        return context.get_dummy_value()

    return types.void(floats, types.int64, vector), codegen


@intrinsic
def every(_typing: Any, scalar: Any) -> Any:
    """The scalar in all lanes."""

    def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        return splat_value(builder, args[0], LANES)

    return Vector(LANES)(types.float32), codegen


@intrinsic
def root(_typing: Any, vector: Any) -> Any:
    """Square roots."""

    def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        kind = args[0].type
        name = f"llvm.sqrt.v{kind.count}f32"
        return builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), name), args)

    return vector(vector), codegen


@inline
def turned(x, cosine, sine):
    """x (cosine + i sine)."""
    return x[0] * cosine - x[1] * sine, x[0] * sine + x[1] * cosine


@inline
def get_pair(z, at):
    """A complex number of each lane."""
    return get(z, at * PAIR), get(z, at * PAIR + LANES)


@inline
def put_pair(z, at, x):
    put(z, at * PAIR, x[0])
    put(z, at * PAIR + LANES, x[1])


@inline
def add(x, y):
    return x[0] + y[0], x[1] + y[1]


@inline
def subtract(x, y):
    return x[0] - y[0], x[1] - y[1]


# --- transforms of two to five numbers: `way` is -1 there and +1 back, in all lanes -----------------------------------


@inline
def _sides(x, y, way):
    """x + i way y and x - i way y."""
    real, imaginary = way * y[1], way * y[0]
    return (x[0] - real, x[1] + imaginary), (x[0] + real, x[1] - imaginary)


@inline
def _combined(x, a, y, b, z):
    """x + a y + b z, for real a and b."""
    return fused(b, z[0], fused(a, y[0], x[0])), fused(b, z[1], fused(a, y[1], x[1]))


@inline
def _of_three(x0, x1, x2, way):
    total, apart = add(x1, x2), subtract(x1, x2)
    half, high = every(np.float32(-0.5)), every(np.float32(0.8660254037844386))
    middle = fused(half, total[0], x0[0]), fused(half, total[1], x0[1])
    y1, y2 = _sides(middle, (high * apart[0], high * apart[1]), way)
    return add(x0, total), y1, y2


@inline
def _of_four(x0, x1, x2, x3, way):
    even, odd = add(x0, x2), add(x1, x3)
    y1, y3 = _sides(subtract(x0, x2), subtract(x1, x3), way)
    return add(even, odd), y1, subtract(even, odd), y3


@inline
def _of_five(x0, x1, x2, x3, x4, way):
    a, b, c, d = add(x1, x4), add(x2, x3), subtract(x1, x4), subtract(x2, x3)
    cos_1, cos_2 = every(np.float32(0.30901699437494745)), every(np.float32(-0.8090169943749475))
    sin_1, sin_2 = every(np.float32(0.9510565162951535)), every(np.float32(0.5877852522924731))
    nothing = every(np.float32(0))
    none = nothing, nothing
    y1, y4 = _sides(_combined(x0, cos_1, a, cos_2, b), _combined(none, sin_1, c, sin_2, d), way)
    far = every(np.float32(-0.9510565162951535))
    y2, y3 = _sides(_combined(x0, cos_2, a, cos_1, b), _combined(none, sin_2, c, far, d), way)
    return add(x0, add(a, b)), y1, y2, y3, y4


# --- passes -----------------------------------------------------------------------------------------------------------


@inline
def _twiddle(twiddles, at, way):
    return every(twiddles[2 * at]), way * every(twiddles[2 * at + 1])


@inline
def _there(z, at, step, radix, twiddles, first):
    """One butterfly of the way there, in place, at `at`, at + step, ...; then turned by twiddles from `first` on."""
    way = every(np.float32(-1))
    x0, x1 = get_pair(z, at), get_pair(z, at + step)
    if radix == 2:
        put_pair(z, at, add(x0, x1))
        _put_turned(z, at + step, subtract(x0, x1), twiddles, first, way)
        return
    x2 = get_pair(z, at + 2 * step)
    if radix == 3:
        y0, y1, y2 = _of_three(x0, x1, x2, way)
        put_pair(z, at, y0)
        _put_turned(z, at + step, y1, twiddles, first, way)
        _put_turned(z, at + 2 * step, y2, twiddles, first + 1, way)
        return
    x3 = get_pair(z, at + 3 * step)
    if radix == 4:
        y0, y1, y2, y3 = _of_four(x0, x1, x2, x3, way)
        put_pair(z, at, y0)
        _put_turned(z, at + step, y1, twiddles, first, way)
        _put_turned(z, at + 2 * step, y2, twiddles, first + 1, way)
        _put_turned(z, at + 3 * step, y3, twiddles, first + 2, way)
        return
    x4 = get_pair(z, at + 4 * step)
    y0, y1, y2, y3, y4 = _of_five(x0, x1, x2, x3, x4, way)
    put_pair(z, at, y0)
    _put_turned(z, at + step, y1, twiddles, first, way)
    _put_turned(z, at + 2 * step, y2, twiddles, first + 1, way)
    _put_turned(z, at + 3 * step, y3, twiddles, first + 2, way)
    _put_turned(z, at + 4 * step, y4, twiddles, first + 3, way)


@inline
def _put_turned(z, at, x, twiddles, number, way):
    cosine, sine = _twiddle(twiddles, number, way)
    put_pair(z, at, turned(x, cosine, sine))


@inline
def _get_turned(z, at, twiddles, number, way):
    cosine, sine = _twiddle(twiddles, number, way)
    return turned(get_pair(z, at), cosine, sine)


@inline
def _back(z, at, step, radix, twiddles, first):
    """One butterfly of the way back: `_there` undone, but for a factor of `radix`."""
    way = every(np.float32(1))
    x0, x1 = get_pair(z, at), _get_turned(z, at + step, twiddles, first, way)
    if radix == 2:
        put_pair(z, at, add(x0, x1))
        put_pair(z, at + step, subtract(x0, x1))
        return
    x2 = _get_turned(z, at + 2 * step, twiddles, first + 1, way)
    if radix == 3:
        y0, y1, y2 = _of_three(x0, x1, x2, way)
        put_pair(z, at, y0)
        put_pair(z, at + step, y1)
        put_pair(z, at + 2 * step, y2)
        return
    x3 = _get_turned(z, at + 3 * step, twiddles, first + 2, way)
    if radix == 4:
        y0, y1, y2, y3 = _of_four(x0, x1, x2, x3, way)
        put_pair(z, at, y0)
        put_pair(z, at + step, y1)
        put_pair(z, at + 2 * step, y2)
        put_pair(z, at + 3 * step, y3)
        return
    x4 = _get_turned(z, at + 4 * step, twiddles, first + 3, way)
    y0, y1, y2, y3, y4 = _of_five(x0, x1, x2, x3, x4, way)
    put_pair(z, at, y0)
    put_pair(z, at + step, y1)
    put_pair(z, at + 2 * step, y2)
    put_pair(z, at + 3 * step, y3)
    put_pair(z, at + 4 * step, y4)


@part
def _pass_there(z, size, span, radix, twiddles):
    step = span // radix
    for start in range(0, size, span):
        for place in range(step):
            _there(z, start + place, step, radix, twiddles, place * (radix - 1))


@part
def _pass_back(z, size, span, radix, twiddles):
    step = span // radix
    for start in range(0, size, span):
        for place in range(step):
            _back(z, start + place, step, radix, twiddles, place * (radix - 1))


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
