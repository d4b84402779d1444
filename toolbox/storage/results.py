"""Results on disk, each with all that repeats it: audio, mels, alignments, seed, text, options, models, voice.

A result is a folder `<id>/` with `sound.wav`, `arrays.safetensors` and `result.json`. It is written under a temporary
name and renamed, so that it is never incomplete. Only the cards stay in memory; audio and arrays are read on demand.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import secrets
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from modelfile.user_folders import user_data_folder
from speech.errors import ModelFileError, StorageError
from speech.files import flush_to_disk, storage_error, write_flushed
from toolbox.storage.files import remove_leftovers
from toolbox.storage.result_files import (
    ARRAYS,
    AUDIO,
    CARD,
    Entry,
    Line,
    Result,
    card_of,
    contents_of,
    entry_of,
    result_of,
)  # fmt: skip

__all__ = ["BREAK_SECONDS", "Entry", "Line", "Result", "ResultStore"]

logger = logging.getLogger(__name__)

TRASH = ".trash"
TRASH_SECONDS = 30 * 86_400
BREAK_SECONDS = 0.15  # silence between two lines


class ResultStore:
    """The results in a folder.

    Args:
        directory: created with the first result; by default in the user's data folder.

    Attributes:
        remarks: a sentence for each folder that could not be read and is not listed.
    """

    def __init__(self, directory: str | Path | None = None) -> None:
        self.directory = Path(directory) if directory is not None else user_data_folder() / "results"
        self.remarks: list[str] = []
        self._entries: dict[str, Entry] | None = None

    def list(self) -> list[Entry]:
        """All results, newest first. Reads the folder on the first call."""
        if self._entries is None:
            self._entries = self._scan()
        return sorted(self._entries.values(), key=lambda entry: entry.key, reverse=True)

    def add(self, result: Result) -> Entry:
        """Store a result. Raises: StorageError if the disk is full or the folder is not writable."""
        self.list()
        assert self._entries is not None
        now = datetime.datetime.now(datetime.UTC)
        key = f"{now:%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}"
        card = card_of(result, result.created or now.isoformat(timespec="seconds"))
        partial = self.directory / f".{key}.partial"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            partial.mkdir()
            for name, data in contents_of(result, card).items():
                write_flushed(partial / name, data)
            flush_to_disk(partial)
            partial.rename(self.directory / key)
            flush_to_disk(self.directory)
        except OSError as error:
            raise storage_error(self.directory / key, error) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self._entries[key] = entry = entry_of(key, card)
        return entry

    def load(self, key: str) -> Result:
        """A whole result. Raises: ModelFileError if it is gone or damaged."""
        folder = self.directory / key
        try:
            card = json.loads((folder / CARD).read_text(encoding="utf-8"))
            return result_of(folder, card)
        except Exception as error:  # readers of damaged files raise many kinds
            raise ModelFileError(f"The result {key} is damaged or was deleted.") from error

    def audio(self, key: str) -> tuple[np.ndarray, int]:
        """Only the audio, float32 [samples], and its rate. Raises: ModelFileError."""
        import soundfile

        try:
            return soundfile.read(self.directory / key / AUDIO, dtype="float32")
        except (soundfile.SoundFileError, OSError) as error:
            raise ModelFileError(f"The audio of the result {key} is damaged or was deleted.") from error

    def delete(self, key: str) -> None:
        """Move a result to the trash. Raises: StorageError."""
        self._move(self.directory / key, self.directory / TRASH / key)
        if self._entries is not None:
            self._entries.pop(key, None)

    def restore(self, key: str) -> Entry:
        """Restore a result from the trash. Raises: StorageError if it is not there or cannot be moved."""
        self._move(self.directory / TRASH / key, self.directory / key)
        entry = self._read(self.directory / key)
        if self._entries is not None:
            self._entries[key] = entry
        return entry

    def trash(self) -> Sequence[Entry]:
        """The deleted results that can be read, newest first; `restore` takes their keys."""
        found = []
        for folder in sorted((self.directory / TRASH).glob("*"), reverse=True):
            with contextlib.suppress(Exception):  # readers of damaged files raise many kinds
                found.append(self._read(folder))
        return found

    def _empty_old_trash(self) -> None:
        with contextlib.suppress(OSError):
            for folder in (self.directory / TRASH).glob("*"):
                if time.time() - folder.stat().st_ctime > TRASH_SECONDS:  # changed by the move to the trash
                    shutil.rmtree(folder, ignore_errors=True)

    def _move(self, source: Path, target: Path) -> None:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
        except FileNotFoundError as error:
            raise StorageError(f"The result {source.name} no longer exists.") from error
        except OSError as error:
            raise storage_error(source, error) from error

    def _scan(self) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        self.remarks = []
        if not self.directory.is_dir():
            return entries
        remove_leftovers(self.directory)
        self._empty_old_trash()
        for folder in sorted(self.directory.iterdir()):
            if folder.name.startswith(".") or not folder.is_dir():
                continue
            try:
                entries[folder.name] = self._read(folder)
            except Exception as error:
                logger.warning("%s: %s", folder, error)
                self.remarks.append(f"The result {folder.name} is damaged and is not listed.")
        return entries

    def _read(self, folder: Path) -> Entry:
        for name in (AUDIO, ARRAYS):
            (folder / name).stat()
        return entry_of(folder.name, json.loads((folder / CARD).read_text(encoding="utf-8")))
