"""Noise for tests: recordings that no training hears, mixed into speech at a given ratio, the same ones every time."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from corpora.splits import noise_split
from speech.audio import SAMPLE_RATE, read_audio
from speech.errors import AudioError, CorpusError
from speech.vad import VAD_WINDOW_MS

AUDIO_SUFFIXES = frozenset((".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".mp4", ".webm"))
LEAST_SECONDS = 0.5
SILENT = 1e-4  # root mean square; -80 dBFS
MAX_DRAWS = 50
WINDOW = SAMPLE_RATE * VAD_WINDOW_MS // 1000


class NoiseSet:
    """The held-out noises of a folder (`corpora.splits.noise_split`), without the digital silence at their ends."""

    def __init__(self, folder: Path) -> None:
        """Raises: CorpusError if the folder is missing or holds no noise that is kept back for tests."""
        if not folder.is_dir():
            raise CorpusError(f"There is no folder {folder}: name one with recordings of noise.")
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
        self.sounds: list[np.ndarray] = []
        for path in files:
            if noise_split(path.relative_to(folder).as_posix()) != "validation":
                continue
            try:
                sounding = np.trim_zeros(read_audio(path))
            except AudioError:
                continue
            if len(sounding) >= LEAST_SECONDS * SAMPLE_RATE and rms(sounding) > SILENT:
                self.sounds.append(sounding)
        if not self.sounds:
            raise CorpusError(f"None of the {len(files)} sounds in {folder} is noise kept back for tests: name more.")

    def __len__(self) -> int:
        return len(self.sounds)

    def stretch(self, samples: int, key: str, seed: int = 0) -> np.ndarray:
        """A noise of that length, repeated where it is shorter; the same for the same key and seed.

        Returns:
            float32 [samples], root mean square 1.
        """
        rng = np.random.default_rng([seed, zlib.crc32(key.encode("utf-8", "surrogatepass"))])
        for _ in range(MAX_DRAWS):
            sound = self.sounds[rng.integers(len(self.sounds))]
            start = int(rng.integers(len(sound)))
            noise = np.resize(np.roll(sound, -start), samples)
            level = rms(noise)
            if level > SILENT:  # else a pause between two barks
                return noise / np.float32(level)
        raise CorpusError("The noises are silent nearly everywhere: name others.")


def add_noise(wav: np.ndarray, speech_level: float, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Mixes noise into a clip.

    Args:
        wav: float32 [samples] in [-1, 1].
        speech_level: root mean square of the speech in it, pauses left out.
        noise: float32 [samples], root mean square 1.
        snr_db: level of the speech over that of the noise.

    Returns:
        float32 [samples]; scaled down as a whole where it would exceed full scale.
    """
    mixed = wav + noise * np.float32(speech_level * 10 ** (-snr_db / 20))
    return mixed / np.float32(max(1.0, float(np.abs(mixed).max(initial=0))))


def speech_level(wav: np.ndarray, windows: np.ndarray) -> float:
    """Root mean square over the windows of 30 ms that hold speech. Args: windows: their numbers, int [n]."""
    frames = wav[: len(wav) // WINDOW * WINDOW].reshape(-1, WINDOW)
    return rms(frames[windows])


def rms(wav: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(wav, dtype=np.float64)))) if wav.size else 0.0
