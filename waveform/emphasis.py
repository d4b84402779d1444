"""Streaming de-emphasis. All vocoders generate pre-emphasised samples."""

import numpy as np

_BLOCK = 8192  # samples that are processed together and fit into the processor's cache
_NEGLIGIBLE = 1e-20  # a weight that does not change a sum near 1 in double precision


class Deemphasis:
    """Inverse of a pre-emphasis filter, chunk by chunk. The chunks together equal one call over the whole signal.

    Args:
        coefficient: of the pre-emphasis x[t] - coefficient * x[t - 1].
    """

    def __init__(self, coefficient: float) -> None:
        self._coefficient = float(coefficient)
        self._last = 0.0  # last output sample

    def __call__(self, emphasised: np.ndarray) -> np.ndarray:
        """Pre-emphasised [samples] -> wav float32 [samples], clipped to [-1, 1]."""
        wav = np.empty(len(emphasised), dtype=np.float32)
        for start in range(0, len(wav), _BLOCK):
            part = slice(start, start + _BLOCK)
            np.clip(self._undo(emphasised[part].astype(np.float64)), -1, 1, out=wav[part], casting="same_kind")
        return wav

    def _undo(self, signal: np.ndarray) -> np.ndarray:
        """y[t] = x[t] + c y[t - 1], in place and without a loop over the samples.

        The sum of c^k x[t - k] over k < 2 n is the sum over k < n plus c^n times the same sum n samples earlier.
        `scipy.signal.lfilter` computes the same, but importing it takes fifty megabytes.
        """
        signal[0] += self._coefficient * self._last
        weight, reach = self._coefficient, 1
        while reach < len(signal) and abs(weight) > _NEGLIGIBLE:
            signal[reach:] += weight * signal[:-reach]
            weight, reach = weight**2, 2 * reach
        self._last = float(signal[-1])
        return signal
