"""A text file spoken into numbered sounds, a job that may take an hour."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cloning import ModelFiles, VoiceCloner
from cloning.voices import Voice
from speech.errors import StorageError
from toolbox.jobs.context import JobContext
from toolbox.jobs.loaded_models import Models
from toolbox.jobs.speaking import Count, join, seed_of, similarity_to, speak_line
from toolbox.storage.files import storage_error


@dataclass(frozen=True)
class Spoken:
    """One file of `speak_file`; handed out as a chunk when it is written."""

    number: int
    text: str
    path: Path
    seconds: float
    similarity: float | None
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class FileOrder:
    """A text file to be spoken, a line each into `folder`/001.wav and so on, with a manifest.json beside them."""

    path: Path
    folder: Path
    voice: Voice = field(compare=False)
    seed: int | None = None
    trim: bool = False
    overwrite: bool = False
    suffix: str = ".wav"


def speak_file(context: JobContext, models: Models, files: ModelFiles, order: FileOrder) -> list[Spoken]:
    """Say every line of a text file. What is written stays when it is cancelled, and the manifest tells of it.

    Raises:
        TextError: the file cannot be read, or a line not be spoken.
        StorageError: something is in the way, or the disk is full.
    """
    from demo_cli import read_lines as read_file
    from speech.audio import write_audio

    texts = read_file(order.path)
    digits = max(3, len(str(len(texts))))
    paths = [order.folder / f"{number:0{digits}}{order.suffix}" for number in range(1, len(texts) + 1)]
    for path in paths:
        if path.exists() and not order.overwrite:
            raise StorageError(f"{path} exists already: choose another folder, or allow it to be overwritten.")
    cloner = models.load(context, files)
    _make_folder(order.folder)
    seed = seed_of(order.seed)
    count = Count(context, texts)
    written: list[Spoken] = []
    try:
        for number, (text, path) in enumerate(zip(texts, paths, strict=True)):
            line, wav = speak_line(context, cloner, text, order.voice, seed, count, number, heard=False)
            wav = join([wav], cloner.sample_rate, order.trim)
            alike = similarity_to(cloner.encoder, wav, cloner.sample_rate, order.voice)[1]
            context.check()
            write_audio(path, wav, cloner.sample_rate, overwrite=order.overwrite)
            spoken = Spoken(number + 1, text, path, len(wav) / cloner.sample_rate, alike, line.remarks)
            written.append(spoken)
            context.chunk(spoken)
    finally:
        if written:
            _write_manifest(cloner, order, seed, written)
    return written


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error


def _write_manifest(cloner: VoiceCloner, order: FileOrder, seed: int, written: list[Spoken]) -> None:
    from cloning.narration import MANIFEST, Speaker, write_manifest

    outputs = [
        {
            "text": one.text,
            "file": one.path.name,
            "seconds": round(one.seconds, 3),
            "seed": seed,
            "similarity": None if one.similarity is None else round(one.similarity, 4),
            "remarks": list(one.remarks),
        }
        for one in written
    ]
    write_manifest(order.folder / MANIFEST, Speaker(cloner, order.voice, seed), outputs)
