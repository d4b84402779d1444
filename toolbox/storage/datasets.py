"""Datasets in folders: dataset -> speaker -> utterances, each listed on demand.

Supports every corpus that `corpora.corpus` reads, and plain folders of recordings. Where each speaker has a folder,
only the requested folder is read. Where a metadata file lists the recordings, it is read once.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from corpora.recordings import AUDIO_SUFFIXES, Found, audio_files, is_audio
from speech.errors import AudioError, CorpusError

if TYPE_CHECKING:
    from corpora import corpus

PARTS_OF_LIBRISPEECH = (
    "dev-clean", "dev-other", "test-clean", "test-other", "train-clean-100", "train-clean-360", "train-other-500",
)  # fmt: skip
# Usual relative paths of unpacked corpora below one parent folder.
KNOWN_FOLDERS = (
    *(f"LibriSpeech/{part}" for part in PARTS_OF_LIBRISPEECH),
    *(f"LibriTTS/{part}" for part in PARTS_OF_LIBRISPEECH),
    "LJSpeech-1.1",
    "VoxCeleb1/wav",
    "VoxCeleb1/test_wav",
    "VoxCeleb2/dev/aac",
    "VoxCeleb2/test/aac",
    "VCTK-Corpus/wav48",
    "VCTK-Corpus",
    "VCTK",
)
MANIFEST = re.compile(r"(^|[_.-])(cuts|supervisions)[^/]*\.(jsonl|json|yaml)(\.gz)?$")
HEADERS_AT_ONCE = 50
MAX_ENTRIES = 200  # of a folder that are inspected
MAX_FOLDERS = 100  # inspected below a folder before it counts as empty of recordings


@dataclass(frozen=True)
class Utterance:
    """One recording. Attributes: segment: the part of the file, if not the whole file belongs to it."""

    dataset: str
    speaker: str
    name: str
    path: Path
    text: str = ""
    segment: corpus.Utterance | None = field(default=None, compare=False)

    def read(self) -> np.ndarray:
        """float32 [samples] at 16 kHz. Raises: AudioError."""
        from corpora.corpus import read_utterance
        from speech.audio import read_audio

        if self.segment is not None:
            return read_utterance(self.segment)
        return read_audio(self.path, max_seconds=600)


class Dataset:
    """A corpus on disk. Lists are cached.

    Attributes:
        name: unique among the datasets found together.
        remarks: number of skipped utterances by reason.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.remarks: dict[str, int] = {}
        self._folders: dict[str, list[Path]] | None = None  # by speaker, if each has separate folders
        self._listed: dict[str, list[Utterance]] = {}
        self._complete = False

    def speakers(self, check: Callable[[], None] = lambda: None) -> list[str]:
        """Names of the speakers, in natural order.

        Args:
            check: called regularly; an exception from it stops the work.
        Raises:
            CorpusError: its metadata file cannot be read.
        """
        if self._folders is None and not self._complete:
            self._folders = _speaker_folders(self.folder)
            if self._folders is None:
                self._read_list(check)
        names = self._listed if self._folders is None else self._folders
        return sorted(names, key=natural_order)

    def utterances(self, speaker: str, check: Callable[[], None] = lambda: None) -> list[Utterance]:
        """The utterances of a speaker; [] for an unknown one. Errors as `speakers`."""
        self.speakers(check)
        if speaker not in self._listed:
            from corpora.formats import Transcripts

            folders = (self._folders or {}).get(speaker, [])
            found = [path for folder in folders for path in _checked(audio_files(folder), check)]
            transcripts = Transcripts(found)
            self._listed[speaker] = [
                Utterance(
                    self.name, speaker, path.relative_to(self.folder).as_posix(), path,
                    " ".join((transcripts.text_of(path) or "").split()),
                )
                for path in _checked(found, check)
            ]  # fmt: skip
        return self._listed[speaker]

    def _read_list(self, check: Callable[[], None]) -> None:
        listed: dict[str, list[Utterance]] = {}
        for utterance in _checked(self._all(), check):
            listed.setdefault(utterance.speaker, []).append(utterance)
        self._listed, self._complete = listed, True

    def _all(self) -> Iterator[Utterance]:
        from corpora.corpus import iter_utterances
        from corpora.formats import list_recordings
        from corpora.manifests import manifest_files

        if not (self.folder / "metadata.csv").is_file() and manifest_files(self.folder):
            for one in iter_utterances([self.folder], self._reject):
                name = one.key.partition("/")[2]
                yield Utterance(self.name, one.speaker, name, one.path, one.text, None if one.whole else one)
            return
        for found in list_recordings(self.folder, self.folder.name, self._reject):
            if found.path.is_file():
                yield _utterance(self.name, found)
            else:
                self._reject(found.name, "the file is missing")

    def _reject(self, _key: str, reason: str) -> None:
        self.remarks[reason] = self.remarks.get(reason, 0) + 1


