"""Synthetic test clips (tones, music, mixtures) and synthetic partial embeddings."""

from pathlib import Path

import numpy as np
import pytest

RATE = 16_000
STEP_SECONDS, PARTIAL_SECONDS = 0.77, 1.6


class FakePartials:
    """Partial embeddings scattered around one centre per voice, as of a clip without pauses.

    Args:
        voices: index of the voice of each partial.
    """

    def __init__(self, voices: list[int], spread: float, dim: int = 64, seed: int = 5):
        rng = np.random.default_rng(seed)
        centres = rng.normal(size=(max(voices) + 1, dim)) / np.sqrt(dim)
        made = centres[voices] + spread * rng.normal(size=(len(voices), dim)) / np.sqrt(dim)
        self.embeddings = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
        self.starts = STEP_SECONDS * np.arange(len(voices))
        self.ends = self.starts + PARTIAL_SECONDS

    @property
    def embedding(self) -> np.ndarray:
        mean = self.embeddings.mean(axis=0)
        return mean / np.linalg.norm(mean)

    @property
    def similarity(self) -> np.ndarray:
        others = self.embeddings.sum(axis=0) - self.embeddings
        return (self.embeddings * others).sum(axis=1) / np.linalg.norm(others, axis=1)


def tone(seconds: float = 1.0, rate: int = RATE, peak: float = 0.5, hertz: float = 220.0) -> np.ndarray:
    """A sine: float32 [seconds * rate]."""
    return (peak * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def write_with_av(
    path: Path, codec: str, rate: int, layout: str, container: str | None = None, samples: np.ndarray | None = None
) -> None:
    """Write `samples` [channels, samples], by default a second of a 220 Hz tone, as soundfile cannot."""
    av = pytest.importorskip("av")
    channels = {"mono": 1, "stereo": 2, "7.1": 8}[layout]
    if samples is None:
        samples = np.tile(tone(1.0, rate), (channels, 1))
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        for start in range(0, samples.shape[1], 1024):
            block = samples[:, start : start + 1024].T.reshape(1, -1)  # interleaved: PyAV cannot write 8 planes
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="flt", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def assert_is_the_tone(wav: np.ndarray, tolerance: float = 0.02) -> None:
    """Check for about one second of 220 Hz at an RMS of 0.5 / sqrt(2); codecs may add a delay."""
    assert wav.dtype == np.float32 and wav.ndim == 1
    assert abs(len(wav) / RATE - 1) < 0.15
    middle = wav[RATE // 4 : RATE // 4 + RATE // 2]
    assert abs(float(np.sqrt(np.mean(middle**2))) - 0.5 / np.sqrt(2)) < tolerance
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert abs(int(spectrum.argmax()) * RATE / len(middle) - 220) <= 2


def note(frequency: float, seconds: float) -> np.ndarray:
    """A plucked string: decaying harmonics, the higher ones decaying faster."""
    t = np.arange(int(seconds * RATE)) / RATE
    harmonics = [np.exp(-t * (1.5 + k)) * np.sin(2 * np.pi * frequency * k * t + k) / k for k in range(1, 9)]
    return np.sum(harmonics, axis=0)


def tune(seconds: float, seed: int = 0) -> np.ndarray:
    """A tune of notes of a major scale, two per second: float32 [samples]."""
    rng = np.random.default_rng(seed)
    wav = np.zeros(int(seconds * RATE))
    for start in range(0, len(wav), RATE // 2):
        pluck = note(330 * 2 ** (rng.choice([0, 2, 4, 5, 7, 9, 11, 12]) / 12), 0.55)[: len(wav) - start]
        wav[start : start + len(pluck)] += pluck
    return (0.2 * wav / np.abs(wav).max()).astype(np.float32)


def band(seconds: float, seed: int = 0) -> np.ndarray:
    """Chords of one second, a drum on every beat and a tune above: float32 [samples]."""
    rng = np.random.default_rng(seed)
    wav = 4.0 * tune(seconds, seed).astype(np.float64)
    for start in range(0, len(wav), RATE):
        root = 165 * 2 ** (rng.choice([0, 5, 7]) / 12)
        chord = [note(root * 2 ** (step / 12), 1.1) for step in (0, 4, 7)]
        chords = np.sum(chord, axis=0)[: len(wav) - start]
        wav[start : start + len(chords)] += 0.5 * chords
        drum = rng.normal(size=2000) * np.exp(-np.arange(2000) / 300)
        wav[start : start + 2000] += 0.2 * drum[: len(wav) - start]
    return (0.2 * wav / np.abs(wav).max()).astype(np.float32)


def mixed(voice: np.ndarray, other: np.ndarray, decibels: float) -> np.ndarray:
    """A voice mixed with a signal `decibels` below it, which is repeated to the voice's length."""
    other = np.resize(other, len(voice))
    gain = np.sqrt(np.mean(np.square(voice)) / np.mean(np.square(other)) / 10 ** (decibels / 10))
    return (voice + gain * other).astype(np.float32)
