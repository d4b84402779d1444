"""The target magnitudes of a refinement, for numba: `refinement` in one pass over eight frames side by side.

The mel filters are triangles that end where the next but one begins, so a bin of a spectrum is in at most two
neighbouring bands and a product with the filters takes two numbers per bin. `pairs` has these, and `lows` the first of
the two bands. Arrays over bands have one more band, which is zero.
"""

import numpy as np

from kernels.layout import LANES
from kernels.machine_code import MachineCode
from kernels.parts import FLOATS, INTEGER, INTEGERS, inline, machine_code, moved, part
from kernels.simd import fused, load8, maximum, minimum, splat8, sqrt, store
from waveform.fast_blend import BINS_AT_ONCE, CORRECTIONS, ITERATIONS, LEAST, MOST

_LEAST_MAGNITUDE, _TINIER, _TINY = np.float32(1e-7), np.float32(1e-12), np.float32(1e-9)


@inline
def _of_bands(bands, lows, pairs, bin_):
    """The value of a bin in a transposed filter product: bands [bands + 1, 8] -> [8]."""
    at = lows[bin_] * LANES
    low, high = splat8(pairs[2 * bin_]), splat8(pairs[2 * bin_ + 1])
    return fused(high, load8(bands, at + LANES), low * load8(bands, at))


@part
def _to_bands(magnitude, bins, lows, pairs, count, bands):
    """Filter product: [bins, 8] -> [bands, 8]."""
    for band in range(count + 1):
        store(bands, band * LANES, splat8(np.float32(0)))
    for bin_ in range(bins):
        x, at = load8(magnitude, bin_ * LANES), lows[bin_] * LANES
        store(bands, at, fused(splat8(pairs[2 * bin_]), x, load8(bands, at)))
        store(bands, at + LANES, fused(splat8(pairs[2 * bin_ + 1]), x, load8(bands, at + LANES)))


@part
def _unfold(target, count, bins, inverse, smooth):
    """smooth [bins, 8] = inverse [bins, bands] @ target [bands, 8], at least a tiny magnitude."""
    least = splat8(_LEAST_MAGNITUDE)
    for first in range(0, bins, BINS_AT_ONCE):
        rows = moved(inverse, first * count)
        a = b = c = d = splat8(np.float32(0))
        for band in range(count):
            x = load8(target, band * LANES)
            a = fused(splat8(rows[band]), x, a)
            b = fused(splat8(rows[count + band]), x, b)
            c = fused(splat8(rows[2 * count + band]), x, c)
            d = fused(splat8(rows[3 * count + band]), x, d)
        store(smooth, first * LANES, maximum(a, least))
        store(smooth, (first + 1) * LANES, maximum(b, least))
        store(smooth, (first + 2) * LANES, maximum(c, least))
        store(smooth, (first + 3) * LANES, maximum(d, least))


@part
def _smooth(target, count, bins, inverse, lows, pairs, bands, smooth):
    """`speech.mel.mel_to_magnitude`: [bands + 1, 8] -> [bins, 8]."""
    _unfold(target, count, bins, inverse, smooth)
    tinier = splat8(_TINIER)
    for _ in range(ITERATIONS):
        _to_bands(smooth, bins, lows, pairs, count, bands)
        for bin_ in range(bins):
            ratio = _of_bands(target, lows, pairs, bin_) / maximum(_of_bands(bands, lows, pairs, bin_), tinier)
            store(smooth, bin_ * LANES, load8(smooth, bin_ * LANES) * ratio)


@part
def _correct(corrected, target, count, bins, lows, pairs, fractions, bands):
    """Bring the bands of `corrected` [bins, 8] to `target` [bands + 1, 8]."""
    tiny, most, least = splat8(_TINY), splat8(np.float32(MOST)), splat8(np.float32(LEAST))
    for _ in range(CORRECTIONS):
        _to_bands(corrected, bins, lows, pairs, count, bands)
        for band in range(count):
            ratio = load8(target, band * LANES) / maximum(load8(bands, band * LANES), tiny)
            store(bands, band * LANES, maximum(minimum(ratio, most), least))
        for bin_ in range(bins):
            gain = _of_bands(bands, lows, fractions, bin_)
            store(corrected, bin_ * LANES, load8(corrected, bin_ * LANES) * gain)


def run_blend(
    spectrum, magnitude, target, audible, groups, bins, count, inverse, lows, pairs, fractions, analysed, smooth, bands
):
    """Target magnitudes of a phase search, and the analysed spectrum with them.

    Args:
        spectrum: [groups, bins, 2, 8], corrected in place.
        magnitude: [groups, bins, 8], the result.
        target: [groups, bands + 1, 8], the mel's amplitudes; afterwards those of the smooth magnitudes.
        audible: [groups, 8], 0 for a silent frame, else 1.
        count: of the bands.
        analysed, smooth, bands: workspaces for [bins, 8], [bins up to a multiple of four, 8] and [bands + 1, 8].
    """
    for group in range(groups):
        x, result = moved(spectrum, group * bins * 2 * LANES), moved(magnitude, group * bins * LANES)
        aim, loud = moved(target, group * (count + 1) * LANES), load8(audible, group * LANES)
        _smooth(aim, count, bins, inverse, lows, pairs, bands, smooth)
        _to_bands(smooth, bins, lows, pairs, count, aim)
        for bin_ in range(bins):
            real, imaginary = load8(x, bin_ * 2 * LANES), load8(x, bin_ * 2 * LANES + LANES)
            size = sqrt(fused(real, real, imaginary * imaginary))
            store(analysed, bin_ * LANES, size)
            store(result, bin_ * LANES, size)
        _correct(result, aim, count, bins, lows, pairs, fractions, bands)
        for bin_ in range(bins):
            size = load8(analysed, bin_ * LANES)
            wanted = size  # outside of all bands, where the mel has no information
            if fractions[2 * bin_] + fractions[2 * bin_ + 1] > np.float32(0):
                wanted = sqrt(load8(result, bin_ * LANES) * load8(smooth, bin_ * LANES))
            wanted = wanted * loud
            store(result, bin_ * LANES, wanted)
            gain = wanted / maximum(size, splat8(_TINY))
            store(x, bin_ * 2 * LANES, load8(x, bin_ * 2 * LANES) * gain)
            store(x, bin_ * 2 * LANES + LANES, load8(x, bin_ * 2 * LANES + LANES) * gain)


def compile_all() -> dict[str, MachineCode]:
    """The functions of `fast_blend.LIBRARY`."""
    tables = FLOATS, INTEGERS, FLOATS, FLOATS
    return {"blend": machine_code(run_blend, *[FLOATS] * 4, *[INTEGER] * 3, *tables, *[FLOATS] * 3)}
