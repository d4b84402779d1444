"""How well encoders verify speakers: error rates over all pairs of clips, whole and short ones, clean and in noise.

Every encoder hears the same clips through the same path: noise is mixed into the recording, then the volume is raised,
silences are cut out, and what is left is embedded.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from evaluation.noise import WINDOW, NoiseSet, add_noise, speech_level
from evaluation.sets import Recording
from speech.audio import SAMPLE_RATE
from speech.errors import AudioError
from speech.vad import prepare_reference, prepare_with_windows

CROP_SECONDS = (1.6, 3.0, 5.0)
LEAST_SPEECH = 0.5  # seconds; below it a clip is left out
PARTS_AT_MOST = 4  # of a recording that is all there is of a speaker
CLIPS_PER_PASS = 64


class Embedder(Protocol):
    """What is tested: an encoder, or something in its place."""

    def embed(self, wavs: Sequence[np.ndarray]) -> np.ndarray:
        """Prepared clips -> float32 [clips, dim]."""
        ...

    def finish(self, rows: np.ndarray) -> np.ndarray:
        """The rows of a whole test as they are compared, L2 norm 1."""
        ...


class EncoderUnderTest:
    """A `SpeakerEncoder` as an `Embedder`."""

    def __init__(self, encoder) -> None:
        self.encoder = encoder

    def embed(self, wavs: Sequence[np.ndarray]) -> np.ndarray:
        return self.encoder.embed_many(wavs, prepared=True)

    def finish(self, rows: np.ndarray) -> np.ndarray:
        return rows


@dataclass(frozen=True)
class Condition:
    """How much of a recording is heard (None: all of it), and how far the speech is above the noise (None: none)."""

    seconds: float | None
    snr_db: float | None

    def __str__(self) -> str:
        length = "whole" if self.seconds is None else f"{self.seconds:g} s"
        return f"{length}, {'clean' if self.snr_db is None else f'noise at {self.snr_db:g} dB'}"


@dataclass
class ClipSet:
    """Embeddings of one condition: speakers [clips], and rows of [clips, dim] by embedder."""

    speakers: list[str] = field(default_factory=list)
    rows: dict[str, list[np.ndarray]] = field(default_factory=dict)
    parts: int = 0  # clips that are parts of their speaker's only recording
    lost: int = 0  # clips in which no speech was found, or hardly any

    def finished(self, label: str, embedder: Embedder) -> np.ndarray:
        return embedder.finish(np.stack(self.rows[label]))

    @property
    def has_both_kinds(self) -> bool:
        return 1 < len(set(self.speakers)) < len(self.speakers)


def conditions(crops: Sequence[float], ratios: Sequence[float]) -> list[Condition]:
    """Every length, clean and at each signal-to-noise ratio in dB."""
    return [Condition(seconds, ratio) for seconds in (None, *crops) for ratio in (None, *ratios)]


def run_tests(
    recordings: Iterable[Recording],
    single: set[str],
    embedders: Mapping[str, Embedder],
    wanted: Sequence[Condition],
    noises: NoiseSet | None,
    seed: int = 0,
    on_reject: Callable[[str, str], None] | None = None,
) -> dict[Condition, ClipSet]:
    """Cuts, disturbs, prepares and embeds the clips of one set of recordings; only embeddings are kept.

    Args:
        single: speakers of whom there is one recording: it is cut into parts, to have pairs at all.
        noises: needed where a condition asks for noise.
        on_reject: told of each recording without speech.
    """
    tests = {condition: ClipSet() for condition in wanted}
    waiting: list[tuple[ClipSet, str, np.ndarray]] = []

    def embed() -> None:
        for label, embedder in embedders.items():
            rows = embedder.embed([wav for _, _, wav in waiting])
            for (test, _, _), row in zip(waiting, rows, strict=True):
                test.rows.setdefault(label, []).append(row)
        for test, speaker, _ in waiting:
            test.speakers.append(speaker)
        waiting.clear()

    for recording in recordings:
        speaker = recording.utterance.speaker
        try:
            windows = prepare_with_windows(recording.wav)[1]
        except AudioError as error:
            if on_reject is not None:
                on_reject(recording.utterance.key, str(error))
            continue
        for condition, test in tests.items():
            for wav in _heard(recording, windows, condition, speaker in single, noises, seed):
                if wav is None:
                    test.lost += 1
                    continue
                test.parts += speaker in single
                waiting.append((test, speaker, wav))
        if len(waiting) >= CLIPS_PER_PASS:
            embed()
    if waiting:
        embed()
    return tests


def _heard(
    recording: Recording, windows: np.ndarray, condition: Condition, alone: bool, noises: NoiseSet | None, seed: int
) -> Iterator[np.ndarray | None]:
    """What an encoder gets of a recording: float32 [samples] for each clip, None where no speech is found in it."""
    key = recording.utterance.key
    for number, (first, last) in enumerate(pieces(windows, condition.seconds, alone, key, seed)):
        whole = first == 0 and last == len(windows) - 1
        start, end = (0, len(recording.wav)) if whole else (windows[first] * WINDOW, (windows[last] + 1) * WINDOW)
        wav = recording.wav[start:end]
        if condition.snr_db is not None:
            if noises is None:
                raise ValueError("noise is asked for, but there is none")
            level = speech_level(recording.wav, windows[first : last + 1])
            wav = add_noise(wav, level, noises.stretch(len(wav), f"{key}#{number}", seed), condition.snr_db)
        try:
            prepared = prepare_reference(wav)
        except AudioError:
            prepared = wav[:0]
        yield prepared if len(prepared) >= LEAST_SPEECH * SAMPLE_RATE else None


def pieces(windows: np.ndarray, seconds: float | None, alone: bool, key: str, seed: int = 0) -> list[tuple[int, int]]:
    """Which stretches of a recording are clips of their own.

    Args:
        windows: numbers of its windows of 30 ms that hold speech, int [n], n > 0.
        seconds: of speech in each; None for all of it.
        alone: the recording is all there is of its speaker, so that it has to give several clips, without overlap.
        key: names the recording; with the seed it decides where a stretch begins.

    Returns:
        (first, last) as places in `windows`; none where the recording is too short.
    """
    count = len(windows)
    if seconds is None:
        if alone and count * WINDOW >= 2 * CROP_SECONDS[0] * SAMPLE_RATE:
            return [(0, count // 2 - 1), (count // 2, count - 1)]
        return [(0, count - 1)]
    size = int(np.ceil(seconds * SAMPLE_RATE / WINDOW))
    if count < size:
        return []
    if alone:
        share = count // min(PARTS_AT_MOST, count // size)
        return [(first, first + size - 1) for first in range(0, count - size + 1, share)][:PARTS_AT_MOST]
    first = int(
        np.random.default_rng([seed, zlib.crc32(key.encode("utf-8", "surrogatepass"))]).integers(count - size + 1)
    )
    return [(first, first + size - 1)]


def single_recordings(recordings: Iterable[tuple[str, str]]) -> set[str]:
    """Speakers who occur once. Args: recordings: (speaker, key) of each."""
    counts = Counter(speaker for speaker, _ in recordings)
    return {speaker for speaker, count in counts.items() if count == 1}
