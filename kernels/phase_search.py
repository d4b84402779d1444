"""Phase search (fast Griffin-Lim, Perraudin et al. 2013) in compiled code: tables and buffers for
`phase_search_kernels`.

It takes a quarter of the time of numpy and PyTorch's transforms, with the same result up to rounding.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.layout import LANES
from kernels.machine_code import Library, functions_of
from speech.errors import one_line

logger = logging.getLogger(__name__)

MOMENTUM = 0.99
RADICES = (4, 5, 3, 2)  # factors that a transform's size may have
STEPS_AT_ONCE = 4  # between two calls of `check`
SEARCH, LAST, ONLY_ANALYSE, ONLY_SYNTHESIZE = 0, 1, 2, 3  # see `phase_search_kernels.run_steps`
_SOURCES = tuple(
    f"kernels.{name}"
    for name in (
        "parts", "layout", "builders", "simd", "complex_vectors", "transforms", "phase_search", "phase_search_kernels",
    )
)  # fmt: skip
LIBRARY = Library("search", "kernels.phase_search_kernels", _SOURCES)

Floats = NDArray[np.float32]
Spectrum = NDArray[np.complex64]
Integers = NDArray[np.int64]


class Tables(NamedTuple):
    """Constants of a transform of n_fft real numbers.

    Attributes:
        radices: factors of n_fft / 2, one for each pass.
        twiddles: cosine and sine of the rotations between the passes, pass by pass.
        positions: [n_fft / 2], the index of each frequency after the transform.
        rotations: [n_fft / 2 + 1, 2], cosine and sine of frequency k's angle over one sample.
    """

    radices: Integers
    twiddles: Floats
    positions: Integers
    rotations: Floats


@functools.lru_cache(maxsize=4)
def tables_of(n_fft: int) -> Tables:
    radices, positions, span = _factors(n_fft // 2), np.zeros(1, dtype=np.int64), n_fft // 2
    twiddles = [np.zeros((0, 2), np.float32)]
    for radix in radices:
        step = span // radix
        twiddles.append(_circle(2 * np.pi / span * np.arange(step)[:, None] * np.arange(1, radix)))
        positions = (np.arange(radix)[:, None] * step + positions).reshape(-1)  # digit reversal
        span = step
    rotations = _circle(np.pi / (n_fft // 2) * np.arange(n_fft // 2 + 1))
    return Tables(np.array(radices, np.int64), np.concatenate(twiddles), positions, rotations)


def _circle(angles: np.ndarray) -> Floats:
    """[count, 2]: cosine and sine."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1).reshape(-1, 2).astype(np.float32)


def _factors(size: int) -> list[int]:
    """The size as a product of RADICES; empty where that is impossible."""
    found = []
    for radix in RADICES:
        while size % radix == 0:
            found.append(radix)
            size //= radix
    return found if size == 1 else []


