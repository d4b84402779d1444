"""F0 estimation from a waveform with YIN (de Cheveigne and Kawahara, 2002).

The period of a frame is the lag at which the difference function, divided by its mean over all shorter lags, has its
first clear minimum.
"""

from __future__ import annotations

import numpy as np
import scipy.fft

from speech.audio import SAMPLE_RATE

MIN_F0, MAX_F0 = 60.0, 400.0  # Hz
HOP, WINDOW = 160, 512  # 10 ms and 32 ms
MAX_DIFFERENCE = 0.15  # normalised difference below which a lag counts as a period
MIN_RELATIVE_LEVEL = 1e-3  # frames more than 60 dB below the loudest frame are unvoiced


def yin_f0(wav: np.ndarray) -> np.ndarray:
    """F0 contour with a frame shift of 10 ms.

    Args:
        wav: float32 [samples] at 16 kHz.

    Returns:
        float64 [samples // 160] in Hz; 0 for unvoiced frames.
    """
    longest = int(SAMPLE_RATE / MIN_F0) + 1
    frames = len(wav) // HOP
    if not frames:
        return np.zeros(0)
    padded = np.pad(wav.astype(np.float64), (WINDOW // 2, WINDOW + longest))
    views = np.lib.stride_tricks.sliding_window_view(padded, WINDOW + longest)[::HOP][:frames]
    difference = _differences(views, longest)
    lags, depths = _first_minima(difference)
    energy = np.square(views[:, :WINDOW]).mean(axis=1)
    loud = energy > max(MIN_RELATIVE_LEVEL**2 * energy.max(), 1e-12)
    return np.where((depths < MAX_DIFFERENCE) & loud, SAMPLE_RATE / lags, 0.0)


def _differences(views: np.ndarray, longest: int) -> np.ndarray:
    """YIN's normalised difference (equations 6 and 8): [frames, WINDOW + longest] -> [frames, longest]."""
    size = scipy.fft.next_fast_len(views.shape[1] + WINDOW, real=True)
    spectrum, head = scipy.fft.rfft(views, size, axis=1), scipy.fft.rfft(views[:, :WINDOW], size, axis=1)
    products = scipy.fft.irfft(spectrum * head.conj(), size, axis=1)[:, :longest]
    sums = np.cumsum(np.pad(np.square(views), ((0, 0), (1, 0))), axis=1)
    energies = sums[:, WINDOW : WINDOW + longest] - sums[:, :longest]
    plain = np.maximum(energies[:, :1] + energies - 2 * products, 0)
    mean = np.cumsum(plain[:, 1:], axis=1) / np.arange(1, longest)
    return np.concatenate([np.ones((len(views), 1)), plain[:, 1:] / np.maximum(mean, 1e-12)], axis=1)


def _first_minima(difference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lag of the first minimum below the threshold, or else of the lowest one, and its normalised difference.

    The lag is refined by parabolic interpolation. Both results are [frames].
    """
    shortest = int(SAMPLE_RATE / MAX_F0)
    inner, before, after = (difference[:, shortest + shift : difference.shape[1] - 1 + shift] for shift in (0, -1, 1))
    minima = (inner < MAX_DIFFERENCE) & (inner <= before) & (inner < after)
    chosen = np.where(minima.any(axis=1), minima.argmax(axis=1), inner.argmin(axis=1))
    rows = np.arange(len(difference))
    low, here, high = before[rows, chosen], inner[rows, chosen], after[rows, chosen]
    curvature = low - 2 * here + high
    shift = np.where(curvature > 0, 0.5 * (low - high) / np.maximum(curvature, 1e-12), 0.0)
    return shortest + chosen + np.clip(shift, -0.5, 0.5), here
