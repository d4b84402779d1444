"""Distortions of clips for training and measuring the detector: codecs, narrow bands and noise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evaluation.codecs import coded, telephone
from evaluation.detection_clips import CODEC_KILOBITS, CONDITIONS, DRAWN, RECORDED, UNCODED, Clip
from evaluation.noise import NoiseSet, keyed_rng
from speech.audio import as_wav
from speech.errors import AudioError
from speech.noise_mixing import add_noise, rms
from speech.vad import prepare_reference

SNR_DB = (5.0, 25.0)  # of training; the test has 10 dB


class Distortions:
    """The conditions in which a clip is stored.

    Args:
        noise: folder of noises; without one, noise is white.
        seed: with a clip's key, it decides what is drawn.
    """

    def __init__(self, noise: Path | None, seed: int) -> None:
        self.noises = {split: None if noise is None else NoiseSet(noise, split) for split in ("train", "validation")}
        self.seed = seed

    def conditions_of(self, clip: Clip) -> Iterator[tuple[str, np.ndarray]]:
        """Condition and waveform, float32 [samples], prepared for the detector.

        For training one condition is drawn, for the test all are made, and the calibration has some of both.

        Those without speech after the distortion are left out.
        """
        synthetic = clip.generator != RECORDED
        names: tuple[str, ...] = {"train": (), "calibration": CONDITIONS[:1], "test": CONDITIONS}[clip.split]
        made: dict[str, np.ndarray] = {name: self._condition(name, clip, synthetic) for name in names}
        if clip.split != "test":
            made[DRAWN] = self._drawn(clip, synthetic)
        if clip.split != "train" and synthetic:
            made[UNCODED] = clip.wav
        for condition, wav in made.items():
            try:
                yield condition, prepare_reference(as_wav(wav))
            except AudioError:
                continue

    def _drawn(self, clip: Clip, synthetic: bool) -> np.ndarray:
        """A random distortion. Synthesized speech is always coded, as the recordings of corpora are."""
        rng = keyed_rng(f"{clip.generator}/{clip.key}", self.seed)
        wav = clip.wav
        if rng.random() < 0.35:
            wav = self._noisy(clip, wav, "train" if clip.split == "train" else "validation", rng.uniform(*SNR_DB))
        if rng.random() < 0.2:
            wav = telephone(wav)
        choice = rng.random()
        if choice < 0.2:
            return coded(wav, "libmp3lame", rng.choice([24, 32, 48, 64]))
        if choice < 0.4:
            return coded(wav, "libopus", rng.uniform(16, 28))
        return coded(wav, "libopus", rng.uniform(28, 48)) if synthetic else wav

    def _condition(self, name: str, clip: Clip, synthetic: bool) -> np.ndarray:
        wav = coded(clip.wav, "libopus", CODEC_KILOBITS) if synthetic else clip.wav
        if name.startswith("mp3"):
            return coded(wav, "libmp3lame", 24)
        if name.startswith("opus"):
            return coded(wav, "libopus", 24)
        if name == "8 kHz":
            return telephone(wav)
        return self._noisy(clip, wav, "validation", 10.0) if name.startswith("noise") else wav

    def _noisy(self, clip: Clip, wav: np.ndarray, split: str, snr_db: float) -> np.ndarray:
        noises, key = self.noises[split], f"{clip.generator}/{clip.key}"
        if noises is None:
            noise = keyed_rng(key, self.seed + 1).standard_normal(len(wav)).astype(np.float32)
        else:
            noise = noises.segment(len(wav), key, self.seed)
        return add_noise(wav, rms(wav), noise, snr_db)
