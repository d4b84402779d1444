"""Jobs that convert a recording to another voice. They use the chain of `cloning`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cloning.models import ModelFiles
from cloning.monitor import Monitor
from cloning.options import SpeechOptions
from cloning.result import Conversion
from cloning.source_speech import SourceSpeech
from cloning.voices import Voice
from toolbox.jobs.context import JobContext
from toolbox.jobs.loaded_models import Models
from toolbox.jobs.speaking import AudioChunk, measure_similarity


@dataclass(frozen=True, eq=False)
class ConversionRequest:
    """A recording to convert. Attributes: keep_pitch: instead of moving it to the median of the voice."""

    speech: SourceSpeech
    voice: Voice
    options: SpeechOptions
    keep_pitch: bool = False


@dataclass(frozen=True, eq=False)
class Converted:
    """A conversion. Attributes: similarity: to the voice, None if it was not measured; seconds_taken: by the job."""

    conversion: Conversion
    similarity: float | None
    seconds_taken: float


def read_speech(context: JobContext, recording: Path | np.ndarray) -> SourceSpeech:
    """Read a recording, a file or float32 [samples] at 16 kHz. Raises: AudioError."""
    context.progress("Reading the recording", 0, 0)
    return SourceSpeech.read(recording)


def convert_speech(context: JobContext, models: Models, files: ModelFiles, request: ConversionRequest) -> Converted:
    """Convert a recording, reporting each `AudioChunk` as soon as it is generated.

    Raises: as `VoiceCloner.convert`.
    """
    started = time.perf_counter()
    cloner = models.converting(context, files)
    monitor = Monitor(
        progress=lambda _stage, done, total: context.progress("Converting", done, total), cancelled=context.cancelled
    )
    stream = cloner.convert_stream(
        request.speech, request.voice, request.options, keep_pitch=request.keep_pitch, monitor=monitor
    )
    for chunk in stream:
        context.check()
        context.chunk(AudioChunk(chunk, stream.sample_rate))
    conversion = stream.conversion
    _, similarity = measure_similarity(cloner.encoder, conversion.wav, conversion.sample_rate, request.voice)
    return Converted(conversion, similarity, time.perf_counter() - started)


def save_conversion(context: JobContext, conversion: Conversion, path: Path) -> Path:
    """Write the audio with its provenance; replaces an existing file. Raises: StorageError."""
    context.progress("Writing", 0, 1)
    return conversion.save(path, overwrite=True)
