"""Detecting and reading the layout of a corpus folder (`corpora.corpus` lists the layouts).

Each reader is a generator of recordings. It passes what it cannot use to `reject(key, reason)` and continues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from corpora.audioset import find_audioset, read_audioset
from corpora.chime import find_chime_noise, find_chime_speech, read_chime_noise, read_chime_speech
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
from corpora.labelled import (
    find_accent_archive,
    find_nam_timit,
    find_ravdess,
    read_accent_archive,
    read_nam_timit,
    read_ravdess,
)
from corpora.metadata import read_metadata
from corpora.preprocessed import find_preprocessed, find_speaker_mels, read_preprocessed, read_speaker_mels
from corpora.recordings import Found, OnReject, audio_files, read_text

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
        return read_metadata(folder, corpus, reject)
    if lists := find_preprocessed(folder):
        return read_preprocessed(*lists, corpus, reject)
    if speakers := find_speaker_mels(folder):
        return read_speaker_mels(speakers, folder)
    if tables := find_common_voice(folder):
        return read_common_voice(tables, folder, corpus, reject)
    if roots := find_voxceleb(folder):
        return read_voxceleb(roots, folder, nationalities)
    if root := find_vctk(folder):
        return read_vctk(root, folder, corpus, reject)
    if regions := find_timit(folder):
        return read_timit(regions, folder, corpus, reject)
    if actors := find_ravdess(folder):
        return read_ravdess(actors, folder, corpus, reject)
    if table := find_accent_archive(folder):
        return read_accent_archive(table, folder, corpus, reject)
    if parts := find_chime_speech(folder):
        return read_chime_speech(parts, folder)
    if whispers := find_nam_timit(folder):
        return read_nam_timit(whispers, folder, corpus, reject)
    return _read_speaker_folders(folder, corpus, reject)


def list_noises(folder: Path, corpus: str, reject: OnReject) -> Iterator[Found]:
    """The recordings of a folder of noises. The first folder below it takes the place of the speaker.

    Of CHiME only the background noise is listed, of AudioSet only clips without voices.
    """
    if (folder / "metadata.csv").is_file():
        yield from read_metadata(folder, corpus, reject)
        return
    if backgrounds := find_chime_noise(folder):
        yield from read_chime_noise(backgrounds, folder)
        return
    if lists := find_audioset(folder):
        yield from read_audioset(lists, folder, corpus, reject)
        return
    for path in audio_files(folder):
        parts = path.relative_to(folder).parts
        yield Found("/".join(parts), path, parts[0] if len(parts) > 1 else corpus, "")


# ---- a folder per speaker --------------------------------------------------------------------------------------------


def _read_speaker_folders(folder: Path, corpus: str, reject: OnReject) -> Iterator[Found]:
    """The first folder below the corpus is the speaker's; in the layout of LibriSpeech, the one above the chapter."""
    paths = audio_files(folder)
    flat = all(path.parent == folder for path in paths)  # no folders: one speaker
    transcripts = Transcripts(paths)
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if path.parent == folder and not flat:
            reject(f"{corpus}/{name}", "it is outside of the speakers' folders")
            continue
        speaker = corpus if flat else path.relative_to(folder).parts[0]
        deep = path.parent != folder and path.parent.parent != folder
        if _is_chapter_of_book(path) or (deep and transcripts.list_of(path.parent) is not None):
            speaker = path.parent.parent.name
        text = transcripts.text_of(path)
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


class Transcripts:
    """The texts of recordings. Each folder is read once, when it is needed. Args: paths: all recordings."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._stems: dict[Path, set[str]] = {}  # of the recordings of each folder
        for path in paths:
            self._stems.setdefault(path.parent, set()).add(path.stem)
        self._lists: dict[Path, dict[str, str] | None] = {}
        self._files: dict[Path, dict[str, Path]] = {}

    def list_of(self, folder: Path) -> dict[str, str] | None:
        """Text by name, from the `*.trans.txt` of a folder; None without one."""
        if folder not in self._lists:
            self._lists[folder] = _read_transcript_list(folder)
        return self._lists[folder]

    def text_of(self, path: Path) -> str | None:
        """From the list of its folder or the file beside it; "" if there is none, None if it cannot be read."""
        folder = path.parent
        text = (self.list_of(folder) or {}).get(path.stem)
        if text is not None:
            return text
        if folder not in self._files:
            self._files[folder] = _transcript_files(folder, self._stems[folder])
        return _read_transcript(path, self._files[folder])


def _read_transcript_list(folder: Path) -> dict[str, str] | None:
    """The `*.trans.txt` of LibriSpeech: a name and its text on each line."""
    found = None
    for path in sorted(folder.iterdir()):
        if not path.name.lower().endswith(".trans.txt"):
            continue
        found = found or {}
        for line in (read_text(path) or "").splitlines():
            name, _, text = line.strip().partition(" ")
            found[name] = text
    return found


def _transcript_files(folder: Path, stems: set[str]) -> dict[str, Path]:
    """The transcripts of a folder, by the name that each would have without differences of case.

    An exact match takes precedence, and no recording takes the transcript of another.

    Args:
        stems: of the recordings in the folder.
    """
    files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".txt", ".lab") and path.is_file()]
    exact = {path.name: path for path in files}
    by_case = {path.name.lower(): path for path in files}
    names = (stem + suffix for stem in stems for suffix in TRANSCRIPT_SUFFIXES)
    found = {name: exact.get(name) or by_case.get(name.lower()) for name in names}
    return {
        name: path
        for name, path in found.items()
        if path is not None and (path.stem not in stems or name.startswith(path.stem + "."))
    }


def _read_transcript(path: Path, transcripts: Mapping[str, Path]) -> str | None:
    """The text beside a recording; "" if there is none, None if it cannot be read."""
    for suffix in TRANSCRIPT_SUFFIXES:
        beside = transcripts.get(path.stem + suffix)
        if beside is not None:
            return read_text(beside)
    return ""
