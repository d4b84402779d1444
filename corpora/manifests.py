"""Corpora prepared by a lhotse recipe: cuts, or recordings with their supervisions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpora.recordings import OnReject
from speech.errors import CorpusError

MANIFEST_PATTERN = re.compile(r"\.(jsonl|json|yaml)(\.gz)?$")


def manifest_files(path: Path) -> list[tuple[Path, ...]]:
    """The files of cuts of a folder, or else its pairs of recordings and supervisions; for a file, itself and its pair.

    Raises:
        CorpusError: the file is not a manifest.
    """
    if path.is_file():
        twin = path.with_name(path.name.replace("supervisions", "recordings"))
        if not MANIFEST_PATTERN.search(path.name):
            raise CorpusError(f"{path} is not a corpus: give a folder of recordings or a lhotse manifest (.jsonl.gz).")
        other = twin.with_name(twin.name.replace("recordings", "supervisions"))
        return [(twin, other)] if other != twin and other.is_file() and twin.is_file() else [(path,)]
    names = sorted(entry for entry in path.iterdir() if entry.is_file() and MANIFEST_PATTERN.search(entry.name))
    cuts: list[tuple[Path, ...]] = [(entry,) for entry in names if re.search(r"(^|[_.-])cuts", entry.name)]
    if cuts:
        return cuts
    pairs = [(entry, entry.with_name(entry.name.replace("recordings", "supervisions"))) for entry in names]
    return [pair for pair in pairs if pair[0] != pair[1] and pair[1].is_file()]


def manifest_cuts(manifests: list[tuple[Path, ...]], corpus: str, reject: OnReject) -> Iterator[Any]:
    """All cuts of some manifests, of one supervision each.

    Raises:
        CorpusError: a manifest cannot be read or names no speakers.
    """
    from lhotse import CutSet, RecordingSet, load_manifest

    for paths in manifests:
        try:
            loaded = [load_manifest(path) for path in paths]
        except Exception as error:  # a damaged file may raise any error of a parser
            raise CorpusError(f"{paths[0]} cannot be read as a lhotse manifest: {error}.") from error
        if isinstance(loaded[0], RecordingSet) and len(loaded) == 2:
            cuts = CutSet.from_manifests(recordings=loaded[0], supervisions=loaded[1])
        elif isinstance(loaded[0], CutSet):
            cuts = loaded[0]
        else:
            raise CorpusError(f"{paths[0]} names no speakers: put the supervisions of the same name beside it.")
        for cut in cuts:
            yield from _one_speaker_cuts(cut, paths[0].parent, corpus, reject)


def _one_speaker_cuts(cut: Any, folder: Path, corpus: str, reject: OnReject) -> Iterator[Any]:
    """A cut of a manifest as cuts of one supervision each, with keys as ids and paths that exist."""
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
    for part in cut.trim_to_supervisions(keep_overlapping=False):
        spoken = part.supervisions[0]
        part.id = f"{corpus}/{spoken.id}"
        if not spoken.speaker:
            reject(part.id, "no speaker is named")
            continue
        spoken.text = " ".join((spoken.text or "").split())
        yield part


def _why_unusable(cut: Any) -> str | None:
    recording = getattr(cut, "recording", None)  # mixed and padding cuts have none
    if recording is None:
        return "the cut is not of a single recording"
    if len(recording.sources) != 1 or recording.sources[0].type != "file":
        return "the recording is not one file"
    if recording.transforms:
        return "the manifest transforms the recording: use one that does not"
    if not cut.supervisions:
        return "no speaker is named"
    return None
