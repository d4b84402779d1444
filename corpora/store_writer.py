"""Appending to a feature store from one process (the format is described in `corpora.store`)."""

from __future__ import annotations

import json
import os
import re
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from corpora.store_compiled import compile_index
from corpora.store_files import (
    FORMAT_VERSION,
    INFO_NAME,
    REJECTED_NAME,
    SYNC_EVERY,
    Item,
    done_keys,
    read_index,
    read_info,
    read_rejected,
)
from corpora.store_index import index_files, line_files
from speech.errors import StorageError
from speech.files import lock_file

ALIGNMENT = 64  # a cache line, and a multiple of every dtype's own alignment
LOCK_SECONDS = 10.0  # a worker of a run that was just killed may still be ending


class FeatureWriter:
    """Appends items to a store; one writer per worker name at a time. Use it as a context manager.

    Args:
        directory: the store; created if missing, continued if it exists.
        worker: letters, digits, `_` and `-`; processes that write at the same time need different names.
        shard_bytes: size from which a new shard is started.
        read_others: know what other workers have done. Their keys take memory, and a process that gets only work that
            is not done yet does not need them.

    Attributes:
        done: keys stored or rejected by any worker when this writer was opened (or by this one, without
            `read_others`), and by this one since.

    Raises:
        StorageError: the folder cannot be created or written, or holds a store of a newer format.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        worker: str = "0",
        shard_bytes: int = 256 << 20,
        read_others: bool = True,
    ) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", worker):
            raise StorageError(f"The worker name {worker!r} is invalid: use letters, digits, _ and -.")
        self.directory = Path(directory)
        self.worker = worker
        self._shard_bytes = shard_bytes
        self._index_path = self.directory / f"index-{worker}.jsonl"
        self._rejected_path = self.directory / f"rejected-{worker}.jsonl"
        self._unsynced = 0
        self._shard_name = ""
        self._position = 0
        self._data: Any = None
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            if (self.directory / INFO_NAME).exists():
                read_info(self.directory)
            self._index = _open_binary(self._index_path)
            _lock(self._index, self._index_path)
            _remove_incomplete_line(self._index)
            own = read_index(self._index_path)
            self.done = {item.key for item in own}
            if read_others:
                self.done |= done_keys(self.directory, skip=self._index_path)
            self._rejected = _open_binary(self._rejected_path)
            _remove_incomplete_line(self._rejected)
            self._open_shard(own)
        except OSError as error:
            raise _cannot_write(self.directory, error) from error

    def __enter__(self) -> FeatureWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write_info(self, info: dict[str, Any]) -> None:
        """Write the settings of the whole store, atomically.

        Raises:
            StorageError: the store was made with other settings.
        """
        path = self.directory / INFO_NAME
        new = json.loads(json.dumps({**info, "format_version": FORMAT_VERSION}))
        if path.exists():
            old = read_info(self.directory)
            differing = _differences(old, new)
            if not differing:
                return
            raise StorageError(
                f"The feature store {self.directory} was made with other settings ({'; '.join(differing)}): "
                "use the same settings, give another folder, or delete this one first."
            )
        temporary = path.with_name(f"{INFO_NAME}.{self.worker}.tmp")
        try:
            with temporary.open("w", encoding="utf-8") as file:
                json.dump(new, file, indent=2, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            raise _cannot_write(self.directory, error) from error

    def add(self, key: str, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        """Store one item. Once this has returned, killing the process does not lose it.

        Args:
            key: any text, unique in the store.
            arrays: any shapes and plain dtypes (no objects, no records).
            meta: JSON values.

        Raises:
            StorageError: the key exists already, an array or meta cannot be stored, or the disk is full.
        """
        if key in self.done:
            raise StorageError(f"The feature store {self.directory} already has an item named {key!r}.")
        start = _align(self._position)
        if start >= self._shard_bytes:
            self._next_shard()
            start = 0
        parts: list[bytes] = []
        located: dict[str, list[Any]] = {}
        offset = start
        for name, value in arrays.items():
            value = np.asarray(value)  # not ascontiguousarray, which turns a scalar into a vector
            if value.dtype.hasobject or value.dtype.fields is not None:
                raise StorageError(
                    f"The array {name!r} of {key!r} has the dtype {value.dtype}, which cannot be stored."
                )
            content = value.tobytes()
            located[name] = [value.dtype.str, list(value.shape), offset]
            parts.append(content + bytes(-len(content) % ALIGNMENT))
            offset += len(parts[-1])
        payload = b"".join(parts)
        entry = {"key": key, "shard": self._shard_name, "arrays": located, "end": offset, "crc": zlib.crc32(payload)}
        try:
            line = json.dumps({**entry, "meta": meta}) + "\n"
        except (TypeError, ValueError) as error:
            raise StorageError(f"The meta of {key!r} cannot be written as JSON: {error}.") from None
        try:
            # The position comes from the index, not from the file size: the rest of a failed add is overwritten.
            self._data.seek(start)
            _write_all(self._data, payload)
            _append_line(self._index, line)
        except OSError as error:
            raise _cannot_write(self.directory, error) from error
        self._position = offset
        self._after(key)

    def reject(self, key: str, reason: str) -> None:
        """Record that `key` is left out, so that a resumed run skips it."""
        if key in self.done:
            return
        try:
            _append_line(self._rejected, json.dumps({"key": key, "reason": reason}) + "\n")
        except OSError as error:
            raise _cannot_write(self.directory, error) from error
        self._after(key)

    def merge_rejected(self) -> None:
        """Merge the lists of all workers into `rejected.jsonl`. Only while no other writer is open."""
        temporary = self.directory / f"{REJECTED_NAME}.{self.worker}.tmp"
        try:
            with temporary.open("w", encoding="ascii") as file:
                for key, reason in sorted(read_rejected(self.directory).items()):
                    file.write(json.dumps({"key": key, "reason": reason}) + "\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.directory / REJECTED_NAME)
            self._drop_worker_lists()
        except OSError as error:
            raise _cannot_write(self.directory, error) from error

    def compile_index(self) -> None:
        """Compile the lines of all workers, so that the store opens at once. Only while no other writer is open."""
        files = index_files(self.directory)
        items = (item for path in files for item in read_index(path))
        compile_index(self.directory, items, line_files(self.directory))

    def forget_rejected(self) -> None:
        """Let a run try again what was left out. Only while no other writer is open."""
        try:
            self.done -= set(read_rejected(self.directory))
            (self.directory / REJECTED_NAME).unlink(missing_ok=True)
            self._drop_worker_lists()
        except OSError as error:
            raise _cannot_write(self.directory, error) from error

    def _drop_worker_lists(self) -> None:
        for path in self.directory.glob("rejected-*.jsonl"):
            if path != self._rejected_path:
                path.unlink()
        self._rejected.seek(0)
        self._rejected.truncate(0)

    def close(self) -> None:
        """Flush everything to the disk and close the files. May be called twice."""
        if self._index.closed:
            return
        try:
            self._sync()
        except OSError as error:
            raise _cannot_write(self.directory, error) from error
        finally:
            for file in (self._data, self._index, self._rejected):
                file.close()

    def _after(self, key: str) -> None:
        self.done.add(key)
        self._unsynced += 1
        if self._unsynced >= SYNC_EVERY:
            self._sync()

    def _sync(self) -> None:
        for file in (self._data, self._index, self._rejected):  # the data first: no index line without its arrays
            os.fsync(file.fileno())
        self._unsynced = 0

    def _open_shard(self, own: list[Item]) -> None:
        """Continue in the shard of the last complete item."""
        self._shard_number = max((int(item.shard.rsplit("-", 1)[1].split(".")[0]) for item in own), default=0)
        self._shard_name = _shard_name(self.worker, self._shard_number)
        self._position = max((item.end for item in own if item.shard == self._shard_name), default=0)
        self._data = _open_binary(self.directory / self._shard_name)
        self._data.truncate(self._position)

    def _next_shard(self) -> None:
        self._sync()
        self._data.close()
        self._shard_number += 1
        self._shard_name = _shard_name(self.worker, self._shard_number)
        self._position = 0
        self._data = _open_binary(self.directory / self._shard_name)
        self._data.truncate(0)


def _differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """What differs between the settings of a store and the ones asked for, with both values."""
    found = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            found += _differences(before, after, f"{prefix}{name}.")
        elif before != after:
            found.append(f"{prefix}{name} is {json.dumps(before)} in the store, not {json.dumps(after)}")
    return found


def _align(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT


def _shard_name(worker: str, number: int) -> str:
    return f"data-{worker}-{number:04d}.bin"


def _cannot_write(directory: Path, error: OSError) -> StorageError:
    return StorageError(f"The feature store {directory} cannot be written ({error.strerror or error}).")


def _open_binary(path: Path) -> Any:
    """Unbuffered, for reading and writing at any position; created if missing, never truncated."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644), "r+b", buffering=0)


def _remove_incomplete_line(file: Any) -> None:
    """Remove an incomplete last line and seek to the end."""
    content = file.read()
    file.truncate(content.rfind(b"\n") + 1)
    file.seek(0, os.SEEK_END)


def _lock(file: Any, path: Path) -> None:
    """Lock out a second writer of the same name until the file is closed or the process ends."""
    if not lock_file(file, LOCK_SECONDS):
        file.close()
        raise StorageError(f"Another process is writing to {path.parent}: wait for it to end, or stop it.")


def _append_line(file: Any, line: str) -> None:
    """Append a whole line, or nothing if the disk is full."""
    before = file.tell()
    try:
        _write_all(file, line.encode("ascii"))
    except OSError:
        file.seek(before)
        file.truncate(before)
        raise


def _write_all(file: Any, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]
