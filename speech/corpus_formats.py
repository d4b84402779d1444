"""The layouts a corpus may have, each read into lhotse cuts of one supervision.

See `speech.corpora` for the layouts. Every reader here is a generator that hands what it cannot use to
`reject(key, reason)` and goes on.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from speech.errors import CorpusError

OnReject = Callable[[str, str], None]

AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".mp4", ".webm", ".aif", ".aiff", ".au", ".sph", ".wma"}
)
TRANSCRIPT_SUFFIXES = (".normalized.txt", ".txt", ".lab")  # LibriTTS has the first beside a rawer text
MANIFEST_PATTERN = re.compile(r"\.(jsonl|json|yaml)(\.gz)?$")


class _Found(NamedTuple):
    """A recording as a corpus lists it, not looked at yet. `name` is its path inside the corpus."""

    name: str
    path: Path
    speaker: str
    text: str


def read_corpus(path: Path, corpus: str, reject: OnReject) -> Iterator[Any]:
    """Detect the layout of what lies at `path` and read it.

    Raises:
        CorpusError: there is nothing there, or its list of recordings cannot be read.
    """
    if path.is_file() and path.name != "metadata.csv":
        return _manifest_cuts(_manifest_files(path), corpus, reject)
    folder = path.parent if path.is_file() else path
    if not folder.is_dir():
        raise CorpusError(f"There is no corpus at {path}: give a folder of recordings or a lhotse manifest.")
    if (folder / "metadata.csv").is_file():
        return _measured_cuts(_read_metadata(folder, corpus, reject), corpus, reject)
    manifests = _manifest_files(folder)
    if manifests:
        return _manifest_cuts(manifests, corpus, reject)
    return _measured_cuts(_read_speaker_folders(folder, corpus, reject), corpus, reject)


# ---- metadata.csv ----------------------------------------------------------------------------------------------------


def _read_metadata(folder: Path, corpus: str, reject: OnReject) -> Iterator[_Found]:
    text = _read_text(folder / "metadata.csv")
    if text is None:
        raise CorpusError(f"{folder / 'metadata.csv'} is not UTF-8 text: save it as UTF-8.")
    header, _, _ = text.partition("\n")
    if "path" in (name.strip() for name in header.split(",")):
        yield from _read_table(folder, text, corpus, reject)
    elif "|" in header:
        yield from _read_ljspeech(folder, text, corpus, reject)
    else:
        raise CorpusError(f"{folder / 'metadata.csv'} needs a header with 'path', or lines of the form name|text.")


def _read_table(folder: Path, text: str, corpus: str, reject: OnReject) -> Iterator[_Found]:
    csv.field_size_limit(1 << 24)
    try:
        rows = list(csv.DictReader(io.StringIO(text), skipinitialspace=True))
    except csv.Error as error:
        raise CorpusError(f"{folder / 'metadata.csv'} is no proper CSV file: {error}.") from None
    for row in rows:
        values = {name.strip(): value.strip() for name, value in row.items() if name and isinstance(value, str)}
        name = values.get("path", "")
        speaker = values.get("speaker", corpus)
        if None in row or not name:
            reject(f"{corpus}/{name}", "its line of metadata.csv has too many fields or no path")
        elif Path(name).is_absolute() or ".." in Path(name).parts:
            reject(f"{corpus}/{name}", "the path leads out of the corpus")
        elif not speaker:
            reject(f"{corpus}/{name}", "no speaker is named")
        else:
            yield _Found(Path(name).as_posix(), folder / name, speaker, values.get("text", ""))


def _read_ljspeech(folder: Path, text: str, corpus: str, reject: OnReject) -> Iterator[_Found]:
    lying = {path.stem: path for path in _audio_files(folder)}
    for line in text.split("\n"):
        name, *texts = line.split("|")
        if not line.strip():
            continue
        stem = Path(name.strip()).name
        path = lying.get(stem) or lying.get(Path(stem).stem)
        if path is None or not texts:
            reject(f"{corpus}/{name}", "there is no recording of that name" if texts else "its line has no text")
            continue
        spoken = texts[1] if len(texts) > 1 and texts[1].strip() else texts[0]
        yield _Found(path.relative_to(folder).as_posix(), path, corpus, spoken)


# ---- a folder per speaker --------------------------------------------------------------------------------------------


def _read_speaker_folders(folder: Path, corpus: str, reject: OnReject) -> Iterator[_Found]:
    """The first folder below the corpus names the speaker; in LibriSpeech's layout, the one above the chapter."""
    paths = _audio_files(folder)
    flat = all(path.parent == folder for path in paths)  # no folders at all: one speaker
    lists: dict[Path, dict[str, str] | None] = {}
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if path.parent not in lists:
            lists[path.parent] = _read_transcript_list(path.parent)
        listed = lists[path.parent]
        if path.parent == folder and not flat:
            reject(f"{corpus}/{name}", "it lies outside of the speakers' folders")
            continue
        speaker = corpus if flat else path.relative_to(folder).parts[0]
        if listed is not None and path.parent.parent != folder and path.parent != folder:
            speaker = path.parent.parent.name
        text = listed.get(path.stem) if listed else None
        if text is None:
            text = _read_transcript(path)
        if text is None:
            reject(f"{corpus}/{name}", "its transcript is not UTF-8 text")
            continue
        yield _Found(name, path, speaker, text)
    with_audio = {path.relative_to(folder).parts[0] for path in paths}
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and entry.name not in with_audio and not entry.name.startswith("."):
            reject(f"{corpus}/{entry.name}", "the folder has no recordings")