def seconds_of(utterances: Sequence[Utterance], check: Callable[[], None] = lambda: None) -> list[float]:
    """The length of each utterance, by the headers of the files; 0 for a file that cannot be read.

    Args:
        check: called regularly; an exception from it stops the work.
    """
    from corpora.headers import Header, read_headers

    whole = {one.path: 0.0 for one in utterances if one.segment is None}
    paths = list(whole)
    for start in range(0, len(paths), HEADERS_AT_ONCE):
        check()
        some = paths[start : start + HEADERS_AT_ONCE]
        for path, header in zip(some, read_headers(some), strict=True):
            whole[path] = header.samples / header.rate if isinstance(header, Header) else 0.0
    return [whole[one.path] if one.segment is None else one.segment.duration for one in utterances]


def find_datasets(roots: Iterable[str | Path], check: Callable[[], None] = lambda: None) -> list[Dataset]:
    """The datasets in some folders: known corpora by their path, others by their content.

    A folder may be a dataset or contain several.

    Raises:
        CorpusError: a folder is missing.
    """
    found: dict[Path, str] = {}
    for root in map(Path, roots):
        if not root.is_dir():
            raise CorpusError(f"There is no folder {root}: choose the folder that contains your datasets.")
        for folder, name in _datasets_in(root, check):
            found.setdefault(folder.resolve(), name)
    taken: set[str] = set()
    datasets = []
    for folder, name in found.items():
        unique, number = name, 2
        while unique in taken:
            unique, number = f"{name} ({number})", number + 1
        taken.add(unique)
        datasets.append(Dataset(unique, folder))
    return sorted(datasets, key=lambda dataset: natural_order(dataset.name))


def random_choice(
    datasets: list[Dataset],
    dataset: Dataset | None = None,
    speaker: str | None = None,
    check: Callable[[], None] = lambda: None,
    rng: random.Random | None = None,
) -> Utterance:
    """A random utterance of all datasets, of one dataset, or of one speaker in it.

    Raises:
        CorpusError: there are no recordings.
    """
    rng = rng or random.Random()
    for one in [dataset] if dataset is not None else rng.sample(datasets, len(datasets)):
        speakers = one.speakers(check) if speaker is None else [speaker]
        for name in rng.sample(speakers, len(speakers)):
            check()
            if utterances := one.utterances(name, check):
                return rng.choice(utterances)
    raise CorpusError("There are no recordings to choose from: choose a folder that contains some.")


def natural_order(name: str) -> list[tuple[int, str]]:
    """Sort key that puts p9 before p10."""
    return [(int(part), "") if part.isdecimal() else (0, part.lower()) for part in re.split(r"(\d+)", name)]


# --- recognising datasets ---------------------------------------------------------------------------------------------


def _datasets_in(root: Path, check: Callable[[], None]) -> Iterator[tuple[Path, str]]:
    check()
    known = [name for name in KNOWN_FOLDERS if (root / name).is_dir()]
    known = [name for name in known if not any(other.startswith(f"{name}/") for other in known)]
    for name in known:
        yield root / name, name
    tops = {name.split("/")[0] for name in known}
    if not known and _is_one_dataset(root):
        yield root, root.name or str(root)
        return
    for child in _folders(root):
        check()
        if child.name not in tops and _holds_audio(child):
            yield from _child(child)


