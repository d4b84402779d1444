"""Mix noise into speech or its mel at a given signal-to-noise ratio."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from speech.mel import log_mel, mel_amplitudes
from speech.mel_config import MelConfig

BABBLE_VOICES = 3  # of training
BABBLE_PROBABILITY = 0.5  # of noise in training; the other half is coloured


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


def babble(clips: Iterable[np.ndarray], length: int, rng: np.random.Generator) -> np.ndarray:
    """Several people at once, each from a random place on and repeated if shorter.

    Args:
        clips: float32 [samples] each, or power mels [frames, n_mels].
        length: in samples or frames.

    Returns:
        float32 [length] or [length, n_mels], RMS 1.
    """
    voices = [np.resize(np.roll(clip, rng.integers(len(clip)), axis=0), (length, *clip.shape[1:])) for clip in clips]
    mixed = np.asarray(np.sum(voices, axis=0, dtype=np.float32))
    return mixed / np.float32(max(rms(mixed), 1e-9))


def coloured_noise(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise whose spectrum falls or rises evenly, from brown to blue: float32 [samples], RMS 1."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    slope = rng.uniform(-1.0, 0.5)  # of the magnitude, as a power of the frequency
    spectrum *= np.maximum(np.arange(len(spectrum)), 1) ** slope
    noise = np.fft.irfft(spectrum, samples)
    return (noise / max(rms(noise), 1e-9)).astype(np.float32)


def add_noise_to_mel(mel: np.ndarray, noise: np.ndarray, snr_db: float, config: MelConfig) -> np.ndarray:
    """Mix noise into a log mel, as the sum of the powers. The mean power of the mel stays the same.

    Args:
        mel: float32 [frames, n_mels], dB scaled to [-max_abs_value, max_abs_value].
        noise: power mel of the same shape, at any level.
        snr_db: ratio of the mean powers of speech and noise.
    """
    speech = np.square(mel_amplitudes(mel, config))
    level = float(speech.mean()) * 10 ** (-snr_db / 10) / max(float(noise.mean()), 1e-12)
    mixed = speech + np.float32(level) * noise
    return log_mel(np.sqrt(mixed * (speech.mean() / mixed.mean())), config)


def coloured_noise_mel(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Power mels of coloured Gaussian noise, from brown (-30 dB over the bands) to blue (+10 dB).

    Args:
        shape: [batch, frames, n_mels] or [frames, n_mels].

    Returns:
        float32 of this shape.
    """
    colour = 10 ** (rng.uniform(-3, 1, (*shape[:-2], 1, 1)) * np.linspace(-0.5, 0.5, shape[-1])).astype(np.float32)
    # The power of Gaussian noise in a narrow band is exponentially distributed. In wide bands it varies less: the mean
    # of two approximates the mel bands.
    noise: np.ndarray = colour * rng.standard_exponential((2, *shape), dtype=np.float32).sum(axis=0)
    return noise
