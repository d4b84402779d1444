"""The journal of a batch: one line per event, so that a finished file costs the same in a batch of any length.

It is also the lock of the output folder. It is removed when the manifest holds all that it says.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from speech.errors import StorageError
from speech.files import lock_file, refuse_special, storage_error

LOCK_SECONDS = 1.0  # a batch that was just killed may still be ending


class Journal:
    """An open journal, locked until it is closed. Use it as a context manager.

    Raises:
        StorageError: another batch writes to the folder, or the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _open_locked(path)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._file.closed and not os.fstat(self._file.fileno()).st_size:
            self.remove()  # nothing was begun
        self._file.close()

    def start(self, batch: str) -> None:
        """Drop all lines, and begin those of one batch, named by a digest of its settings."""
        try:
            self._file.truncate(0)
        except OSError as error:
            raise storage_error(self.path, error) from error
        self.append({"batch": batch})

    def append(self, event: Mapping[str, Any]) -> None:
        """Append a line. Killing the process does not lose it once this has returned."""
        try:
            self._file.write(json.dumps(event).encode("ascii") + b"\n")
            os.fsync(self._file.fileno())
        except OSError as error:
            raise storage_error(self.path, error) from error

    def remove(self) -> None:
        """Remove the file, while it is locked: a batch that waits for the lock makes another file."""
        try:
            self.path.unlink(missing_ok=True)
        except PermissionError:  # Windows cannot remove open files
            self._file.close()
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)


def read_journal(path: Path, batch: str) -> Iterator[dict[str, Any]]:
    """The events of a batch. A line that was cut short, and the journals of other batches, are left out."""
    if not path.is_file():
        return
    try:
        lines = path.read_bytes().split(b"\n")[:-1]  # after the last newline nothing, or a line that was cut short
    except OSError:
        return
    events = [event for event in map(_event, lines) if event is not None]
    if events and events[0].get("batch") == batch:
        yield from events[1:]


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def _open_locked(path: Path) -> BinaryIO:
    while True:
        try:
            path.parent.mkdir(exist_ok=True)
            refuse_special(path)
            file = open(path, "ab", buffering=0)  # noqa: SIM115 - closed by the journal
        except OSError as error:
            raise storage_error(path, error) from error
        if not lock_file(file, LOCK_SECONDS):
            file.close()
            raise StorageError(
                f"Another batch is writing to {path.parent}: wait for it to end, or choose another folder."
            )
        if _is_open(path, file):
            return file
        file.close()  # the batch that held the lock has removed this file


def _is_open(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
