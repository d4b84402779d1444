"""Reference crops for joint training with a speaker encoder, and noise in them and in the recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from speech.audio import SAMPLE_RATE
from speech.mel import ENCODER_HOP, encoder_mel
from speech.noise_mixing import BABBLE_PROBABILITY, BABBLE_VOICES, add_noise, babble, coloured_noise, rms
from synthesizer.vits.flags import JointFlags

LONG_CROPS = 2  # DINO compares the crops of one recording, of which the teacher gets the long ones


@dataclass(frozen=True)
class References:
    """Crops of the recordings of a batch, as power mels.

    Attributes:
        long, short: perhaps noisy, [crops, batch, frames, n_mels].
        clean: without noise, [batch, frames of a long crop, n_mels].
    """

    long: Tensor
    short: Tensor
    clean: Tensor


class ReferenceMaker:
    """Makes crops and adds noise.

    Args:
        flags: lengths and noise.
        n_mels: of the speaker encoder.
    """

    def __init__(self, flags: JointFlags, n_mels: int) -> None:
        self.flags, self.n_mels = flags, n_mels

    def noisy_share(self, wavs: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
        """The recordings, float32 [samples] each, some of them with noise."""
        chosen = rng.random(len(wavs)) < self.flags.noisy_share
        return [self.noisy(wav, wavs, rng) if noisy else wav for wav, noisy in zip(wavs, chosen, strict=True)]

    def noisy(self, wav: np.ndarray, others: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
        """With coloured noise or the babble of other recordings. Args: others: recordings to make babble of."""
        if rng.random() < BABBLE_PROBABILITY:
            noise = babble([others[number] for number in rng.integers(len(others), size=BABBLE_VOICES)], len(wav), rng)
        else:
            noise = coloured_noise(len(wav), rng)
        return add_noise(wav, rms(wav), noise, rng.uniform(*self.flags.snr))

    def crops(
        self, wavs: Sequence[np.ndarray], clean: Sequence[np.ndarray], rng: np.random.Generator | None
    ) -> References:
        """Crops of the recordings.

        Args:
            wavs, clean: float32 [samples] each, with and without noise.
            rng: None cuts all crops from the start, without further noise, for validation.
        """
        flags = self.flags
        long = [[self._crop(wav, flags.long_seconds, wavs, rng) for wav in wavs] for _ in range(LONG_CROPS)]
        short = [[self._crop(wav, flags.short_seconds, wavs, rng) for wav in wavs] for _ in range(flags.short_crops)]
        return References(
            _stacked(long),
            _stacked(short) if short else torch.empty(0),
            _stacked([self._mel(_part(wav, flags.long_seconds, rng)) for wav in clean]),
        )

    def _crop(
        self, wav: np.ndarray, seconds: float, others: Sequence[np.ndarray], rng: np.random.Generator | None
    ) -> np.ndarray:
        part = _part(wav, seconds, rng)
        if rng is not None and rng.random() < self.flags.reference_noise:
            part = self.noisy(part, others, rng)
        return self._mel(part)

    def _mel(self, wav: np.ndarray) -> np.ndarray:
        return encoder_mel(wav, len(wav) // ENCODER_HOP, self.n_mels)


def _part(wav: np.ndarray, seconds: float, rng: np.random.Generator | None) -> np.ndarray:
    """A part of this length, from a random position; a shorter recording is repeated."""
    samples = round(seconds * SAMPLE_RATE)
    start = 0 if rng is None else int(rng.integers(max(1, len(wav) - samples + 1)))
    return np.resize(wav[start:], samples)


def _stacked(mels: Sequence) -> Tensor:
    return torch.from_numpy(np.array(mels, np.float32))
