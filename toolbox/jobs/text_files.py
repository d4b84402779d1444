"""A text file spoken into numbered audio files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cloning.models import ModelFiles
from cloning.options import SpeechOptions
from cloning.voices import Voice
from speech.errors import StorageError
from speech.files import storage_error
from toolbox.jobs.context import JobContext
from toolbox.jobs.loaded_models import Models
from toolbox.jobs.progress import LineProgress
from toolbox.jobs.speaking import join_lines, measure_similarity, options_of, speak_line
from toolbox.storage.settings import DEFAULTS, SpeechSettings


@dataclass(frozen=True)
class WrittenFile:
    """One file of `speak_file`, reported when it is written."""

    number: int
    text: str
    path: Path
    seconds: float
    similarity: float | None
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class FileRequest:
    """A text file to be spoken, one line each into `folder`/001.wav and so on, with a manifest.json."""

    path: Path
    folder: Path
    voice: Voice = field(compare=False)
    seed: int | None = None
    settings: SpeechSettings = DEFAULTS


def speak_file(context: JobContext, models: Models, files: ModelFiles, request: FileRequest) -> list[WrittenFile]:
    """Speak every line of a text file. After a cancel, finished files and their manifest remain.

    Raises:
        TextError: the text file or the lexicon cannot be read, or a line cannot be spoken.
        StorageError: a file exists already, or the disk is full.
    """
    from cloning.targets import numbered_paths, read_text_lines
    from speech.audio import write_audio

    options = options_of(request.seed, request.settings)
    texts = read_text_lines(request.path, options.lexicon)
    paths = numbered_paths(request.folder, len(texts))
    for path in paths:
        if path.exists():
            raise StorageError(f"{path} exists already: choose a different folder.")
    cloner = models.load(context, files)
    _make_folder(request.folder)
    progress = LineProgress(context, texts)
    written: list[WrittenFile] = []
    try:
        for number, (text, path) in enumerate(zip(texts, paths, strict=True)):
            progress.begin(number)
            speech = speak_line(context, cloner, text, request.voice, options, progress, report=False)
            wav = join_lines([speech.wav], cloner.sample_rate, request.settings.trim)
            similarity = measure_similarity(cloner.encoder, wav, cloner.sample_rate, request.voice)[1]
            context.check()
            write_audio(path, wav, cloner.sample_rate, tags=speech.provenance.tags())
            written.append(
                WrittenFile(number + 1, text, path, len(wav) / cloner.sample_rate, similarity, speech.remarks)
            )
            context.chunk(written[-1])
    finally:
        if written:
            _write_manifest(files, request, options, written)
    return written


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error


def _write_manifest(
    files: ModelFiles, request: FileRequest, options: SpeechOptions, written: list[WrittenFile]
) -> None:
    from cloning.batch import MANIFEST, Manifest, settings_of

    outputs = [
        {
            "text": one.text,
            "file": one.path.name,
            "seconds": round(one.seconds, 3),
            "seed": options.seed,
            "similarity": None if one.similarity is None else round(one.similarity, 4),
            "remarks": list(one.remarks),
        }
        for one in written
    ]
    Manifest(settings_of(request.voice, options, files), outputs).write(request.folder / MANIFEST)