def _child(folder: Path) -> Iterator[tuple[Path, str]]:
    """A folder in a folder of datasets: a dataset, or one with several parts, such as LibriSpeech."""
    parts = [part for part in PARTS_OF_LIBRISPEECH if (folder / part).is_dir()]
    if parts and not _is_listed(folder):
        yield from ((folder / part, f"{folder.name}/{part}") for part in parts)
    else:
        yield folder, folder.name


def _is_one_dataset(folder: Path) -> bool:
    """Whether a folder is one corpus: it has a metadata file, a known layout, or a folder per speaker."""
    from corpora.known import find_timit, find_vctk

    if _is_listed(folder) or any(is_audio(path) for path in _peek(folder)):
        return True
    if (folder / "validated.tsv").is_file() or find_vctk(folder) == folder:
        return True
    if folder.name.lower() in ("train", "test") and find_timit(folder):
        return True
    children = _folders(folder)
    if any(re.fullmatch(r"id\d{5}", child.name) for child in children):
        return True
    children = [child for child in children if _holds_audio(child)]
    return bool(children) and all(_is_a_speaker(child) for child in children[:10])


def _is_a_speaker(folder: Path) -> bool:
    """Whether recordings lie in it, or in chapters named as in LibriSpeech: 19/198/19-198-0001.flac."""
    if _is_listed(folder):
        return False
    if any(is_audio(path) for path in _peek(folder)):
        return True
    for chapter in _folders(folder):
        for path in _peek(chapter):
            if is_audio(path):
                return path.stem.startswith((f"{folder.name}-{chapter.name}-", f"{folder.name}_{chapter.name}_"))
    return False


def _is_listed(folder: Path) -> bool:
    return (folder / "metadata.csv").is_file() or any(MANIFEST.search(path.name) for path in _peek(folder))


def _speaker_folders(folder: Path) -> dict[str, list[Path]] | None:
    """The folders of each speaker, or None if only a metadata file or the file names identify speakers."""
    from corpora.known import find_common_voice, find_timit, find_vctk, find_voxceleb

    if _is_listed(folder) or any(is_audio(path) for path in _peek(folder)) or find_common_voice(folder):
        return None
    if roots := find_voxceleb(folder):
        found: list[Path] = [path for root in roots for path in _folders(root) if re.fullmatch(r"id\d{5}", path.name)]
    elif find_vctk(folder) or find_timit(folder):
        return None  # two microphones per take, or originals beside copies: left to the corpus reader
    else:
        found = [path for path in _folders(folder) if _holds_audio(path)]
        if not all(_is_a_speaker(path) for path in found[:10]):
            return None
    speakers: dict[str, list[Path]] = {}
    for path in found:
        speakers.setdefault(path.name, []).append(path)
    return speakers


def _holds_audio(folder: Path) -> bool:
    """Whether there is a recording in a folder, searched breadth-first within limits."""
    waiting = [folder]
    for current in waiting:  # grows during the loop
        below = []
        for path in _peek(current):
            if is_audio(path):
                return True
            if len(waiting) < MAX_FOLDERS and not path.name.startswith((".", "__MACOSX")) and path.is_dir():
                below.append(path)
        waiting += below[: MAX_FOLDERS - len(waiting)]
    return False


def _peek(folder: Path) -> list[Path]:
    try:
        entries = folder.iterdir()
        return [path for path, _ in zip(entries, range(MAX_ENTRIES), strict=False)]
    except OSError:
        return []


def _folders(folder: Path) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__MACOSX"))]
    except OSError:
        return []
    return sorted(found, key=lambda path: natural_order(path.name))


def _utterance(dataset: str, found: Found) -> Utterance:
    return Utterance(dataset, found.speaker, found.name, found.path, " ".join(found.text.split()))


def _checked(items: Iterable, check: Callable[[], None]) -> Iterator:
    for number, item in enumerate(items):
        if number % 256 == 0:
            check()
        yield item


def recordings_in(paths: Iterable[str | Path]) -> list[Path]:
    """The recordings among files and folders; folders are searched recursively.

    Raises:
        AudioError: there are none.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        found += audio_files(path) if path.is_dir() else [path] if is_audio(path) else []
    if not found:
        kinds = ", ".join(sorted(suffix[1:] for suffix in AUDIO_SUFFIXES))
        raise AudioError(f"There is no recording among these files: choose files of these types: {kinds}.")
    return found
