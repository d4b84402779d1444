"""Jobs that listen: clips read, judged and embedded, and made into a voice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cloning import ModelFiles
from cloning.voices import Voice
from toolbox.jobs.context import JobContext
from toolbox.jobs.loaded_models import Models

if TYPE_CHECKING:
    from encoder.enrolment import EnrolmentReport
    from speech.quality import Remark

MAX_REFERENCE_SECONDS = 600.0


@dataclass(frozen=True, eq=False)
class Heard:
    """One clip as the encoder and the quality gate heard it.

    Attributes:
        wav: float32 [samples] at 16 kHz, as read.
        mel: float32 [n_mels, frames] in [-4, 4], as the synthesizer's are, for a picture.
        embedding: float32 [256]; None if there was nothing to hear.
        seconds: of speech.
        remarks: of the quality gate, the gravest first.
        fit: whether a voice may be made of it.
        lines: the quality gate's report in words.
    """

    source: str
    wav: np.ndarray
    mel: np.ndarray
    embedding: np.ndarray | None
    embedding_space: str
    seconds: float
    remarks: tuple[Remark, ...]
    fit: bool
    lines: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Enrolled:
    """Clips that make a voice: the voice (None if one of them is unfit), each clip, and remarks on all together."""

    voice: Voice | None
    clips: tuple[Heard, ...]
    remarks: tuple[Remark, ...]


Source = str | Path | tuple[str, np.ndarray] | Any  # a file; a name and float32 [samples] at 16 kHz; an `Utterance`


def hear(context: JobContext, models: Models, files: ModelFiles, source: Source) -> Heard:
    """Read one clip, and let the quality gate and the encoder hear it.

    Raises:
        AudioError: it cannot be read, or is no sound.
    """
    from encoder.enrolment import examine_clip

    encoder = models.encoder(context, files)
    context.progress("Reading", 0, 3)
    name, wav = read_source(source)
    context.check()
    context.progress("Listening", 1, 3)
    clip = examine_clip(name, wav, encoder)
    context.check()
    context.progress("Drawing", 2, 3)
    return _heard(name, wav, clip, encoder.embedding_space)


def enrol(
    context: JobContext,
    models: Models,
    files: ModelFiles,
    sources: Sequence[Source],
    name: str = "",
    consent: str = "",
) -> Enrolled:
    """Make a voice of clips of one speaker. What is wrong with them is told in the remarks.

    Raises:
        AudioError: there are no clips, or one cannot be read.
    """
    from encoder.enrolment import enrolment_report
    from speech.mel_f0 import median_f0

    encoder = models.encoder(context, files)
    wavs: list[tuple[str, np.ndarray]] = []

    def clips() -> Iterator[tuple[str, np.ndarray]]:
        for number, source in enumerate(sources):
            context.check()
            context.progress("Listening", number, len(sources))
            wavs.append(read_source(source))
            yield wavs[-1]

    report: EnrolmentReport = enrolment_report(clips(), encoder)
    context.check()
    heard = tuple(
        _heard(source, wav, clip, encoder.embedding_space)
        for (source, wav), clip in zip(wavs, report.clips, strict=True)
    )
    voice = None
    if report.usable:
        space = encoder.embedding_space
        parts = [
            Voice(clip.embedding, space, sources=(clip.source,), pitch=median_f0(wav))
            for (_, wav), clip in zip(wavs, report.clips, strict=True)
        ]
        voice = Voice.average(parts, name, consent, report.weights.tolist())
    return Enrolled(voice, heard, report.remarks)


def embed(context: JobContext, models: Models, files: ModelFiles, source: Source) -> np.ndarray:
    """Only the embedding of a clip, float32 [256], for the map. Raises: AudioError."""
    encoder = models.encoder(context, files)
    wav = read_source(source)[1]
    context.check()
    return encoder.embed(wav)


def read_source(source: Source) -> tuple[str, np.ndarray]:
    """What to call a clip, and its sound, float32 [samples] at 16 kHz. Raises: AudioError."""
    from speech.audio import read_audio

    if isinstance(source, tuple):
        return source[0], np.asarray(source[1], np.float32)
    if isinstance(source, str | Path):
        return Path(source).name, read_audio(source, max_seconds=MAX_REFERENCE_SECONDS)
    return Path(source.name).name, source.read()


def _heard(name: str, wav: np.ndarray, clip: Any, space: str) -> Heard:
    from speech.mel import synthesis_mel

    report = clip.report
    return Heard(
        source=name,
        wav=wav,
        mel=synthesis_mel(wav) if len(wav) else np.zeros((80, 0), np.float32),
        embedding=None if clip.partials is None else clip.embedding,
        embedding_space=space,
        seconds=report.speech_seconds,
        remarks=report.remarks,
        fit=not report.errors and clip.partials is not None,
        lines=tuple(clip.lines()),
    )


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Cosine of two embeddings, in [-1, 1]."""
    return float(np.dot(one, other) / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-8))
