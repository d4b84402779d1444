"""Results kept on disk, each with all that made it: sound, mels, alignments, seed, text, models, voice.

A result is a folder `<id>/` with `sound.wav`, `arrays.safetensors` and `result.json`. It is made beside and renamed, so
that it is there whole or not at all. Only a few lines of each stay in memory; sound and pictures are read when asked
for.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import secrets
import shutil
import time
from pathlib import Path

import numpy as np

from cloning.voices import user_data_folder
from speech.errors import ModelFileError, StorageError
from toolbox.storage.files import flush_folder, remove_leftovers, storage_error, write_flushed
from toolbox.storage.result_files import (
    ARRAYS,
    CARD,
    SOUND,
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
BREAK_SECONDS = 0.15  # of silence between two lines


class ResultStore:
    """The results in a folder.

    Args:
        directory: made when the first result is kept; by default in the user's data folder.

    Attributes:
        remarks: a sentence for each folder in it that could not be read and was left out.
    """

    def __init__(self, directory: str | Path | None = None) -> None:
        self.directory = Path(directory) if directory is not None else user_data_folder() / "results"
        self.remarks: list[str] = []
        self._entries: dict[str, Entry] | None = None

    def list(self) -> list[Entry]:
        """All results, the newest first. Reads the folder on the first call."""
        if self._entries is None:
            self._entries = self._scan()
        return sorted(self._entries.values(), key=lambda entry: entry.key, reverse=True)

    def add(self, result: Result) -> Entry:
        """Keep a result. Raises: StorageError if the disk is full or the folder cannot be written."""
        self.list()
        assert self._entries is not None
        now = datetime.datetime.now(datetime.UTC)
        key = f"{now:%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}"
        card = card_of(result, result.created or now.isoformat(timespec="seconds"))
        made = self.directory / f".{key}.partial"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            made.mkdir()
            for name, data in contents_of(result, card).items():
                write_flushed(made / name, data)
            flush_folder(made)
            made.rename(self.directory / key)
            flush_folder(self.directory)
        except OSError as error:
            raise storage_error(self.directory / key, error) from error
        finally:
            shutil.rmtree(made, ignore_errors=True)
        self._entries[key] = entry = entry_of(key, card)
        return entry

    def load(self, key: str) -> Result:
        """A whole result. Raises: ModelFileError if it is gone or damaged."""
        folder = self.directory / key
        try:
            card = json.loads((folder / CARD).read_text(encoding="utf-8"))
            return result_of(folder, card)
        except Exception as error:  # whatever a damaged file makes its readers raise
            raise ModelFileError(f"The result {key} is damaged or was deleted: it cannot be shown.") from error

    def sound(self, key: str) -> tuple[np.ndarray, int]:
        """Only the sound, float32 [samples], and its rate. Raises: ModelFileError."""
        import soundfile

        try:
            return soundfile.read(self.directory / key / SOUND, dtype="float32")
        except (soundfile.SoundFileError, OSError) as error:
            raise ModelFileError(f"The sound of the result {key} is damaged or was deleted.") from error

    def export(self, key: str, path: str | Path, overwrite: bool = False) -> Path:
        """Write its sound as .wav, .flac or .ogg. Raises: StorageError, ModelFileError."""
        from speech.audio import write_audio

        wav, sample_rate = self.sound(key)
        write_audio(path, wav, sample_rate, overwrite=overwrite)
        return Path(path)

    def delete(self, key: str) -> None:
        """Put a result into the trash. Raises: StorageError."""
        self._move(self.directory / key, self.directory / TRASH / key)
        if self._entries is not None:
            self._entries.pop(key, None)

    def restore(self, key: str) -> Entry:
        """Take a result out of the trash again. Raises: StorageError if it is not there or cannot be moved."""
        self._move(self.directory / TRASH / key, self.directory / key)
        entry = self._read(self.directory / key)
        if self._entries is not None:
            self._entries[key] = entry
        return entry

    def empty_trash(self) -> None:
        shutil.rmtree(self.directory / TRASH, ignore_errors=True)

    def _empty_old_trash(self) -> None:
        with contextlib.suppress(OSError):
            for folder in (self.directory / TRASH).glob("*"):
                if time.time() - folder.stat().st_ctime > TRASH_SECONDS:  # the move into the trash counts
                    shutil.rmtree(folder, ignore_errors=True)

    def _move(self, source: Path, target: Path) -> None:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
        except FileNotFoundError as error:
            raise StorageError(f"There is no result {source.name} any more.") from error
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
                self.remarks.append(f"The result {folder.name} is damaged and is left out of the list.")
        return entries

    def _read(self, folder: Path) -> Entry:
        for name in (SOUND, ARRAYS):
            (folder / name).stat()
        return entry_of(folder.name, json.loads((folder / CARD).read_text(encoding="utf-8")))
