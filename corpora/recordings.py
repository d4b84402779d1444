"""Recordings as a corpus lists them, before anybody has opened one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

OnReject = Callable[[str, str], None]  # (key, reason)

AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".mp4", ".webm", ".aif", ".aiff", ".au", ".sph", ".wma"}
)


class Found(NamedTuple):
    """A recording that may not even exist. `name` is its path inside the corpus; `text` is "" where there is none."""

    name: str
    path: Path
    speaker: str
    text: str


def is_audio(path: Path) -> bool:
    """By its name."""
    return path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")


def audio_files(folder: Path) -> list[Path]:
    """All recordings below a folder, sorted; nothing hidden, no resource forks of macOS."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES
        and not any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts)
        and path.is_file()
    )


def leads_out(name: str) -> bool:
    """Whether a path that a list names is not inside the folder of that list."""
    return Path(name).is_absolute() or ".." in Path(name).parts


def read_text(path: Path) -> str | None:
    """A text file as UTF-8, or None where it is something else."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return None
