"""Undoing the pre-emphasis that all vocoders work in."""

import numpy as np
from scipy.signal import lfilter


class Deemphasis:
    """Undoes a pre-emphasis chunk by chunk: the chunks together are what one call over the whole would give.

    Args:
        coefficient: of the pre-emphasis x[t] - coefficient * x[t - 1].
    """

    def __init__(self, coefficient: float) -> None:
        self._coefficient = coefficient
        self._state = np.zeros(1)

    def __call__(self, emphasised: np.ndarray) -> np.ndarray:
        """Pre-emphasised [samples] -> wav float32 [samples], clipped to [-1, 1]."""
        wav, self._state = lfilter([1.0], [1.0, -self._coefficient], emphasised.astype(np.float64), zi=self._state)
        return np.clip(wav, -1, 1).astype(np.float32)
