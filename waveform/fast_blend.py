"""The target magnitudes of a refinement in compiled code: tables for `blend_kernels`."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kernels.layout import LANES
from kernels.machine_code import Library, functions_of
from kernels.phase_search import FastSearch
from speech.errors import one_line
from speech.mel import MelConfig, filters_and_inverse, mel_amplitudes

logger = logging.getLogger(__name__)

ITERATIONS = 4  # of `speech.mel.mel_to_magnitude`
CORRECTIONS = 3  # rounds, after which the bands are within a few percent
MOST, LEAST = 20.0, 0.05  # factors by which one round may change a band
BINS_AT_ONCE = 4  # sums in registers
_SOURCES = (
    "kernels.parts", "kernels.layout", "kernels.builders", "kernels.simd",
    "waveform.fast_blend", "waveform.blend_kernels",
)  # fmt: skip
LIBRARY = Library("blend", "waveform.blend_kernels", _SOURCES)

Floats = NDArray[np.float32]


def fast_blend(config: MelConfig) -> FastBlend | None:
    """The blend of these mel settings; None if this processor has no compiled code."""
    try:
        return FastBlend(functions_of(LIBRARY)["blend"], config)
    except Exception as error:  # no numba, or no code for this processor: numpy does the same
        logger.warning("The vocoder's refinement cannot be compiled here (%s), so it takes longer.", one_line(error))
        return None


class FastBlend:
    """See `fast_blend`.

    Raises:
        ValueError: a bin is in more than two bands.
    """

    def __init__(self, run: Callable[..., None], config: MelConfig) -> None:
        self._run, self._config = run, config
        filters, inverse = filters_and_inverse(config)
        self._lows, self._pairs = _pairs(filters)
        fractions = filters / np.maximum(filters.sum(axis=0), np.float32(1e-9))
        self._fractions = _two_bands(fractions, self._lows)
        self._inverse = np.pad(inverse, ((0, -len(inverse) % BINS_AT_ONCE), (0, 0)))

    def __call__(self, search: FastSearch, mel: np.ndarray) -> None:
        """Give `search`, from what it has analysed, its start and its target magnitudes.

        Args:
            mel: [n_mels, frames], dB scaled to [-4, 4].
        """
        groups, bins, _ = search.magnitude.shape
        bands = len(mel)
        target = np.zeros((groups, bands + 1, LANES), np.float32)
        target[:, :bands] = _grouped(mel_amplitudes(mel, self._config), groups).swapaxes(0, 1)
        audible = mel.max(axis=0) > 1e-3 - self._config.max_abs_value  # else every band is at the floor: silence
        audible = np.ascontiguousarray(_grouped(audible, groups))
        workspace = [np.empty(count * LANES, np.float32) for count in (bins, len(self._inverse), bands + 1)]
        tables = self._inverse, self._lows, self._pairs, self._fractions
        self._run(search.spectrum, search.magnitude, target, audible, groups, bins, bands, *tables, *workspace)


def _grouped(values: np.ndarray, groups: int) -> Floats:
    """[..., frames] -> [..., groups, 8], zeros after the last frame."""
    full = np.zeros((*values.shape[:-1], groups * LANES), np.float32)
    full[..., : values.shape[-1]] = values
    return full.reshape(*values.shape[:-1], groups, LANES)


def _pairs(filters: Floats) -> tuple[NDArray[np.int64], Floats]:
    """[bands, bins] -> the first of the two bands that each bin may be in, and the numbers of both [bins, 2]."""
    lows = (filters > 0).argmax(axis=0)
    pairs = _two_bands(filters, lows)
    if not np.array_equal(pairs.sum(axis=1, dtype=np.float64), filters.sum(axis=0, dtype=np.float64)):
        raise ValueError("mel bands overlap more than their neighbours")
    return lows, pairs


def _two_bands(filters: Floats, lows: NDArray[np.int64]) -> Floats:
    more, bins = np.pad(filters, ((0, 1), (0, 0))), np.arange(filters.shape[1])
    return np.stack([more[lows, bins], more[lows + 1, bins]], axis=1)
