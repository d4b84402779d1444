"""Reduction of steady noise by spectral gating (package `noisereduce`); the noise is measured in the pauses."""

from __future__ import annotations

import numpy as np

from speech.audio import SAMPLE_RATE, resample, volume_gain
from speech.vad import VAD_WINDOW, speech_windows

MIN_PAUSE_SECONDS = 0.3  # of pauses that the noise is measured in; with less the recording is returned unchanged
STRENGTH = 0.85  # fraction of the noise that is removed; removing all of it makes the voice sound hollow
WINDOW_MS = 32


def pauses(wav: np.ndarray, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """The parts of a recording without speech, concatenated: float32 [samples] at `sample_rate`."""
    at_vad_rate = resample(wav, sample_rate, SAMPLE_RATE)  # the voice activity detector takes 16 kHz
    kept = speech_windows(at_vad_rate, volume_gain(at_vad_rate))
    windows = np.arange(len(wav)) * SAMPLE_RATE // (sample_rate * VAD_WINDOW)
    inside = windows < len(kept)
    return wav[inside][~kept[windows[inside]]]


def reduce_noise(wav: np.ndarray, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Remove steady noise whose spectrum the pauses show.

    Args:
        wav: float32 [samples] at `sample_rate` in [-1, 1].

    Returns:
        float32 [samples]; the recording itself if its pauses are shorter than 0.3 s in total or digital silence.
    """
    import noisereduce

    noise = pauses(wav, sample_rate)
    if len(noise) < MIN_PAUSE_SECONDS * sample_rate or not np.any(noise):
        return wav
    clean = noisereduce.reduce_noise(
        y=wav,
        sr=sample_rate,
        y_noise=noise,
        stationary=True,
        prop_decrease=STRENGTH,
        n_fft=sample_rate * WINDOW_MS // 1000,
    )
    return np.asarray(clean, dtype=np.float32)
