"""The steps of `phase.Frames.search_phase` for numba, on eight frames side by side.

Frames lie in groups of eight: pieces of signal [groups, n_fft, 8], spectra [groups, bins, 2, 8] and magnitudes
[groups, bins, 8]. A step goes over the groups once to add the overlapping pieces and cut the frames anew, and once more
to transform a group, correct its spectrum and transform it back, while it lies in the processor's first cache.
"""

import numpy as np
from numba import types

from vocoder.fast_search import LANES, LAST, MOMENTUM, ONLY_ANALYSE, ONLY_SYNTHESIZE, SEARCH
from vocoder.kernel_parts import FLOATS, WHOLE, inline, machine_code, moved, part
from vocoder.machine_code import MachineCode
from vocoder.transform_kernels import (
    add,
    every,
    get,
    get_pair,
    put,
    put_pair,
    root,
    subtract,
    transform,
    transform_back,
    turned,
)
from vocoder.wavernn.simd import maximum

_LEAST_SQUARE = 1e-24  # of a number's absolute value, by which a magnitude is divided


@part
def _recut(pieces, signal, window, shares, groups, n_fft, hop):
    """Overlap-add, then frames of the sum, windowed both times; all in place.

    Args:
        pieces: [groups, n_fft, 8].
        signal: room for [groups * 8 + blocks - 1]: one sample of each hop.
        shares: [hop, groups * 8 + blocks - 1], what a sample of the sum is multiplied by.
    """
    blocks = (n_fft + hop - 1) // hop
    length = groups * LANES + blocks - 1
    for offset in range(hop):
        for index in range(length):
            signal[index] = np.float32(0)
        for block in range(blocks):
            sample = block * hop + offset
            if sample < n_fft:
                factor = every(window[sample])
                for group in range(groups):
                    at = group * LANES + block
                    put(signal, at, get(signal, at) + factor * get(pieces, (group * n_fft + sample) * LANES))
        for index in range(length):
            signal[index] *= shares[offset * length + index]
        for block in range(blocks):
            sample = block * hop + offset
            if sample < n_fft:
                factor = every(window[sample])
                for group in range(groups):
                    put(pieces, (group * n_fft + sample) * LANES, factor * get(signal, group * LANES + block))


@inline
def _corrected(found, previous, magnitude, held, bin_, task):
    """A bin's spectrum after the analysis: with momentum, and with the magnitude that is sought."""
    if task == ONLY_ANALYSE:
        put_pair(previous, bin_, found)
        return found
    change = subtract(found, get_pair(previous, bin_))
    momentum = every(np.float32(MOMENTUM))
    x = found[0] + momentum * change[0], found[1] + momentum * change[1]
    square = x[0] * x[0] + x[1] * x[1]
    gain = get(magnitude, bin_ * LANES) / root(maximum(square, every(np.float32(_LEAST_SQUARE))))
    kept = get_pair(held, bin_)
    x = gain * x[0] + kept[0], gain * x[1] + kept[1]
    put_pair(previous, bin_, x if task == LAST else found)
    return x


@inline
def _conjugate(x):
    return x[0], every(np.float32(0)) - x[1]


@inline
def _rotated(x):
    """i x."""
    return every(np.float32(0)) - x[1], x[0]


@part
def _correct(z, half, places, turns, previous, magnitude, held, task):
    """From the transform of even and odd samples to the spectrum of the real frames, and back once it is corrected.

    With Z the transform of [half] numbers and W = exp(-i pi / half), a spectrum X of the samples of both kinds has

        X[k] = E + W^k O               E = Z[k] + conj(Z[half - k])
        conj(X[half - k]) = E - W^k O  O = -i (Z[k] - conj(Z[half - k]))

    but for a factor of 2, and the same the other way round.

    Args:
        z: [half, 2, 8], frequency k at places[k].
        turns: cosine and sine of pi k / half.
        task: see `run_steps`.
    """
    zero, last = get_pair(z, 0), half // 2
    nothing, two = every(np.float32(0)), every(np.float32(2))
    if task == ONLY_SYNTHESIZE:
        low, high = get_pair(previous, 0), get_pair(previous, half)
    else:
        low = _corrected((two * (zero[0] + zero[1]), nothing), previous, magnitude, held, 0, task)
        high = _corrected((two * (zero[0] - zero[1]), nothing), previous, magnitude, held, half, task)
    put_pair(z, 0, (low[0] + high[0], low[0] - high[0]))
    for k in range(1, last + 1):
        here, there = places[k], places[half - k]
        cosine, sine = every(turns[2 * k]), every(turns[2 * k + 1])
        if task == ONLY_SYNTHESIZE:
            low, high = get_pair(previous, k), get_pair(previous, half - k)
        else:
            a, b = get_pair(z, here), _conjugate(get_pair(z, there))
            even, odd = add(a, b), turned(subtract(a, b), nothing - sine, nothing - cosine)  # -i W^k, W^-k back
            low = _corrected(add(even, odd), previous, magnitude, held, k, task)
            high = low
            if 2 * k != half:
                high = _corrected(_conjugate(subtract(even, odd)), previous, magnitude, held, half - k, task)
        high = _conjugate(high)
        even, odd = add(low, high), turned(subtract(low, high), cosine, sine)
        odd = _rotated(odd)
        put_pair(z, here, add(even, odd))
        put_pair(z, there, _conjugate(subtract(even, odd)))


def run_steps(
    pieces, previous, magnitude, held, signal, groups, n_fft, hop, window, shares, radices, passes, twiddles, places,
    turns, steps, task,
):  # fmt: skip
    """So many steps of the search, each of which leaves the spectrum of its analysis in `previous`.

    Args:
        pieces, previous, magnitude: see above; magnitudes are 0 where a frame is held.
        held: like `previous`: the spectrum of frames that stay as they are, zeros elsewhere.
        task: of the last of the steps; SEARCH and LAST correct the spectrum, LAST leaves it in `previous`.
    """
    half = n_fft // 2
    bins = half + 1
    for step in range(steps):
        now = task if step == steps - 1 else SEARCH
        if now != ONLY_SYNTHESIZE:
            _recut(pieces, signal, window, shares, groups, n_fft, hop)
        for group in range(groups):
            z = moved(pieces, group * n_fft * LANES)
            if now != ONLY_SYNTHESIZE:
                transform(z, half, radices, passes, twiddles)
            spectrum = group * bins * 2 * LANES
            _correct(
                z, half, places, turns, moved(previous, spectrum), moved(magnitude, group * bins * LANES),
                moved(held, spectrum), now,
            )  # fmt: skip
            if now != LAST and now != ONLY_ANALYSE:
                transform_back(z, half, radices, passes, twiddles)


def compile_all() -> dict[str, MachineCode]:
    """The functions of `fast_search.LIBRARY`."""
    whole = types.CPointer(WHOLE)
    sizes = [WHOLE] * 3
    tables = (FLOATS, FLOATS, whole, WHOLE, FLOATS, whole, FLOATS)
    return {"steps": machine_code(run_steps, *[FLOATS] * 5, *sizes, *tables, WHOLE, WHOLE)}
