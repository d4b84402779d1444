"""Clips of a list or a corpus: each is read and embedded once, in batches. Unusable clips are reported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from speech.audio import SAMPLE_RATE
from speech.errors import AudioError, ConfigError, CorpusError
from speech.vad import prepare_reference

if TYPE_CHECKING:
    from encoder.base import SpeakerEncoder

Item = TypeVar("Item")

MIN_SPEECH_SECONDS = 0.3  # after silences are removed; less is rarely speech
BATCH_SECONDS = 240.0  # of speech
BATCH_CLIPS = 64


@dataclass(frozen=True)
class Clip:
    """A clip: its name in reports, its speaker ("" if unknown), and a function that reads it, [samples] at 16 kHz."""

    name: str
    speaker: str
    read: Callable[[], np.ndarray]


class ClipReport:
    """Collects the clips that were left out, with the reason. If `strict`, the first one is an error."""

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict
        self.reasons: dict[str, str] = {}

    def __call__(self, name: str, reason: str) -> None:
        """Raises: CorpusError if `strict`."""
        if self.strict:
            raise CorpusError(f"{name} cannot be used: {reason.rstrip('.')}.")
        self.reasons[name] = reason

    def print(self) -> None:
        """List them on stderr."""
        for name, reason in self.reasons.items():
            print(f"left out: {name}: {reason}", file=sys.stderr)
        if self.reasons:
            print(f"{len(self.reasons)} clips left out", file=sys.stderr)


def corpus_clips(folder: Path, limit_per_speaker: int | None, on_reject: Callable[[str, str], None]) -> list[Clip]:
    """The utterances of a corpus or of a folder per speaker; with a limit, evenly spread ones of each speaker.

    Raises:
        CorpusError: see `corpora.corpus.iter_utterances`.
        ConfigError: the limit is below 1.
    """
    from corpora.corpus import iter_utterances, read_utterance

    if limit_per_speaker is not None and limit_per_speaker < 1:
        raise ConfigError(f"--limit-per-speaker must be at least 1, not {limit_per_speaker}.")
    by_speaker: dict[str, list[Clip]] = {}
    for item in iter_utterances([folder], on_reject):
        clip = Clip(item.key, item.speaker, lambda item=item: read_utterance(item, SAMPLE_RATE))  # type: ignore[misc]
        by_speaker.setdefault(item.speaker, []).append(clip)
    return [clip for clips in by_speaker.values() for clip in evenly(clips, limit_per_speaker)]


def evenly(items: list[Item], limit: int | None) -> list[Item]:
    """At most `limit` items, spread over the list."""
    if limit is None or len(items) <= limit:
        return items
    return [items[index * len(items) // limit] for index in range(limit)]


def embed_clips(
    encoder: SpeakerEncoder, clips: Iterable[Clip], on_reject: Callable[[str, str], None]
) -> dict[str, np.ndarray]:
    """Embed clips in batches; memory is bounded by the longest clip and four minutes of speech.

    Args:
        on_reject: called with name and reason for each clip that is unreadable or without speech.

    Returns:
        float32 [embedding_size] by the clip's name.
    """
    embeddings: dict[str, np.ndarray] = {}
    for names, wavs in _batches(clips, on_reject, encoder.sample_rate):
        embeddings.update(zip(names, encoder.embed_many(wavs, prepared=True), strict=True))
    return embeddings


def _batches(
    clips: Iterable[Clip], on_reject: Callable[[str, str], None], sample_rate: int
) -> Iterator[tuple[list[str], list[np.ndarray]]]:
    names: list[str] = []
    wavs: list[np.ndarray] = []
    samples = 0
    for clip in clips:
        try:
            wav = prepare_reference(clip.read())
        except AudioError as error:
            on_reject(clip.name, str(error))
            continue
        if len(wav) < MIN_SPEECH_SECONDS * sample_rate:
            on_reject(clip.name, "it has too little speech")
            continue
        names.append(clip.name)
        wavs.append(wav)
        samples += len(wav)
        if samples >= BATCH_SECONDS * sample_rate or len(wavs) >= BATCH_CLIPS:
            yield names, wavs
            names, wavs, samples = [], [], 0
    if wavs:
        yield names, wavs
