"""Made-up partials of made-up voices, and a little music."""

import numpy as np

RATE = 16_000
STEP_SECONDS, PARTIAL_SECONDS = 0.77, 1.6


class FakePartials:
    """Partials scattered around one centre per voice, as an encoder would hear them without pauses.

    Args:
        voices: the number of the voice of each partial.
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


def note(frequency: float, seconds: float) -> np.ndarray:
    """A plucked string: harmonics that die away, the higher the sooner."""
    t = np.arange(int(seconds * RATE)) / RATE
    harmonics = [np.exp(-t * (1.5 + k)) * np.sin(2 * np.pi * frequency * k * t + k) / k for k in range(1, 9)]
    return np.sum(harmonics, axis=0)


def melody(seconds: float, seed: int = 0) -> np.ndarray:
    """Notes of a major scale in a row, two a second: float32 [samples]."""
    rng = np.random.default_rng(seed)
    wav = np.zeros(int(seconds * RATE))
    for start in range(0, len(wav), RATE // 2):
        sound = note(330 * 2 ** (rng.choice([0, 2, 4, 5, 7, 9, 11, 12]) / 12), 0.55)[: len(wav) - start]
        wav[start : start + len(sound)] += sound
    return (0.2 * wav / np.abs(wav).max()).astype(np.float32)


def band(seconds: float, seed: int = 0) -> np.ndarray:
    """Chords of a second, a drum on every beat and a melody above: float32 [samples]."""
    rng = np.random.default_rng(seed)
    wav = 4.0 * melody(seconds, seed).astype(np.float64)
    for start in range(0, len(wav), RATE):
        root = 165 * 2 ** (rng.choice([0, 5, 7]) / 12)
        chord = [note(root * 2 ** (step / 12), 1.1) for step in (0, 4, 7)]
        sound = np.sum(chord, axis=0)[: len(wav) - start]
        wav[start : start + len(sound)] += 0.5 * sound
        drum = rng.normal(size=2000) * np.exp(-np.arange(2000) / 300)
        wav[start : start + 2000] += 0.2 * drum[: len(wav) - start]
    return (0.2 * wav / np.abs(wav).max()).astype(np.float32)


def mixed(voice: np.ndarray, other: np.ndarray, decibels: float) -> np.ndarray:
    """A voice with something else so many dB below it, repeated to its length."""
    other = np.resize(other, len(voice))
    gain = np.sqrt(np.mean(np.square(voice)) / np.mean(np.square(other)) / 10 ** (decibels / 10))
    return (voice + gain * other).astype(np.float32)