def _audio_files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES
        and not any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts)
        and path.is_file()
    )


def _read_transcript_list(folder: Path) -> dict[str, str] | None:
    """LibriSpeech's `*.trans.txt`: a name and its text on each line."""
    found = None
    for path in sorted(folder.glob("*.trans.txt")):
        found = found or {}
        for line in (_read_text(path) or "").splitlines():
            name, _, text = line.strip().partition(" ")
            found[name] = text
    return found


def _read_transcript(path: Path) -> str | None:
    """The text beside a recording, "" where there is none, None where it cannot be read."""
    for suffix in TRANSCRIPT_SUFFIXES:
        beside = path.parent / (path.stem + suffix)
        if beside.is_file():
            return _read_text(beside)
    return ""


def _read_text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return None


# ---- cuts ------------------------------------------------------------------------------------------------------------


def _measured_cuts(found: Iterable[_Found], corpus: str, reject: OnReject) -> Iterator[Any]:
    """Cuts of whole files, whose headers are read in threads."""
    from lhotse import AudioSource, MonoCut, MultiCut, Recording, SupervisionSegment

    items = list(found)
    with ThreadPoolExecutor(8) as pool:
        headers = list(pool.map(lambda item: _audio_header(item.path), items, chunksize=64))
    for item, header in zip(items, headers, strict=True):
        key = f"{corpus}/{item.name}"
        if isinstance(header, str):
            reject(key, header)
            continue
        rate, samples, channels = header
        every = list(range(channels))
        source = AudioSource("file", every, str(item.path))
        recording = Recording(key, [source], rate, samples, samples / rate)
        channel: Any = 0 if channels == 1 else every
        text = " ".join(item.text.split())
        spoken = SupervisionSegment(key, key, 0, recording.duration, channel, text, speaker=item.speaker)
        kind = MonoCut if channels == 1 else MultiCut
        yield kind(key, 0, recording.duration, channel, [spoken], recording=recording)


def _audio_header(path: Path) -> tuple[int, int, int] | str:
    """Sample rate, samples and channels; or what is wrong with the file."""
    import soundfile

    if not path.is_file():
        return "the file is missing"
    if not path.stat().st_size:
        return "the file is empty"
    try:
        info = soundfile.info(path)
        header = info.samplerate, info.frames, info.channels
    except (soundfile.LibsndfileError, OSError):
        header = _container_header(path)
    return header if min(header) > 0 else "it cannot be read as audio"


