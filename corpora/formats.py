"""Detecting and reading the layout of a corpus folder (`corpora.corpus` lists the layouts).

Each reader is a generator of recordings. It passes what it cannot use to `reject(key, reason)` and continues.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from corpora.known import (
    find_common_voice,
    find_timit,
    find_vctk,
    find_voxceleb,
    read_common_voice,
    read_timit,
    read_vctk,
    read_voxceleb,
)
from corpora.recordings import Found, OnReject, audio_files, leads_out, read_text
from speech.errors import CorpusError

Listing = Callable[[Path, str, OnReject], Iterator[Found]]  # (folder, name of the corpus, reject)

TRANSCRIPT_SUFFIXES = (".normalized.txt", ".txt", ".lab")  # LibriTTS has the first


def list_recordings(folder: Path, corpus: str, reject: OnReject, nationalities: Sequence[str] = ()) -> Iterator[Found]:
    """The recordings of a corpus folder without lhotse manifests.

    Args:
        nationalities: of the speakers of VoxCeleb to list; all if empty.

    Raises:
        CorpusError: its list of recordings cannot be read.
    """
    if (folder / "metadata.csv").is_file():
        return _read_metadata(folder, corpus, reject)
    if tables := find_common_voice(folder):
        return read_common_voice(tables, folder, corpus, reject)
    if roots := find_voxceleb(folder):
        return read_voxceleb(roots, folder, nationalities)
    if root := find_vctk(folder):
        return read_vctk(root, folder, corpus, reject)
    if regions := find_timit(folder):
        return read_timit(regions, folder, corpus, reject)
    return _read_speaker_folders(folder, corpus, reject)


def list_noises(folder: Path, corpus: str, reject: OnReject) -> Iterator[Found]:
    """The recordings of a folder of noises. The first folder below it takes the place of the speaker."""
    if (folder / "metadata.csv").is_file():
        yield from _read_metadata(folder, corpus, reject)
        return
    for path in audio_files(folder):
        parts = path.relative_to(folder).parts
        yield Found("/".join(parts), path, parts[0] if len(parts) > 1 else corpus, "")


# ---- metadata.csv ----------------------------------------------------------------------------------------------------


def _read_metadata(folder: Path, corpus: str, reject: OnReject) -> Iterator[Found]:
    text = read_text(folder / "metadata.csv")
    if text is None:
        raise CorpusError(f"{folder / 'metadata.csv'} is not UTF-8 text: save it as UTF-8.")
    header, _, _ = text.partition("\n")
    if "path" in (name.strip() for name in header.split(",")):
        yield from _read_table(folder, text, corpus, reject)
    elif "|" in header:
        yield from _read_ljspeech(folder, text, corpus, reject)
    else:
        raise CorpusError(f"{folder / 'metadata.csv'} needs a header with 'path', or lines of the form name|text.")


def _read_table(folder: Path, text: str, corpus: str, reject: OnReject) -> Iterator[Found]:
    csv.field_size_limit(1 << 24)
    try:
        rows = list(csv.DictReader(io.StringIO(text), skipinitialspace=True))
    except csv.Error as error:
        raise CorpusError(f"{folder / 'metadata.csv'} is not a valid CSV file: {error}.") from None
    for row in rows:
        values = {name.strip(): value.strip() for name, value in row.items() if name and isinstance(value, str)}
        name = values.get("path", "")
        speaker = values.get("speaker", corpus)
        if None in row or not name:
            reject(f"{corpus}/{name}", "its line of metadata.csv has too many fields or no path")
        elif leads_out(name):
            reject(f"{corpus}/{name}", "the path leads out of the corpus")
        elif not speaker:
            reject(f"{corpus}/{name}", "no speaker is named")
        else:
            yield Found(Path(name).as_posix(), folder / name, speaker, values.get("text", ""))


def _read_ljspeech(folder: Path, text: str, corpus: str, reject: OnReject) -> Iterator[Found]:
    by_stem = {path.stem: path for path in audio_files(folder)}
    for line in text.split("\n"):
        name, *texts = line.split("|")
        if not line.strip():
            continue
        stem = Path(name.strip()).name
        path = by_stem.get(stem) or by_stem.get(Path(stem).stem)
        if path is None or not texts:
            reject(f"{corpus}/{name}", "there is no recording of that name" if texts else "its line has no text")
            continue
        spoken = texts[1] if len(texts) > 1 and texts[1].strip() else texts[0]
        yield Found(path.relative_to(folder).as_posix(), path, corpus, spoken)


# ---- a folder per speaker --------------------------------------------------------------------------------------------


def _read_speaker_folders(folder: Path, corpus: str, reject: OnReject) -> Iterator[Found]:
    """The first folder below the corpus is the speaker's; in the layout of LibriSpeech, the one above the chapter."""
    paths = audio_files(folder)
    flat = all(path.parent == folder for path in paths)  # no folders: one speaker
    lists: dict[Path, dict[str, str] | None] = {}
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if path.parent not in lists:
            lists[path.parent] = _read_transcript_list(path.parent)
        listed = lists[path.parent]
        if path.parent == folder and not flat:
            reject(f"{corpus}/{name}", "it is outside of the speakers' folders")
            continue
        speaker = corpus if flat else path.relative_to(folder).parts[0]
        deep = path.parent != folder and path.parent.parent != folder
        if _is_chapter_of_book(path) or (deep and listed is not None):
            speaker = path.parent.parent.name
        text = listed.get(path.stem) if listed else None
        if text is None:
            text = _read_transcript(path)
        if text is None:
            reject(f"{corpus}/{name}", "its transcript is not UTF-8 text")
            continue
        yield Found(name, path, speaker, text)
    with_audio = {path.relative_to(folder).parts[0] for path in paths}
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and entry.name not in with_audio and not entry.name.startswith("."):
            reject(f"{corpus}/{entry.name}", "the folder has no recordings")


def _is_chapter_of_book(path: Path) -> bool:
    """The layout of LibriSpeech and LibriTTS: 19/198/19-198-0001.flac, 19/198/19_198_000001_000002.wav."""
    start = path.parent.parent.name, path.parent.name
    return path.stem.startswith(("-".join(start) + "-", "_".join(start) + "_"))


def _read_transcript_list(folder: Path) -> dict[str, str] | None:
    """The `*.trans.txt` of LibriSpeech: a name and its text on each line."""
    found = None
    for path in sorted(folder.glob("*.trans.txt")):
        found = found or {}
        for line in (read_text(path) or "").splitlines():
            name, _, text = line.strip().partition(" ")
            found[name] = text
    return found


def _read_transcript(path: Path) -> str | None:
    """The text beside a recording; "" if there is none, None if it cannot be read."""
    for suffix in TRANSCRIPT_SUFFIXES:
        beside = path.parent / (path.stem + suffix)
        if beside.is_file():
            return read_text(beside)
    return ""
