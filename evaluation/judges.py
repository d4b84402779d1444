"""The models that judge audio: which there are, and how the flags choose them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from evaluation.distances import Pesq
from evaluation.naturalness import DistillMos
from evaluation.recogniser import PocketSphinx
from evaluation.report import Notes
from evaluation.settings import NO_RECOGNISER, POCKETSPHINX, WHISPER, JudgeSettings
from evaluation.similarity import REFERENCE_CLIPS, Resemblyzer, SpeakerJudge
from evaluation.speaker_model import load_speaker_model
from evaluation.whisper import Whisper
from evaluation.words import WordRecogniser
from speech.errors import ConfigError


class NaturalnessJudge(Protocol):
    """Predicts a mean opinion score."""

    name: str
    note: str

    def __call__(self, wav: np.ndarray) -> float | None:
        """Score, 1 to 5; None if the clip is too short. Args: wav: float32 [samples] at 16 kHz, in [-1, 1]."""
        ...


@dataclass(frozen=True, eq=False)
class Judges:
    """The judges of an evaluation. The figures of one that is missing (None) are left out."""

    recogniser: WordRecogniser | None = None
    naturalness: NaturalnessJudge | None = None
    speakers: Sequence[SpeakerJudge] = ()
    pesq: Pesq | None = None


def load_judges(settings: JudgeSettings, notes: Notes) -> Judges:
    """The judges that the flags name, and those whose packages are installed. Notes say which judge is which.

    Raises:
        ConfigError: the package of a judge that a flag names is missing, or a flag does not fit the model.
        ModelFileError: a model of a judge cannot be used.
    """
    speakers: list[SpeakerJudge] = []
    if settings.speaker_judge is not None:
        judge = load_speaker_model(settings.speaker_judge, settings.speaker_input, settings.speaker_threshold)
        if judge.name == Resemblyzer.NAME:
            raise ConfigError(f"{judge.name} is the name of another judge: give --speaker-judge label=FILE.")
        speakers.append(judge)
    recogniser = load_recogniser(settings.recogniser)
    naturalness = notes.unless_missing(DistillMos)
    public = notes.unless_missing(Resemblyzer)
    if public is not None:
        speakers.append(public)
    for known in (recogniser, naturalness, *speakers):
        if known is not None:
            notes.add(known.note)
    if speakers:
        notes.add(f"Voice: cosine to the mean of other clips of the speaker, {REFERENCE_CLIPS} at most.")
    return Judges(recogniser, naturalness, speakers, notes.unless_missing(Pesq))


def load_recogniser(name: str) -> WordRecogniser | None:
    """The recogniser of a `--recogniser` value that `JudgeSettings` has checked. Errors as `load_judges`."""
    if name == NO_RECOGNISER:
        return None
    return PocketSphinx() if name == POCKETSPHINX else Whisper(name.removeprefix(WHISPER))
