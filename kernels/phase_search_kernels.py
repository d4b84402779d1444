"""The steps of `phase.Frames.search_phase` for numba, on eight frames side by side.

Frames lie in groups of eight: pieces of signal [groups, n_fft, 8], spectra [groups, bins, 2, 8] and magnitudes
[groups, bins, 8]. A step goes over the groups once to add the overlapping pieces and cut the frames anew, and once more
to transform a group, correct its spectrum and transform it back, while it lies in the processor's first cache.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from kernels.lanes import PAIR, VECTOR, Complex, every, get, put, root_of
from kernels.layout import LANES
from kernels.machine_code import MachineCode
from kernels.parts import FLOATS, WHOLE, inline, intrinsic, machine_code, moved, part
from kernels.phase_search import LAST, MOMENTUM, ONLY_ANALYSE, ONLY_SYNTHESIZE, SEARCH
from kernels.simd import INT64, constant, larger, load_vector, multiply_add
from kernels.transforms import from_real, to_real, transform, transform_back

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


@intrinsic
def _sought(_typing: Any, found: Any, previous: Any, magnitude: Any, held: Any, index: Any) -> Any:
    """A bin's spectrum after an analysis has `found` it: with momentum, and with the magnitude that is sought."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        now, before, magnitudes, kept, at = args
        x = Complex(builder, *cgutils.unpack_tuple(builder, now, 2))
        x = x.plus([MOMENTUM], [x - Complex.load(builder, before, at)])
        square = multiply_add(builder, x.real, x.real, builder.fmul(x.imaginary, x.imaginary))
        size = root_of(builder, larger(builder, square, constant(square.type, _LEAST_SQUARE)))
        aim = load_vector(builder, magnitudes, builder.mul(at, INT64(LANES)), LANES)
        held_here, gain = Complex.load(builder, kept, at), builder.fdiv(aim, size)
        parts = [
            multiply_add(builder, gain, x.real, held_here.real),
            multiply_add(builder, gain, x.imaginary, held_here.imaginary),
        ]
        return context.make_tuple(builder, signature.return_type, parts)

    return types.UniTuple(VECTOR, 2)(found, previous, magnitude, held, types.int64), codegen


@inline
def _corrected(real, imaginary, previous, magnitude, held, index, task):
    """A bin's spectrum after the analysis; `previous` gets what the next step is to know."""
    x = real, imaginary
    if task != ONLY_ANALYSE:
        x = _sought(x, previous, magnitude, held, index)
    kept_real, kept_imaginary = real, imaginary
    if task == LAST:
        kept_real, kept_imaginary = x
    put(previous, index * PAIR, kept_real)
    put(previous, index * PAIR + LANES, kept_imaginary)
    return x


@inline
def _known(previous, index):
    return get(previous, index * PAIR), get(previous, index * PAIR + LANES)


@part
def _correct(z, half, places, turns, previous, magnitude, held, task):
    """From the transform of even and odd samples to the spectrum of the real frames, and back once it is corrected.

    Args:
        z: [half, 2, 8], frequency k at places[k].
        turns: see `transform_kernels.to_real`.
        task: see `run_steps`.
    """
    for k in range(half // 2 + 1):
        here, there = places[k], places[(half - k) % half]
        if task == ONLY_SYNTHESIZE:
            low, high = _known(previous, k), _known(previous, half - k)
        else:
            a, b, c, d = to_real(z, here, there, turns, k)
            low = _corrected(a, b, previous, magnitude, held, k, task)
            high = low
            if 2 * k != half:
                high = _corrected(c, d, previous, magnitude, held, half - k, task)
        if k == 0:  # both are real, whatever they were said to be
            nothing = every(np.float32(0))
            low, high = (low[0], nothing), (high[0], nothing)
        from_real(z, here, there, turns, k, low, high)


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