def fast_search(n_fft: int, hop: int, window: Floats, weight: Floats, frames: int) -> FastSearch | None:
    """A search over a number of frames; None if n_fft or this processor has no compiled code.

    Args:
        window: [n_fft].
        weight: [(frames + blocks - 1) * hop], see `phase.Frames.weight`.
    """
    if n_fft % 2 or not _factors(n_fft // 2):
        return None
    run = _steps()
    return FastSearch(run, n_fft, hop, window, weight, frames) if run else None


@functools.cache
def _steps() -> Callable[..., None] | None:
    try:
        return functions_of(LIBRARY)["steps"]
    except Exception as error:  # no numba, or no code for this processor: numpy does the same
        logger.warning("The phase search cannot be compiled here (%s), so it takes longer.", one_line(error))
        return None


class FastSearch:
    """See `fast_search`. Spectra go in and out as complex64 [frames, bins].

    Attributes:
        spectrum: [groups, bins, 2, 8], the last analysis, real and imaginary parts apart.
        magnitude: [groups, bins, 8], the target; 0 beyond the last frame.
    """

    def __init__(
        self, run: Callable[..., None], n_fft: int, hop: int, window: Floats, weight: Floats, frames: int
    ) -> None:
        self._frames, self._groups = frames, -(-frames // LANES)
        bins, length = n_fft // 2 + 1, self._groups * LANES + len(weight) // hop - frames
        normalisers = np.zeros((length, hop), np.float32)
        # the transform and its inverse together multiply by twice the size
        normalisers.reshape(-1)[: len(weight)] = np.float32(1 / (2 * n_fft)) / weight
        self.spectrum = np.empty((self._groups, bins, 2, LANES), np.float32)
        self._fixed = np.zeros_like(self.spectrum)  # frames that do not change
        self.magnitude = np.zeros((self._groups, bins, LANES), np.float32)
        samples, signal = np.empty((self._groups, n_fft, LANES), np.float32), np.empty(length, np.float32)
        tables = tables_of(n_fft)
        self._steps = functools.partial(
            run, samples, self.spectrum, self.magnitude, self._fixed, signal, self._groups, n_fft, hop,
            window, np.ascontiguousarray(normalisers.T), tables.radices, len(tables.radices), *tables[1:],
        )  # fmt: skip

    def resynthesise(self, spectrum: Spectrum) -> None:
        """Leave in `self.spectrum` the spectrum of the signal that is nearest to this one."""
        self._to_lanes(spectrum)
        self._steps(1, ONLY_SYNTHESIZE)
        self._steps(1, ONLY_ANALYSE)

    def project(self, spectrum: Spectrum) -> Spectrum:
        """The spectrum of the signal that is nearest to this one."""
        self.resynthesise(spectrum)
        return self._from_lanes()

    def search(
        self, magnitude: Floats, start: Spectrum, fixed: int, iterations: int, check: Callable[[], None]
    ) -> Spectrum:
        """See `phase.Frames.search_phase`, for one iteration or more."""
        self._to_lanes(start)
        free = np.zeros((self._groups * LANES, magnitude.shape[1]), np.float32)
        free[: len(magnitude)] = magnitude
        self.magnitude[:] = free.reshape(self._groups, LANES, -1).swapaxes(1, 2)
        return self.iterate(start[:fixed], iterations, check)

    def iterate(self, fixed: Spectrum, iterations: int, check: Callable[[], None]) -> Spectrum:
        """Search from `self.spectrum` for one with `self.magnitude`; the first frames stay `fixed`."""
        for frame, spectrum in enumerate(fixed):
            group, lane = divmod(frame, LANES)
            # the kernel adds fixed frames to the others, which must be 0 there
            self.magnitude[group, :, lane] = 0
            self._fixed[group, :, :, lane] = self.spectrum[group, :, :, lane] = _parts(spectrum)
        self._steps(1, ONLY_SYNTHESIZE)
        self.spectrum[:] = 0  # the first step has no momentum
        for done in range(0, iterations, STEPS_AT_ONCE):
            check()
            steps = min(STEPS_AT_ONCE, iterations - done)
            self._steps(steps, LAST if done + steps == iterations else SEARCH)
        found = self._from_lanes()
        found[: len(fixed)] = fixed
        return found

    def _to_lanes(self, rows: Spectrum) -> None:
        """complex64 [frames, bins] -> `self.spectrum`, padded with zeros."""
        full = np.zeros((self._groups * LANES, rows.shape[1]), np.complex64)
        full[: len(rows)] = rows
        np.copyto(self.spectrum, np.moveaxis(_parts(full).reshape(self._groups, LANES, -1, 2), 1, 3))

    def _from_lanes(self) -> Spectrum:
        rows = np.ascontiguousarray(np.moveaxis(self.spectrum, 3, 1)).view(np.complex64)
        return rows.reshape(self._groups * LANES, -1)[: self._frames]


def _parts(spectrum: Spectrum) -> Floats:
    """complex64 [..., bins] -> float32 [..., bins, 2]."""
    return np.ascontiguousarray(spectrum).view(np.float32).reshape(*spectrum.shape, 2)
