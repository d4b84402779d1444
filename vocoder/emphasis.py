"""Undoing the pre-emphasis that all vocoders work in."""

import numpy as np

_BLOCK = 8192  # samples that are worked on at once: they stay in the processor's cache
_NOTHING = 1e-20  # a weight below it is lost beside 1 in double precision


class Deemphasis:
    """Undoes a pre-emphasis chunk by chunk: the chunks together are what one call over the whole would give.

    Args:
        coefficient: of the pre-emphasis x[t] - coefficient * x[t - 1].
    """

    def __init__(self, coefficient: float) -> None:
        self._coefficient = float(coefficient)
        self._last = 0.0  # of the samples so far

    def __call__(self, emphasised: np.ndarray) -> np.ndarray:
        """Pre-emphasised [samples] -> wav float32 [samples], clipped to [-1, 1]."""
        wav = np.empty(len(emphasised), dtype=np.float32)
        for start in range(0, len(wav), _BLOCK):
            part = slice(start, start + _BLOCK)
            np.clip(self._undo(emphasised[part].astype(np.float64)), -1, 1, out=wav[part], casting="same_kind")
        return wav

    def _undo(self, signal: np.ndarray) -> np.ndarray:
        """y[t] = x[t] + c y[t - 1] without a loop over the samples, in place.

        The sum of c^k x[t - k] over the last 2 n samples is that over the last n, and c^n times that of n samples ago.
        scipy's filter does the same, but takes fifty megabytes to import.
        """
        signal[0] += self._coefficient * self._last
        weight, reach = self._coefficient, 1
        while reach < len(signal) and abs(weight) > _NOTHING:
            signal[reach:] += weight * signal[:-reach]
            weight, reach = weight**2, 2 * reach
        self._last = float(signal[-1])
        return signal
