"""Noise taken out of a recording, as far as it can be heard in its pauses (spectral gating, by `noisereduce`)."""

from __future__ import annotations

import numpy as np

from speech.audio import SAMPLE_RATE, VAD_WINDOW, kept_windows, raising_gain

LEAST_SILENCE = 0.3  # seconds of pauses that tell what the noise is; with less a recording is left as it is
STRENGTH = 0.85  # share of the noise that is taken out: all of it leaves the voice hollow
N_FFT = 512


def pauses(wav: np.ndarray) -> np.ndarray:
    """The parts of a recording in which nobody speaks, end to end: float32 [samples]."""
    kept = kept_windows(wav, raising_gain(wav))
    windows = wav[: len(kept) * VAD_WINDOW].reshape(len(kept), VAD_WINDOW)
    return windows[~kept].ravel()


def reduce_noise(wav: np.ndarray) -> np.ndarray:
    """Take out steady noise whose spectrum the pauses show.

    Args:
        wav: float32 [samples] at 16 kHz in [-1, 1].

    Returns:
        float32 [samples]; the recording itself if it pauses for less than 0.3 s, or its pauses are digital silence.
    """
    import noisereduce

    noise = pauses(wav)
    if len(noise) < LEAST_SILENCE * SAMPLE_RATE or not np.any(noise):
        return wav
    clean = noisereduce.reduce_noise(
        y=wav, sr=SAMPLE_RATE, y_noise=noise, stationary=True, prop_decrease=STRENGTH, n_fft=N_FFT
    )
    return np.asarray(clean, dtype=np.float32)
