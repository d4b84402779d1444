"""Convert a recording into a file and sinks, and print what was done."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cloning.monitor import Monitor
from cloning.narration import progress_bars, write_result
from cloning.targets import check_folder, check_target
from speech.errors import StorageError
from speech.loudness import load_meter

if TYPE_CHECKING:
    from cloning.cloner import VoiceCloner
    from cloning.options import SpeechOptions
    from cloning.playback import Sinks
    from cloning.result import Conversion
    from cloning.source_speech import SourceSpeech
    from cloning.voices import Voice


@dataclass(frozen=True)
class ConversionRequest:
    """A conversion from the command line.

    Attributes:
        speech: the recording.
        path: of the result; None writes no file.
        overwrite: whether an existing file may be replaced.
    """

    speech: SourceSpeech
    voice: Voice
    options: SpeechOptions
    keep_pitch: bool
    path: Path | None
    overwrite: bool = False


def check_conversion_target(path: Path, recording: Path, references: tuple[Path, ...], overwrite: bool) -> None:
    """Raises: StorageError if the result cannot be written to this file."""
    if path.exists() and recording.exists() and path.samefile(recording):
        raise StorageError(f"{path} is the recording to convert: choose another name for the result.")
    check_target(path, references, overwrite)
    check_folder(path.parent, may_be_made=False)


def convert_recording(cloner: VoiceCloner, request: ConversionRequest, sinks: Sinks) -> Conversion:
    """Convert, write the file, and print two lines: what was made, and figures.

    Raises: as `VoiceCloner.convert`, and StorageError.
    """
    load_meter()  # imports are no part of the real-time factor
    started, waited = time.perf_counter(), 0.0
    with progress_bars() as progress:
        stream = cloner.convert_stream(
            request.speech,
            request.voice,
            request.options,
            keep_pitch=request.keep_pitch,
            monitor=Monitor(progress=progress),
        )
        for chunk in stream:
            waited = waited or time.perf_counter() - started
            sinks.write(chunk)
        conversion = stream.conversion
    elapsed = time.perf_counter() - started
    if request.path is not None:
        write_result(request.path, conversion, request.overwrite)
    notes = [f"first audio after {waited:.2f} s"] if sinks else []
    if conversion.source_pitch and conversion.pitch:
        notes.append(f"pitch {conversion.source_pitch:.0f} to {conversion.pitch:.0f} Hz")
    if request.options.watermark:  # each phrase is checked before it is output
        notes.append("watermark detected")
    where = "converted" if request.path is None else str(request.path)
    print(f"{where}: {conversion.seconds:.1f} s, seed {conversion.seed}", *notes, *conversion.remarks, sep="; ")
    similarity = cloner.similarity(conversion, request.voice)
    shown = "not measurable" if similarity is None else f"{similarity:.2f}"
    print(
        f"{conversion.seconds:.1f} s of speech in {elapsed:.1f} s, real-time factor "
        f"{elapsed / conversion.seconds:.2f}, similarity to the reference {shown}"
    )
    return conversion
