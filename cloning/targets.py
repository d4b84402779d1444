"""Texts read from files, and checks of the files that speech will be written to, before any work begins."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cloning.narration import MANIFEST, speakable
from speech.errors import StorageError, TextError

if TYPE_CHECKING:
    from synthesizer.text.lexicon import Lexicon


def read_text_lines(path: Path, lexicon: Lexicon | None = None) -> list[str]:
    """The lines of a text file that are not empty.

    Raises:
        TextError: the file cannot be read, is empty, or holds a line that cannot be spoken, which is named.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise TextError(f"There is no text file {path}: check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise TextError(f"{path} is not a text file that can be read: save it as UTF-8 text.") from error
    texts = [speakable(line, f"{path}, line {number}", lexicon) for number, line in enumerate(lines, 1) if line.strip()]
    if not texts:
        raise TextError(f"{path} is empty: write one sentence per line.")
    return texts


def numbered_paths(folder: Path, count: int, suffix: str = ".wav") -> list[Path]:
    """001.wav, 002.wav, ... in a folder."""
    digits = max(3, len(str(count)))
    return [folder / f"{number:0{digits}}{suffix}" for number in range(1, count + 1)]


def check_target(path: Path, references: Sequence[Path], overwrite: bool) -> None:
    """Check that an audio file or manifest may be written.

    Raises:
        StorageError: wrong suffix, not a regular file, a reference clip, or there already and `overwrite` is False.
    """
    from speech.audio import OUTPUT_FORMATS

    if path.name != MANIFEST and path.suffix.lower() not in OUTPUT_FORMATS:
        raise StorageError(f"{path} must end in {', '.join(OUTPUT_FORMATS)}: the suffix chooses the format.")
    if not path.exists():
        return
    if not path.is_file():
        raise StorageError(f"{path} is not a regular file, so it is not overwritten: choose another name.")
    if any(path.samefile(reference) for reference in references):
        raise StorageError(f"{path} is a reference clip: choose another name for the result.")
    if not overwrite:
        raise StorageError(f"{path} exists already: choose another name, or give --force to overwrite it.")


def check_folder(folder: Path, may_be_made: bool = True) -> None:
    """Raises: StorageError if no file can be created in a folder, or the folder itself if it is missing."""
    existing = folder
    if may_be_made and not folder.exists():
        existing = folder.parent
    if not existing.is_dir():
        raise StorageError(f"There is no folder {existing}: make it first, or choose another one.")
    try:
        with tempfile.TemporaryFile(dir=existing) as file:  # permissions do not reveal a read-only file system
            file.write(b"0")
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(
            f"Nothing can be written to the folder {existing} ({reason}): choose another one."
        ) from error
