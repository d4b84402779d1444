"""Held-out noise, mixed into speech at a given signal-to-noise ratio, reproducibly."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from corpora.recordings import audio_files
from corpora.splits import noise_split
from speech.audio import SAMPLE_RATE, read_audio
from speech.errors import AudioError, CorpusError
from speech.noise_mixing import rms
from speech.vad import VAD_WINDOW_MS

MIN_SECONDS = 0.5
SILENT = 1e-4  # root mean square; -80 dBFS
MAX_DRAWS = 50
WINDOW = SAMPLE_RATE * VAD_WINDOW_MS // 1000


class NoiseSet:
    """The noises of a folder that belong to a split, without digital silence at the ends.

    Args:
        split: "validation" for the held-out noises, or "train" (`corpora.splits.noise_split`).

    Raises:
        CorpusError: the folder is missing or has no noise of the split.
    """

    def __init__(self, folder: Path, split: str = "validation") -> None:
        if not folder.is_dir():
            raise CorpusError(f"There is no folder {folder}: name one with recordings of noise.")
        files = audio_files(folder)
        self.noises: list[np.ndarray] = []
        for path in files:
            if noise_split(path.relative_to(folder).as_posix()) != split:
                continue
            try:
                noise = np.trim_zeros(read_audio(path))
            except AudioError:
                continue
            if len(noise) >= MIN_SECONDS * SAMPLE_RATE and rms(noise) > SILENT:
                self.noises.append(noise)
        if not self.noises:
            kind = "held-out" if split == "validation" else "training"
            raise CorpusError(f"None of the {len(files)} recordings in {folder} is {kind} noise: name more.")

    def __len__(self) -> int:
        return len(self.noises)

    def segment(self, samples: int, key: str, seed: int = 0) -> np.ndarray:
        """A noise of that length, repeated if it is shorter; the same for the same key and seed.

        Returns:
            float32 [samples], root mean square 1.
        """
        rng = keyed_rng(key, seed)
        for _ in range(MAX_DRAWS):
            whole = self.noises[rng.integers(len(self.noises))]
            start = int(rng.integers(len(whole)))
            noise = np.resize(np.roll(whole, -start), samples)
            level = rms(noise)
            if level > SILENT:  # it may be a pause within a noise
                return noise / np.float32(level)
        raise CorpusError("The noises are silent nearly everywhere: name others.")


def keyed_rng(key: str, seed: int) -> np.random.Generator:
    """Random numbers that depend on the key and the seed alone."""
    return np.random.default_rng([seed, zlib.crc32(key.encode("utf-8", "surrogatepass"))])


def speech_level(wav: np.ndarray, windows: np.ndarray) -> float:
    """Root mean square over the windows of 30 ms with speech. Args: windows: their indices, int [n]."""
    frames = wav[: len(wav) // WINDOW * WINDOW].reshape(-1, WINDOW)
    return rms(frames[windows])
