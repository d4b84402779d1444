"""Distances between a vocoder's output and the recording that its mel is from. The two are aligned in time."""

from __future__ import annotations

import numpy as np
import scipy.fft

from speech.audio import SAMPLE_RATE
from speech.mel import mel_filters
from speech.packages import require_package

CEPSTRA = 13
N_BANDS = 40
WINDOW, HOP, N_FFT = 400, 80, 512  # 25 ms every 5 ms
DYNAMIC_RANGE = 1e-3  # bands 60 dB below the loudest one of the recording count as equal


def mel_cepstral_distortion(wav: np.ndarray, reference: np.ndarray) -> float:
    """Mean distance of the mel cepstra in dB (Kubichek, 1993), without the zeroth one, which is the level.

    10 / ln 10 * sqrt(2 * sum of the squared differences of 13 coefficients), averaged over frames of 25 ms, every 5 ms.
    The analysis differs from that of the vocoder's input mels, which Griffin-Lim matches almost perfectly.

    Args:
        wav, reference: float32 [samples] at 16 kHz; the longer is cut to the shorter.
    """
    samples = min(len(wav), len(reference))
    output, original = _mel_amplitudes(wav[:samples]), _mel_amplitudes(reference[:samples])
    floor = max(DYNAMIC_RANGE * float(original.max(initial=0)), 1e-9)
    difference = _cepstra(output, floor) - _cepstra(original, floor)
    return float(10 / np.log(10) * np.sqrt(2 * np.square(difference).sum(axis=1)).mean())


def _mel_amplitudes(wav: np.ndarray) -> np.ndarray:
    """Mel spectrogram, [frames, 40]."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wav, WINDOW // 2), WINDOW)[::HOP]
    spectrum = np.abs(scipy.fft.rfft(frames * np.hanning(WINDOW + 1)[:-1], N_FFT, axis=1))
    return spectrum @ mel_filters(SAMPLE_RATE, N_FFT, N_BANDS, 0.0, SAMPLE_RATE / 2).T


def _cepstra(amplitudes: np.ndarray, floor: float) -> np.ndarray:
    """Coefficients 1 to 13 of log amplitude = c_0 / 2 + sum of c_m cos(m w), as the formula above takes them."""
    logarithm = np.log(np.maximum(amplitudes, floor))
    return scipy.fft.dct(logarithm, axis=1)[:, 1 : CEPSTRA + 1] / amplitudes.shape[1]


class Pesq:
    """Wide-band PESQ (ITU-T P.862.2), 1 to 4.6, by the package pesq. A call returns None if it detects no speech.

    Raises:
        ConfigError: the package is missing.
    """

    def __init__(self) -> None:
        self._module = require_package("pesq", "PESQ")

    def __call__(self, wav: np.ndarray, reference: np.ndarray) -> float | None:
        samples = min(len(wav), len(reference))
        try:
            return float(self._module.pesq(SAMPLE_RATE, reference[:samples], wav[:samples], "wb"))
        except (self._module.PesqError, ValueError):  # too short, or no utterance found in one of them
            return None
