"""The magnitudes that a refinement seeks, for numba: `refinement` in one pass over eight frames side by side.

A bin of a spectrum lies in two neighbouring bands of the mel at most, as the filters are triangles that end where the
next but one begins. So a product with the filters takes two numbers of each bin: `pairs` has them, and `lows` the first
of the two bands. Whatever has bands has one more, which is zero.
"""

import numpy as np
from numba import types

from kernels.lanes import PAIR, every, get, put, root
from kernels.layout import LANES
from kernels.machine_code import MachineCode
from kernels.parts import FLOATS, WHOLE, inline, machine_code, moved, part
from kernels.simd import fused, maximum, minimum
from vocoder.spectral.fast_blend import BINS_AT_ONCE, CORRECTIONS, ITERATIONS, LEAST, MOST

_LEAST_MAGNITUDE, _TINIER, _TINY = np.float32(1e-7), np.float32(1e-12), np.float32(1e-9)


@inline
def _of_bands(bands, lows, pairs, bin_):
    """What two bands [bands + 1, 8] make of a bin."""
    at = lows[bin_] * LANES
    low, high = every(pairs[2 * bin_]), every(pairs[2 * bin_ + 1])
    return fused(high, get(bands, at + LANES), low * get(bands, at))


@part
def _to_bands(magnitude, bins, lows, pairs, count, bands):
    """[bins, 8] -> [bands, 8]."""
    for band in range(count + 1):
        put(bands, band * LANES, every(np.float32(0)))
    for bin_ in range(bins):
        x, at = get(magnitude, bin_ * LANES), lows[bin_] * LANES
        put(bands, at, fused(every(pairs[2 * bin_]), x, get(bands, at)))
        put(bands, at + LANES, fused(every(pairs[2 * bin_ + 1]), x, get(bands, at + LANES)))


@part
def _unfold(wanted, count, bins, inverse, smooth):
    """smooth [bins, 8] = inverse [bins, bands] @ wanted [bands, 8], but not less than next to nothing."""
    least = every(_LEAST_MAGNITUDE)
    for first in range(0, bins, BINS_AT_ONCE):
        rows = moved(inverse, first * count)
        a = b = c = d = every(np.float32(0))
        for band in range(count):
            x = get(wanted, band * LANES)
            a = fused(every(rows[band]), x, a)
            b = fused(every(rows[count + band]), x, b)
            c = fused(every(rows[2 * count + band]), x, c)
            d = fused(every(rows[3 * count + band]), x, d)
        put(smooth, first * LANES, maximum(a, least))
        put(smooth, (first + 1) * LANES, maximum(b, least))
        put(smooth, (first + 2) * LANES, maximum(c, least))
        put(smooth, (first + 3) * LANES, maximum(d, least))


@part
def _smooth(wanted, count, bins, inverse, lows, pairs, bands, smooth):
    """`speech.mel.mel_to_magnitude`: [bands + 1, 8] -> [bins, 8]."""
    _unfold(wanted, count, bins, inverse, smooth)
    for _ in range(ITERATIONS):
        _to_bands(smooth, bins, lows, pairs, count, bands)
        for bin_ in range(bins):
            ratio = _of_bands(wanted, lows, pairs, bin_) / maximum(_of_bands(bands, lows, pairs, bin_), every(_TINIER))
            put(smooth, bin_ * LANES, get(smooth, bin_ * LANES) * ratio)


@part
def _correct(corrected, wanted, count, bins, lows, pairs, shares, bands):
    """Bring the bands of `corrected` [bins, 8] to `wanted` [bands + 1, 8]."""
    for _ in range(CORRECTIONS):
        _to_bands(corrected, bins, lows, pairs, count, bands)
        for band in range(count):
            ratio = get(wanted, band * LANES) / maximum(get(bands, band * LANES), every(_TINY))
            put(bands, band * LANES, maximum(minimum(ratio, every(np.float32(MOST))), every(np.float32(LEAST))))
        for bin_ in range(bins):
            put(corrected, bin_ * LANES, get(corrected, bin_ * LANES) * _of_bands(bands, lows, shares, bin_))


def run_blend(
    spectrum, magnitude, wanted, audible, groups, bins, count, inverse, lows, pairs, shares, heard, smooth, bands
):
    """Magnitudes that are to be sought, and the spectrum that was heard with them.

    Args:
        spectrum: [groups, bins, 2, 8], corrected in place.
        magnitude: [groups, bins, 8], what is found.
        wanted: [groups, bands + 1, 8], the mel's amplitudes; afterwards those of the smooth magnitudes.
        audible: [groups, 8], 0 for a frame that is to be silent, else 1.
        count: of the bands.
        heard, smooth, bands: room for [bins, 8], [bins up to a multiple of four, 8] and [bands + 1, 8].
    """
    for group in range(groups):
        x, found = moved(spectrum, group * bins * 2 * LANES), moved(magnitude, group * bins * LANES)
        aim, loud = moved(wanted, group * (count + 1) * LANES), get(audible, group * LANES)
        _smooth(aim, count, bins, inverse, lows, pairs, bands, smooth)
        _to_bands(smooth, bins, lows, pairs, count, aim)
        for bin_ in range(bins):
            real, imaginary = get(x, bin_ * PAIR), get(x, bin_ * PAIR + LANES)
            size = root(fused(real, real, imaginary * imaginary))
            put(heard, bin_ * LANES, size)
            put(found, bin_ * LANES, size)
        _correct(found, aim, count, bins, lows, pairs, shares, bands)
        for bin_ in range(bins):
            size = get(heard, bin_ * LANES)
            sought = size  # outside of all bands, of which the mel says nothing
            if shares[2 * bin_] + shares[2 * bin_ + 1] > np.float32(0):
                sought = root(get(found, bin_ * LANES) * get(smooth, bin_ * LANES))
            sought = sought * loud
            put(found, bin_ * LANES, sought)
            gain = sought / maximum(size, every(_TINY))
            put(x, bin_ * PAIR, get(x, bin_ * PAIR) * gain)
            put(x, bin_ * PAIR + LANES, get(x, bin_ * PAIR + LANES) * gain)


def compile_all() -> dict[str, MachineCode]:
    """The functions of `fast_blend.LIBRARY`."""
    tables = FLOATS, types.CPointer(WHOLE), FLOATS, FLOATS
    return {"blend": machine_code(run_blend, *[FLOATS] * 4, *[WHOLE] * 3, *tables, *[FLOATS] * 3)}
