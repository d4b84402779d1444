"""Stand-ins for the judges, for tests of everything around them."""

from __future__ import annotations

import numpy as np

from evaluation.words import spoken_words


class FakeRecogniser:
    """Transcribes everything as the same words, and always chooses the first sentence."""

    name = "fake"
    note = "Words: fake."

    def __init__(self, recognised: str = "hello there") -> None:
        self.recognised = recognised

    def transcribe(self, wav: np.ndarray) -> list[str]:
        return self.recognised.split()

    def words(self, text: str) -> list[str]:
        return spoken_words(text)

    def sentence_set(self, sentences) -> FakeSentences:
        return FakeSentences(sentences)


class FakeSentences:
    def __init__(self, sentences) -> None:
        self.sentences = [spoken_words(sentence) for sentence in sentences]

    def __len__(self) -> int:
        return len(self.sentences)

    def choose(self, wav: np.ndarray) -> int:
        return 0


class FakeSpeakerJudge:
    """Embeds a voice as its spectrum below 400 Hz."""

    NAME = name = "resemblyzer"
    note = "Voice: fake."

    def __init__(self, threshold: float | None = None) -> None:
        self.threshold = threshold

    def embed(self, wav: np.ndarray) -> np.ndarray | None:
        if not np.abs(wav).max(initial=0) > 0:
            return None
        windows = wav[: len(wav) // 3200 * 3200].reshape(-1, 3200)
        low = np.abs(np.fft.rfft(windows, axis=1)).mean(axis=0)[:80]
        low = np.convolve(low, np.ones(5), "same")
        return (low / np.linalg.norm(low)).astype(np.float32)


class FakeNaturalness:
    """Scores the level."""

    name = "fake MOS"
    note = "Quality: fake."

    def __call__(self, wav: np.ndarray) -> float | None:
        return 1 + 4 * float(np.abs(wav).max(initial=0)) if len(wav) else None
