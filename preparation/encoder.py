"""Stores for the speaker encoder: speech, and noise to mix into it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tyro

from preparation.features import encoder_ready, stored_encoder_mel
from preparation.settings import Settings
from preparation.task import Refused, Task, check_length, refusing

if TYPE_CHECKING:
    from corpora.corpus import Utterance
    from corpora.formats import Listing
    from corpora.store_filling import Clip
    from corpora.workers import Timer


@dataclass(frozen=True, kw_only=True)
class Encoder(Settings):
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
        from corpora.store_filling import Clip
        from speech.audio import SAMPLE_RATE

        for task in work:
            with refusing(task.key) as refused:
                wav = encoder_ready(task.read(timer, self.decode_limit(task), SAMPLE_RATE), SAMPLE_RATE)
                seconds = len(wav) / SAMPLE_RATE
                check_length(seconds, self.min_seconds, self.longest)
                yield Clip(task.key, {"mel": stored_encoder_mel(wav)}, task.meta(seconds))
            yield from refused


@dataclass(frozen=True, kw_only=True)
class Noise(Settings):
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
                yield Clip(task.key, {"mel": stored_encoder_mel(raise_volume(wav))}, task.meta(seconds))
            yield from refused
