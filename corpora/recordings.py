"""Recordings as a corpus lists them, before any file is opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

OnReject = Callable[[str, str], None]  # (key, reason)

AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".mp4", ".webm", ".aif", ".aiff", ".au", ".sph", ".wma"}
)


Labels = tuple[tuple[str, str], ...]  # (name, value) of what a corpus says about a recording: (("emotion", "happy"),)


class Found(NamedTuple):
    """A listed recording; the file may not exist. `name` is its path in the corpus; `text` is "" if there is none."""

    name: str
    path: Path
    speaker: str
    text: str
    labels: Labels = ()


def is_audio(path: Path) -> bool:
    """Whether a file is a recording, by its name."""
    return path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")


def audio_files(folder: Path) -> list[Path]:
    """All recordings below a folder, sorted; no hidden files, no resource forks of macOS."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES
        and not any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts)
        and path.is_file()
    )


def leads_out(name: str) -> bool:
    """Whether a path of a list points outside the folder of that list."""
    return Path(name).is_absolute() or ".." in Path(name).parts


def read_text(path: Path) -> str | None:
    """The content of a text file; None if it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return None
