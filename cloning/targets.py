"""Texts read from files, and checks of the files that speech will be written to, before any work begins."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cloning.batch import MANIFEST, Manifest
from cloning.narration import speakable
from speech.errors import StorageError, TextError
from speech.files import refuse_special

if TYPE_CHECKING:
    from synthesizer.text.lexicon import Lexicon


STANDARD_INPUT = Path("-")
SHOWN_LINES = 10  # that cannot be spoken, in an error


def read_text(path: Path) -> str:
    """The content of a UTF-8 text file, or of standard input for "-".

    Raises:
        TextError: there is no such file, or it is not UTF-8 text; pipes and devices are read as standard input only.
    """
    try:
        if path == STANDARD_INPUT:
            data = sys.stdin.buffer.read()
        else:
            refuse_special(path)
            data = path.read_bytes()
        return data.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise TextError(f"There is no text file {path}: check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise TextError(f"{_name(path)} is not a text file that can be read: save it as UTF-8 text.") from error


def read_text_lines(path: Path, lexicon: Lexicon | None = None) -> list[str]:
    """The lines of a text file, or of standard input for "-", that are not empty.

    Raises:
        TextError: the file cannot be read or is empty, or lines cannot be spoken; their numbers are named.
    """
    texts, faults = [], []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            texts.append(speakable(line, f"line {number}", lexicon))
        except TextError as error:
            faults.append(str(error).rstrip("."))
    if faults:
        more = f" and {len(faults) - SHOWN_LINES} more" if len(faults) > SHOWN_LINES else ""
        raise TextError(f"{_name(path)}: {'; '.join(faults[:SHOWN_LINES])}{more}.")
    if not texts:
        raise TextError(f"{_name(path)} is empty: write one sentence per line.")
    return texts


def _name(path: Path) -> str:
    return "Standard input" if path == STANDARD_INPUT else str(path)


def check_batch(jobs: Sequence[tuple[str, Path]], references: Sequence[Path], overwrite: bool) -> None:
    """Check the files of a batch and its manifest; files that an earlier batch made of the same texts may be there.

    Raises:
        StorageError: as `check_target` and `check_folder`.
    """
    folder = jobs[0][1].parent
    check_folder(folder)
    earlier = Manifest.read(folder / MANIFEST)
    for text, path in jobs:
        if earlier is None or not earlier.may_replace(text, path):
            check_target(path, references, overwrite)
    check_target(folder / MANIFEST, references, overwrite or earlier is not None)


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
