"""The steps of `phase_search.FastSearch` for numba, on eight frames side by side.

Frames are in groups of eight: their samples [groups, n_fft, 8], spectra [groups, bins, 2, 8] and magnitudes [groups,
bins, 8]. A step goes over the groups once to overlap-add the frames and cut them again, and once more to transform a
group, correct its spectrum and transform it back while it is in the first-level cache.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from kernels.builders import INT64, constant, larger, load_vector, multiply_add, square_root
from kernels.complex_vectors import PAIR_FLOATS, VECTOR, Complex
from kernels.layout import LANES
from kernels.machine_code import MachineCode
from kernels.parts import FLOATS, INTEGER, INTEGERS, inline, intrinsic, machine_code, moved, part
from kernels.phase_search import LAST, MOMENTUM, ONLY_ANALYSE, ONLY_SYNTHESIZE, SEARCH
from kernels.simd import load8, splat8, store
from kernels.transforms import from_real, to_real, transform, transform_inverse

_LEAST_SQUARE = 1e-24  # of a number's absolute value, by which a magnitude is divided


@part
def _recut(frames, signal, window, normalisers, groups, n_fft, hop):
    """Overlap-add, then frames of the sum, windowed both times; all in place.

    Args:
        frames: [groups, n_fft, 8].
        signal: workspace [groups * 8 + blocks - 1]: one sample of each hop.
        normalisers: [hop, groups * 8 + blocks - 1], factors of the samples of the sum.
    """
    blocks = (n_fft + hop - 1) // hop
    length = groups * LANES + blocks - 1
    for offset in range(hop):
        for index in range(length):
            signal[index] = np.float32(0)
        for block in range(blocks):
            sample = block * hop + offset
            if sample < n_fft:
                factor = splat8(window[sample])
                for group in range(groups):
                    at = group * LANES + block
                    store(signal, at, load8(signal, at) + factor * load8(frames, (group * n_fft + sample) * LANES))
        for index in range(length):
            signal[index] *= normalisers[offset * length + index]
        for block in range(blocks):
            sample = block * hop + offset
            if sample < n_fft:
                factor = splat8(window[sample])
                for group in range(groups):
                    store(frames, (group * n_fft + sample) * LANES, factor * load8(signal, group * LANES + block))


@intrinsic
def _projected(_typing: Any, analysed: Any, previous: Any, magnitude: Any, fixed: Any, index: Any) -> Any:
    """A bin's next spectrum: momentum on what was `analysed`, then the wanted magnitude; fixed frames are added."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        now, before, magnitudes, kept, at = args
        x = Complex(builder, *cgutils.unpack_tuple(builder, now, 2))
        x = x.plus([MOMENTUM], [x - Complex.load(builder, before, at)])
        square = multiply_add(builder, x.real, x.real, builder.fmul(x.imaginary, x.imaginary))
        size = square_root(builder, larger(builder, square, constant(square.type, _LEAST_SQUARE)))
        wanted = load_vector(builder, magnitudes, builder.mul(at, INT64(LANES)), LANES)
        kept_here, gain = Complex.load(builder, kept, at), builder.fdiv(wanted, size)
        parts = [
            multiply_add(builder, gain, x.real, kept_here.real),
            multiply_add(builder, gain, x.imaginary, kept_here.imaginary),
        ]
        return context.make_tuple(builder, signature.return_type, parts)

    return types.UniTuple(VECTOR, 2)(analysed, previous, magnitude, fixed, types.int64), codegen


@inline
def _corrected(real, imaginary, previous, magnitude, fixed, index, task):
    """A bin's spectrum after the analysis; `previous` gets what the next step needs."""
    x = real, imaginary
    if task != ONLY_ANALYSE:
        x = _projected(x, previous, magnitude, fixed, index)
    kept_real, kept_imaginary = real, imaginary
    if task == LAST:
        kept_real, kept_imaginary = x
    store(previous, index * PAIR_FLOATS, kept_real)
    store(previous, index * PAIR_FLOATS + LANES, kept_imaginary)
    return x


@inline
def _load_bin(previous, index):
    return load8(previous, index * PAIR_FLOATS), load8(previous, index * PAIR_FLOATS + LANES)


@part
def _correct(z, half, positions, rotations, previous, magnitude, fixed, task):
    """From the transform of even and odd samples to the spectrum of the real frames, and back once it is corrected.

    Args:
        z: [half, 2, 8], frequency k at positions[k].
        rotations: see `transforms.to_real`.
        task: see `run_steps`.
    """
    for k in range(half // 2 + 1):
        low_at, high_at = positions[k], positions[(half - k) % half]
        if task == ONLY_SYNTHESIZE:
            low, high = _load_bin(previous, k), _load_bin(previous, half - k)
        else:
            a, b, c, d = to_real(z, low_at, high_at, rotations, k)
            low = _corrected(a, b, previous, magnitude, fixed, k, task)
            high = low
            if 2 * k != half:
                high = _corrected(c, d, previous, magnitude, fixed, half - k, task)
        if k == 0:  # the spectrum of a real signal is real there
            zero = splat8(np.float32(0))
            low, high = (low[0], zero), (high[0], zero)
        from_real(z, low_at, high_at, rotations, k, low, high)


def run_steps(
    frames, previous, magnitude, fixed, signal, groups, n_fft, hop, window, normalisers, radices, passes, twiddles,
    positions, rotations, steps, task,
):  # fmt: skip
    """Run steps of the search. Each step writes the spectrum of its analysis to `previous`.

    Args:
        frames: samples [groups, n_fft, 8].
        previous: spectrum [groups, bins, 2, 8].
        magnitude: [groups, bins, 8], 0 for fixed frames.
        fixed: like `previous`: the spectrum of frames that do not change, zeros elsewhere.
        task: of the last of the steps. SEARCH and LAST correct the spectrum, LAST leaves it in `previous`.
    """
    half = n_fft // 2
    bins = half + 1
    for step in range(steps):
        now = task if step == steps - 1 else SEARCH
        if now != ONLY_SYNTHESIZE:
            _recut(frames, signal, window, normalisers, groups, n_fft, hop)
        for group in range(groups):
            z = moved(frames, group * n_fft * LANES)
            if now != ONLY_SYNTHESIZE:
                transform(z, half, radices, passes, twiddles)
            spectrum = group * bins * 2 * LANES
            _correct(
                z, half, positions, rotations, moved(previous, spectrum), moved(magnitude, group * bins * LANES),
                moved(fixed, spectrum), now,
            )  # fmt: skip
            if now != LAST and now != ONLY_ANALYSE:
                transform_inverse(z, half, radices, passes, twiddles)


def compile_all() -> dict[str, MachineCode]:
    """The functions of `phase_search.LIBRARY`."""
    tables = (FLOATS, FLOATS, INTEGERS, INTEGER, FLOATS, INTEGERS, FLOATS)
    return {"steps": machine_code(run_steps, *[FLOATS] * 5, *[INTEGER] * 3, *tables, INTEGER, INTEGER)}
