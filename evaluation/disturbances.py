"""References with noise, babble or reverberation, to measure how much of a voice clones keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

from evaluation.noise import NoiseSet, keyed_rng, speech_level
from speech.audio import SAMPLE_RATE
from speech.noise_mixing import add_noise, babble, rms
from speech.vad import prepare_with_windows

Kind = Literal["noise", "babble", "room"]
BABBLE_VOICES = 4
DECAY_SECONDS = 0.5  # of the room, by 60 dB
SILENT = 1e-4  # root mean square; -80 dBFS


class Disturbance(NamedTuple):
    """Noise, babble of several people, or reverberation.

    `ratio_db` is that of speech to noise or babble, or of direct to reverberant sound.
    """

    kind: Kind
    ratio_db: float

    def __str__(self) -> str:
        return f"{self.kind} at {self.ratio_db:g} dB"


def disturbances(ratios: Sequence[float], voices: int) -> list[Disturbance]:
    """All kinds at each ratio; babble only with enough voices beside the one that is disturbed."""
    kinds = [kind for kind in get_args(Kind) if kind != "babble" or voices > BABBLE_VOICES]
    return [Disturbance(kind, ratio) for kind in kinds for ratio in ratios]


class Disturber:
    """Adds disturbances to clips, the same ones for the same clip and seed.

    Args:
        noises: held-out noises.
        clips: of all voices by name, float32 [samples] at 16 kHz each; they make the babble.
    """

    def __init__(self, noises: NoiseSet, clips: Mapping[str, Sequence[np.ndarray]], seed: int = 0) -> None:
        self.noises, self.clips, self.seed = noises, clips, seed

    def __call__(self, wav: np.ndarray, voice: str, key: str, disturbance: Disturbance) -> np.ndarray:
        """A disturbed clip, float32 [samples] in [-1, 1].

        Args:
            wav: float32 [samples] at 16 kHz.
            voice: its speaker, who is not in the babble.
            key: identifies the clip.

        Raises:
            AudioError: the clip has no speech.
        """
        if disturbance.kind == "room":
            return reverberated(wav, disturbance.ratio_db, keyed_rng(key, self.seed))
        level = speech_level(wav, prepare_with_windows(wav)[1])
        noise = self._babble(len(wav), voice, key) if disturbance.kind == "babble" else self._noise(len(wav), key)
        return add_noise(wav, level, noise, disturbance.ratio_db)

    def _noise(self, samples: int, key: str) -> np.ndarray:
        return self.noises.segment(samples, key, self.seed)

    def _babble(self, samples: int, voice: str, key: str) -> np.ndarray:
        """Several other people at once, equally loud: float32 [samples], root mean square 1."""
        rng = keyed_rng(key, self.seed)
        others = sorted(name for name, clips in self.clips.items() if name != voice and rms(clips[0]) > SILENT)
        chosen = [self.clips[name][0] for name in rng.choice(others, BABBLE_VOICES, replace=False)]
        return babble([clip / np.float32(rms(clip)) for clip in chosen], samples, rng)


def reverberated(wav: np.ndarray, ratio_db: float, rng: np.random.Generator) -> np.ndarray:
    """A clip in a room whose impulse response is the direct sound and decaying noise (Polack 1988).

    Args:
        wav: float32 [samples] at 16 kHz.
        ratio_db: energy of the direct sound to that of the reverberation.

    Returns:
        float32 [samples]; scaled down as a whole if it would exceed full scale.
    """
    from scipy.signal import fftconvolve

    seconds = np.arange(int(DECAY_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(seconds)) * 10 ** (-3 * seconds / DECAY_SECONDS)
    tail *= 10 ** (-ratio_db / 20) / np.linalg.norm(tail)
    tail[0] += 1
    wet = fftconvolve(wav, tail)[: len(wav)].astype(np.float32)
    return wet / np.float32(max(1.0, float(np.abs(wet).max(initial=0))))