def _container_header(path: Path) -> tuple[int, int, int]:
    """The same by PyAV, for what libsndfile does not read (m4a, aac, webm); zeros where nobody does."""
    import av

    try:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            if stream.duration and stream.time_base:
                seconds = float(stream.duration * stream.time_base)
            else:
                seconds = (container.duration or 0) / 1e6
            return stream.rate, round(seconds * stream.rate), stream.channels
    except (OSError, ValueError, IndexError, av.error.FFmpegError):
        return 0, 0, 0


# ---- lhotse manifests ------------------------------------------------------------------------------------------------


def _manifest_files(path: Path) -> list[tuple[Path, ...]]:
    """Files of cuts, each alone, or else pairs of recordings and supervisions: of a folder, or belonging to a file."""
    if path.is_file():
        twin = path.with_name(path.name.replace("supervisions", "recordings"))
        if not MANIFEST_PATTERN.search(path.name):
            raise CorpusError(f"{path} is no corpus: give a folder of recordings or a lhotse manifest (.jsonl.gz).")
        other = twin.with_name(twin.name.replace("recordings", "supervisions"))
        return [(twin, other)] if other != twin and other.is_file() and twin.is_file() else [(path,)]
    names = sorted(entry for entry in path.iterdir() if entry.is_file() and MANIFEST_PATTERN.search(entry.name))
    cuts: list[tuple[Path, ...]] = [(entry,) for entry in names if re.search(r"(^|[_.-])cuts", entry.name)]
    if cuts:
        return cuts
    pairs = [(entry, entry.with_name(entry.name.replace("recordings", "supervisions"))) for entry in names]
    return [pair for pair in pairs if pair[0] != pair[1] and pair[1].is_file()]


def _manifest_cuts(manifests: list[tuple[Path, ...]], corpus: str, reject: OnReject) -> Iterator[Any]:
    from lhotse import CutSet, RecordingSet, load_manifest

    for paths in manifests:
        try:
            loaded = [load_manifest(path) for path in paths]
        except Exception as error:  # lhotse raises whatever a damaged file makes its parsers raise
            raise CorpusError(f"{paths[0]} cannot be read as a lhotse manifest: {error}.") from error
        if isinstance(loaded[0], RecordingSet) and len(loaded) == 2:
            cuts = CutSet.from_manifests(recordings=loaded[0], supervisions=loaded[1])
        elif isinstance(loaded[0], CutSet):
            cuts = loaded[0]
        else:
            raise CorpusError(f"{paths[0]} names no speakers: the supervisions of the same name must lie beside it.")
        for cut in cuts:
            yield from _one_speaker_cuts(cut, paths[0].parent, corpus, reject)


def _one_speaker_cuts(cut: Any, folder: Path, corpus: str, reject: OnReject) -> Iterator[Any]:
    """A cut of a manifest as cuts of one supervision each, their ids and paths made ours."""
    reason = _why_unusable(cut)
    if reason:
        reject(f"{corpus}/{cut.id}", reason)
        return
    source = Path(cut.recording.sources[0].source)
    if not source.is_absolute() and not source.is_file():
        source = folder / source  # some recipes write paths relative to the manifest
    if not source.is_file():
        reject(f"{corpus}/{cut.id}", "the file is missing")
        return
    cut.recording.sources[0].source = str(source)
    for piece in cut.trim_to_supervisions(keep_overlapping=False):
        spoken = piece.supervisions[0]
        piece.id = f"{corpus}/{spoken.id}"
        if not spoken.speaker:
            reject(piece.id, "no speaker is named")
            continue
        spoken.text = " ".join((spoken.text or "").split())
        yield piece


def _why_unusable(cut: Any) -> str | None:
    recording = getattr(cut, "recording", None)  # mixed and padding cuts have none
    if recording is None:
        return "the cut has no recording of its own"
    if len(recording.sources) != 1 or recording.sources[0].type != "file":
        return "the recording is not one file"
    if recording.transforms:
        return "the recording is to be transformed: give the plain one"
    if not cut.supervisions:
        return "no speaker is named"
    return None
