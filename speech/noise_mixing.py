"""Mix noise into speech at a given signal-to-noise ratio."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def add_noise(wav: np.ndarray, speech_level: float, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Mix noise into a clip.

    Args:
        wav: float32 [samples] in [-1, 1].
        speech_level: root mean square of its speech without pauses.
        noise: float32 [samples], root mean square 1.
        snr_db: signal-to-noise ratio.

    Returns:
        float32 [samples]; scaled down as a whole if it would exceed full scale.
    """
    mixed = wav + noise * np.float32(speech_level * 10 ** (-snr_db / 20))
    return mixed / np.float32(max(1.0, float(np.abs(mixed).max(initial=0))))


def rms(wav: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(wav, dtype=np.float64)))) if wav.size else 0.0


def babble(clips: Iterable[np.ndarray], samples: int, rng: np.random.Generator) -> np.ndarray:
    """Several people at once, each from a random place on and repeated if shorter: float32 [samples], RMS 1.

    Args:
        clips: float32 [samples] each.
    """
    mixed = np.zeros(samples, np.float32)
    for clip in clips:
        mixed += np.resize(np.roll(clip, rng.integers(len(clip))), samples)
    return mixed / np.float32(max(rms(mixed), 1e-9))


def coloured_noise(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise whose spectrum falls or rises evenly, from brown to blue: float32 [samples], RMS 1."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    slope = rng.uniform(-1.0, 0.5)  # of the magnitude, as a power of the frequency
    spectrum *= np.maximum(np.arange(len(spectrum)), 1) ** slope
    noise = np.fft.irfft(spectrum, samples)
    return (noise / max(rms(noise), 1e-9)).astype(np.float32)
