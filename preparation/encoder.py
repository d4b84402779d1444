"""Stores for the speaker encoder: speech, and noise to mix into it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tyro

from preparation.features import encoder_ready, stored_encoder_mel
from preparation.settings import Settings
from preparation.task import Refused, Task, check_length, refusing
from speech.errors import AudioError, ConfigError

if TYPE_CHECKING:
    import numpy as np

    from corpora.corpus import Utterance
    from corpora.formats import Listing
    from corpora.store_filling import Clip
    from corpora.workers import Timer


DEFAULT_N_MELS = 40
FRAMES_PER_SECOND = 100
MAX_N_MELS = 128  # the lowest bands span 47 Hz then, just more than the 40 Hz between two frequencies of the window


@dataclass(frozen=True, kw_only=True)
class PowerMelSettings(Settings):
    """The settings of stores that hold power mels, for the speaker encoder."""

    n_mels: int = DEFAULT_N_MELS
    """Mel bands: 40 for the encoder family lstm, 80 for campplus. Speech and noise need the same number."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.n_mels <= MAX_N_MELS:
            raise ConfigError(f"--n-mels must lie between 1 and {MAX_N_MELS}, not {self.n_mels}.")

    def info(self) -> dict[str, Any]:
        # stores of older versions name no number, and have the default
        bands = {} if self.n_mels == DEFAULT_N_MELS else {"n_mels": self.n_mels}
        return {**super().info(), **bands}


@dataclass(frozen=True, kw_only=True)
class Encoder(PowerMelSettings):
    """Mel spectrograms for the speaker encoder. Transcripts are not needed."""

    max_seconds: float = 600.0
    """Leave out clips with more speech."""
    nationalities: tuple[str, ...] = ()
    """Of VoxCeleb, use only speakers of these nationalities, for example: USA UK Ireland Canada Australia."""

    @property
    def longest(self) -> float:
        return self.max_seconds

    def listing(self) -> Listing:
        from corpora.formats import list_recordings

        return functools.partial(list_recordings, nationalities=self.nationalities)

    def clips(self, work: Sequence[Task], timer: Timer) -> Iterator[Clip]:
        from corpora.preprocessed import SUFFIX
        from corpora.store_filling import Clip
        from speech.audio import SAMPLE_RATE

        for task in work:
            with refusing(task.key) as refused:
                if task.utterance.path.suffix == SUFFIX:
                    mel = self._given_mel(task)
                    seconds = len(mel) / FRAMES_PER_SECOND
                else:
                    wav = encoder_ready(task.read(timer, self.decode_limit(task), SAMPLE_RATE), SAMPLE_RATE)
                    mel, seconds = stored_encoder_mel(wav, self.n_mels), len(wav) / SAMPLE_RATE
                check_length(seconds, self.min_seconds, self.longest)
                yield Clip(task.key, {"mel": mel}, task.meta(seconds))
            yield from refused

    def _given_mel(self, task: Task) -> np.ndarray:
        """The mel of a folder that was preprocessed elsewhere, float16 [frames, n_mels]."""
        from corpora.preprocessed import read_mels
        from preparation.float16 import to_float16

        try:
            mel = read_mels(task.utterance.path)
        except AudioError as error:
            raise Refused(f"cannot be read ({error})") from error
        if mel.shape[1] != self.n_mels:
            raise Refused(f"it has {mel.shape[1]} mel bands instead of {self.n_mels}")
        return to_float16(mel)


@dataclass(frozen=True, kw_only=True)
class Noise(PowerMelSettings):
    """Mel spectrograms of noise that the training of the speaker encoder mixes into speech."""

    min_seconds: float = 1.0
    """Leave out shorter noises."""
    max_seconds: float = 600.0
    """Leave out longer noises."""
    validation_speakers: tyro.conf.Suppress[tuple[str, ...]] = ()  # a fifth of the files is held out by their names

    @property
    def longest(self) -> float:
        return self.max_seconds

    def listing(self) -> Listing:
        from corpora.formats import list_noises

        return list_noises

    def splits(self, utterances: Sequence[Utterance]) -> dict[str, str]:
        from corpora.splits import noise_split

        return {utterance.key: noise_split(utterance.key) for utterance in utterances}

    def clips(self, work: Sequence[Task], timer: Timer) -> Iterator[Clip]:
        from corpora.store_filling import Clip
        from speech.audio import SAMPLE_RATE, raise_volume

        for task in work:
            with refusing(task.key) as refused:
                wav = task.read(timer, self.decode_limit(task), SAMPLE_RATE)
                seconds = len(wav) / SAMPLE_RATE
                check_length(seconds, self.min_seconds, self.longest)
                if not wav.any():
                    raise Refused("silent")
                yield Clip(task.key, {"mel": stored_encoder_mel(raise_volume(wav), self.n_mels)}, task.meta(seconds))
            yield from refused
