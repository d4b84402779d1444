"""Jobs that analyse recordings: quality check, embedding, and a voice made of several clips."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cloning.enrolment import voice_of_clips
from cloning.models import ModelFiles
from cloning.voices import Voice
from speech.errors import AudioError
from speech.files import readable
from toolbox.jobs.context import JobContext
from toolbox.jobs.loaded_models import Models
from toolbox.storage.datasets import Utterance
from toolbox.storage.voice_store import NewReference

if TYPE_CHECKING:
    from encoder.enrolment import EnrolmentReport, ExaminedClip
    from speech.quality import Remark

logger = logging.getLogger(__name__)

MAX_REFERENCE_SECONDS = 600.0

Source = str | Path | tuple[str, np.ndarray] | Utterance  # a file, a name with float32 [samples] at 16 kHz, a dataset's


@dataclass(frozen=True, eq=False)
class AnalysedClip:
    """One clip with its quality report and its embedding.

    Attributes:
        wav: float32 [samples] at 16 kHz, as read.
        mel: float32 [n_mels, frames] in [-4, 4], with the synthesizer's settings, for display.
        embedding: float32 [embedding_size]; None if the clip has no usable audio.
        seconds: of speech.
        remarks: of the quality check, the most severe first.
        usable: whether a voice may be made of it.
        too_short: whether it has too little speech.
        detection: whether it is synthesized speech, as a sentence; empty if that is unknown.
    """

    source: str
    wav: np.ndarray
    mel: np.ndarray
    embedding: np.ndarray | None
    embedding_space: str
    seconds: float
    remarks: tuple[Remark, ...]
    usable: bool
    too_short: bool
    detection: str = ""

    def as_reference(self) -> NewReference:
        """The clip for `VoiceStore.add_reference`; it must have an embedding."""
        assert self.embedding is not None
        return NewReference(self.embedding, self.embedding_space, self.source, self.seconds, self.wav)


@dataclass(frozen=True, eq=False)
class Enrolment:
    """A voice (None if a clip is unusable), its clips without those skipped, and remarks on skipped and all clips."""

    voice: Voice | None
    clips: tuple[AnalysedClip, ...]
    remarks: tuple[Remark, ...]


def analyse_clip(context: JobContext, models: Models, files: ModelFiles, source: Source) -> AnalysedClip:
    """Read one clip, check its quality and embed it.

    Raises:
        AudioError: it cannot be read, or is not audio.
    """
    from encoder.enrolment import examine_clip

    encoder = models.encoder(context, files)
    context.progress("Reading", 0, 2)
    name, wav = read_source(source)
    context.check()
    context.progress("Analysing", 1, 2)
    clip = examine_clip(name, wav, encoder)
    context.check()
    analysed = _analysed(name, wav, clip, encoder.embedding_space)
    return replace(analysed, detection=detect(models, wav))


def enrol(
    context: JobContext, models: Models, files: ModelFiles, sources: Sequence[Source], name: str = ""
) -> Enrolment:
    """Make a voice of clips of one speaker. Problems are listed in the remarks.

    Clips that cannot be read or have too little speech are skipped if another one has enough.

    Raises:
        AudioError: there are no clips, or none can be read.
    """
    from encoder.enrolment import enrolment_report

    encoder = models.encoder(context, files)
    wavs: list[np.ndarray] = []

    def clips() -> Iterator[tuple[str, np.ndarray | AudioError]]:
        for number, source in enumerate(sources):
            context.check()
            context.progress("Analysing", number, len(sources))
            try:
                name, wav = read_source(source)
            except AudioError as error:
                wavs.append(np.zeros(0, np.float32))
                yield source_name(source), error
            else:
                wavs.append(wav)
                yield name, wav

    report: EnrolmentReport = enrolment_report(clips(), encoder)
    context.check()
    space = encoder.embedding_space
    analysed = tuple(
        replace(_analysed(clip.source, wav, clip, space), detection=detect(models, wav))
        for source, wav, clip in zip(sources, wavs, report.clips, strict=True)
        if not clip.skipped
    )
    voice = voice_of_clips(report, wavs, space, name) if report.usable else None
    skipped = tuple(
        replace(remark, sentence=f"{clip.source}: {remark.sentence}")
        for clip in report.clips
        if clip.skipped
        for remark in clip.report.remarks
    )
    return Enrolment(voice, analysed, skipped + report.remarks)


def detect(models: Models, wav: np.ndarray) -> str:
    """Whether a clip is synthesized speech, as a sentence; empty without a detector or without enough speech."""
    detector = models.detector()
    try:
        return "" if detector is None else detector.detect(wav).sentence
    except AudioError:
        return ""


def embed(context: JobContext, models: Models, files: ModelFiles, source: Source) -> np.ndarray:
    """The embedding of a clip, float32 [embedding_size], without quality check. Raises: AudioError."""
    encoder = models.encoder(context, files)
    wav = read_source(source)[1]
    context.check()
    return encoder.embed(wav)


def read_source(source: Source) -> tuple[str, np.ndarray]:
    """Name and audio of a clip, float32 [samples] at 16 kHz. Raises: AudioError."""
    from speech.audio import read_audio

    if isinstance(source, tuple):
        wav = np.asarray(source[1], np.float32)
    elif isinstance(source, str | Path):
        wav = read_audio(source, max_seconds=MAX_REFERENCE_SECONDS)
    else:
        wav = source.read()
    return source_name(source), wav


def source_name(source: Source) -> str:
    """Name of a clip: that of its file, without folders."""
    if isinstance(source, tuple):
        return source[0]
    return readable(Path(source if isinstance(source, str | Path) else source.name).name)


def _analysed(name: str, wav: np.ndarray, clip: ExaminedClip, space: str) -> AnalysedClip:
    from speech.mel import synthesis_mel
    from speech.quality import MIN_SPEECH_SECONDS

    report = clip.report
    return AnalysedClip(
        source=name,
        wav=wav,
        mel=synthesis_mel(wav) if len(wav) else np.zeros((80, 0), np.float32),
        embedding=None if clip.partials is None else clip.embedding,
        embedding_space=space,
        seconds=report.speech_seconds,
        remarks=report.remarks,
        usable=not report.errors and clip.partials is not None,
        too_short=report.speech_seconds < MIN_SPEECH_SECONDS,
    )
