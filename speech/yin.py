"""The fundamental frequency of a voice.

YIN (de Cheveigne and Kawahara, 2002): the lag at which a stretch of sound differs least from itself, where the
difference is measured by its mean over all shorter lags. It hears no pitch in noise, and seldom an octave too low.
"""

from __future__ import annotations

import numpy as np
import scipy.fft

from speech.audio import SAMPLE_RATE

LOWEST, HIGHEST = 60.0, 400.0  # Hz
HOP, WINDOW = 160, 512  # 10 ms and 32 ms
CLEAR = 0.15  # normalised difference below which a lag counts as a period
QUIET = 1e-3  # of the loudest frame's level: 60 dB below it nothing is voiced


def yin_f0(wav: np.ndarray) -> np.ndarray:
    """The fundamental frequency every 10 ms, in Hz; 0 where no voice is heard.

    Args:
        wav: float32 [samples] at 16 kHz.

    Returns:
        float64 [samples // 160].
    """
    longest = int(SAMPLE_RATE / LOWEST) + 1
    frames = len(wav) // HOP
    if not frames:
        return np.zeros(0)
    padded = np.pad(wav.astype(np.float64), (WINDOW // 2, WINDOW + longest))
    views = np.lib.stride_tricks.sliding_window_view(padded, WINDOW + longest)[::HOP][:frames]
    difference = _differences(views, longest)
    lags, levels = _first_dips(difference)
    energy = np.square(views[:, :WINDOW]).mean(axis=1)
    loud = energy > max(QUIET**2 * energy.max(), 1e-12)
    return np.where((levels < CLEAR) & loud, SAMPLE_RATE / lags, 0.0)


def _differences(views: np.ndarray, longest: int) -> np.ndarray:
    """YIN's normalised difference (its equations 6 and 8): [frames, WINDOW + longest] -> [frames, longest]."""
    size = scipy.fft.next_fast_len(views.shape[1] + WINDOW, real=True)
    spectrum, head = scipy.fft.rfft(views, size, axis=1), scipy.fft.rfft(views[:, :WINDOW], size, axis=1)
    products = scipy.fft.irfft(spectrum * head.conj(), size, axis=1)[:, :longest]
    sums = np.cumsum(np.pad(np.square(views), ((0, 0), (1, 0))), axis=1)
    energies = sums[:, WINDOW : WINDOW + longest] - sums[:, :longest]
    plain = np.maximum(energies[:, :1] + energies - 2 * products, 0)
    mean = np.cumsum(plain[:, 1:], axis=1) / np.arange(1, longest)
    return np.concatenate([np.ones((len(views), 1)), plain[:, 1:] / np.maximum(mean, 1e-12)], axis=1)


def _first_dips(difference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first lag with a clear dip, or else the deepest one, refined by a parabola; and how deep it is."""
    shortest = int(SAMPLE_RATE / HIGHEST)
    inner, before, after = (difference[:, shortest + shift : difference.shape[1] - 1 + shift] for shift in (0, -1, 1))
    dips = (inner < CLEAR) & (inner <= before) & (inner < after)
    chosen = np.where(dips.any(axis=1), dips.argmax(axis=1), inner.argmin(axis=1))
    rows = np.arange(len(difference))
    low, here, high = before[rows, chosen], inner[rows, chosen], after[rows, chosen]
    bend = low - 2 * here + high
    shift = np.where(bend > 0, 0.5 * (low - high) / np.maximum(bend, 1e-12), 0.0)
    return shortest + chosen + np.clip(shift, -0.5, 0.5), here
