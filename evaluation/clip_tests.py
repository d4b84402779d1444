"""Clips for speaker verification, whole and short, clean and in noise, and their embeddings.

All encoders get the same clips, prepared in the same way: noise is mixed into the recording, its volume is raised, its
silences are removed, and the rest is embedded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from evaluation.noise import WINDOW, NoiseSet, keyed_rng, speech_level
from evaluation.sets import Recording
from speech.audio import SAMPLE_RATE
from speech.errors import AudioError
from speech.noise_mixing import add_noise
from speech.vad import prepare_reference, prepare_with_windows

CROP_SECONDS = (1.6, 3.0, 5.0)
MIN_SPEECH_SECONDS = 0.5  # a clip with less is left out
MAX_PARTS = 4  # of the only recording of a speaker
CLIPS_PER_PASS = 64


class Embedder(Protocol):
    """A system to test: an encoder or a baseline."""

    def embed(self, wavs: Sequence[np.ndarray]) -> np.ndarray:
        """Prepared clips -> float32 [clips, dim]."""
        ...

    def finish(self, rows: np.ndarray) -> np.ndarray:
        """The rows of a whole test, normalised for comparison: L2 norm 1."""
        ...


class EncoderUnderTest:
    """A `SpeakerEncoder` as an `Embedder`."""

    def __init__(self, encoder: Any) -> None:
        self.encoder = encoder

    def embed(self, wavs: Sequence[np.ndarray]) -> np.ndarray:
        return self.encoder.embed_many(wavs, prepared=True)

    def finish(self, rows: np.ndarray) -> np.ndarray:
        return rows


@dataclass(frozen=True)
class Condition:
    """Seconds of speech in a clip (None: the whole recording), and its signal-to-noise ratio (None: clean)."""

    seconds: float | None
    snr_db: float | None

    def __str__(self) -> str:
        length = "whole" if self.seconds is None else f"{self.seconds:g} s"
        return f"{length}, {'clean' if self.snr_db is None else f'noise at {self.snr_db:g} dB'}"


@dataclass
class ClipSet:
    """Embeddings of one condition: speakers [clips], and rows [clips, dim] by embedder."""

    speakers: list[str] = field(default_factory=list)
    rows: dict[str, list[np.ndarray]] = field(default_factory=dict)
    parts: int = 0  # clips that are parts of the only recording of their speaker
    lost: int = 0  # clips with too little speech

    def finished(self, label: str, embedder: Embedder) -> np.ndarray:
        return embedder.finish(np.stack(self.rows[label]))

    @property
    def has_both_kinds(self) -> bool:
        return 1 < len(set(self.speakers)) < len(self.speakers)


def conditions(lengths: Sequence[float], ratios: Sequence[float]) -> list[Condition]:
    """Each length, clean and at each signal-to-noise ratio in dB; the whole recording is a length too."""
    return [Condition(seconds, ratio) for seconds in (None, *lengths) for ratio in (None, *ratios)]


def run_tests(
    recordings: Iterable[Recording],
    single: set[str],
    embedders: Mapping[str, Embedder],
    wanted: Sequence[Condition],
    noises: NoiseSet | None,
    seed: int = 0,
    on_reject: Callable[[str, str], None] | None = None,
) -> dict[Condition, ClipSet]:
    """Cut, mix, prepare and embed the clips of some recordings; only embeddings are kept.

    Args:
        single: speakers with one recording, which is cut into parts to have pairs of the same speaker.
        noises: needed if a condition has noise.
        on_reject: called with key and reason for each recording without speech.
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
            for wav in _clips_of(recording, windows, condition, speaker in single, noises, seed):
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


def _clips_of(
    recording: Recording, windows: np.ndarray, condition: Condition, alone: bool, noises: NoiseSet | None, seed: int
) -> Iterator[np.ndarray | None]:
    """The prepared clips of a recording, float32 [samples] each; None for a clip with too little speech."""
    key = recording.utterance.key
    for number, (first, last) in enumerate(clip_windows(windows, condition.seconds, alone, key, seed)):
        whole = first == 0 and last == len(windows) - 1
        start, end = (0, len(recording.wav)) if whole else (windows[first] * WINDOW, (windows[last] + 1) * WINDOW)
        wav = recording.wav[start:end]
        if condition.snr_db is not None:
            if noises is None:
                raise ValueError("a condition has noise, but there are no noises")
            level = speech_level(recording.wav, windows[first : last + 1])
            wav = add_noise(wav, level, noises.segment(len(wav), f"{key}#{number}", seed), condition.snr_db)
        try:
            prepared = prepare_reference(wav)
        except AudioError:
            prepared = wav[:0]
        yield prepared if len(prepared) >= MIN_SPEECH_SECONDS * SAMPLE_RATE else None


def clip_windows(
    windows: np.ndarray, seconds: float | None, alone: bool, key: str, seed: int = 0
) -> list[tuple[int, int]]:
    """The parts of a recording that are clips.

    Args:
        windows: indices of its windows of 30 ms with speech, int [n], n > 0.
        seconds: of speech in each clip; None for the whole recording.
        alone: it is the only recording of its speaker, so it must give several clips, without overlap.
        key: of the recording; key and seed decide where a clip begins.

    Returns:
        (first, last) as indices into `windows`; none if the recording is too short.
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
        step = count // min(MAX_PARTS, count // size)
        return [(first, first + size - 1) for first in range(0, count - size + 1, step)][:MAX_PARTS]
    first = int(keyed_rng(key, seed).integers(count - size + 1))
    return [(first, first + size - 1)]


def single_recordings(recordings: Iterable[tuple[str, str]]) -> set[str]:
    """Speakers with one recording. Args: recordings: (speaker, key) of each."""
    counts = Counter(speaker for speaker, _ in recordings)
    return {speaker for speaker, count in counts.items() if count == 1}
