"""The feature store: arrays of many utterances on disk, written by several processes, read at random by training.

A store is one folder::

    store.json                what the store holds as a whole: stage, mel settings, embedding space, ...
    index-<worker>.jsonl      one line an item: key, shard, place and shape of each array, checksum, meta
    data-<worker>-0000.bin    a shard: the arrays end to end, each at a multiple of 64 bytes
    rejected-<worker>.jsonl   one line for each utterance that was refused: key and reason

Every worker appends to files of its own, so writers never wait for each other. An item exists once its index line is
complete, and that line is written after its arrays: a process that is killed at any point loses the item in work and
nothing else. After a power cut the last lines may point at arrays that never reached the disk, so the items since the
last fsync are compared with their checksums when a store is opened.

Only numpy and the standard library are needed to read a store.
"""

from __future__ import annotations

import json
import os
import re
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from speech.errors import StorageError

FORMAT_VERSION = 1
INFO_NAME = "store.json"
ALIGNMENT = 64  # a cache line, and a multiple of every dtype's own alignment
LOCK_ATTEMPTS = 50  # 10 s
SYNC_EVERY = 64  # items between two calls of fsync: a power cut can spoil no more than these


class _Item(NamedTuple):
    """Where one utterance's arrays lie. `arrays` maps a name to (dtype, shape, offset in the shard)."""

    key: str
    shard: str
    arrays: dict[str, tuple[np.dtype, tuple[int, ...], int]]
    end: int
    checksum: int
    meta: dict[str, Any]


class FeatureStore:
    """Random access to a store's items, in the order of their keys (so the order does not depend on the writers).

    Shards are mapped into memory when first used. A store can be pickled: a worker process maps them anew.

    Args:
        directory: a folder that `FeatureWriter` wrote, finished or not.

    Raises:
        StorageError: it is no feature store, or one of a newer format.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)
        self.info = _read_info(self.directory)
        found: dict[str, _Item] = {}
        for path in sorted(self.directory.glob("index-*.jsonl")):
            for item in _read_index(path):
                found.setdefault(item.key, item)
        self._items = [found[key] for key in sorted(found)]
        self.keys: list[str] = [item.key for item in self._items]
        self._place = {key: place for place, key in enumerate(self.keys)}
        self._shards: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._items)

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the arrays, sorted."""
        return tuple(sorted({name for item in self._items for name in item.arrays}))

    def find(self, key: str) -> int:
        """The place of `key`, or StorageError."""
        try:
            return self._place[key]
        except KeyError:
            raise StorageError(f"The feature store {self.directory} has no item named {key!r}.") from None

    def meta(self, i: int) -> dict[str, Any]:
        """What was stored beside the arrays of item `i`: speaker, corpus, split and so on. Not to be changed."""
        return self._items[i].meta

    def select(self, **wanted: Any) -> list[int]:
        """Places of the items whose meta has all these values, for example `select(split="train")`."""
        return [
            place
            for place, item in enumerate(self._items)
            if all(item.meta.get(name) == value for name, value in wanted.items())
        ]

    def shape(self, i: int, name: str) -> tuple[int, ...]:
        """The shape of an array, without touching its shard."""
        return self._location(i, name)[1]

    def has(self, i: int, name: str) -> bool:
        """Whether item `i` has an array of this name."""
        return name in self._items[i].arrays

    def array(self, i: int, name: str) -> np.ndarray:
        """A read-only view of item `i`'s array `name` in the mapped shard; copy it before changing it.

        Raises:
            StorageError: the item has no such array, or the shard is missing or shorter than the index says.
        """
        dtype, shape, offset = self._location(i, name)
        count = int(np.prod(shape, dtype=np.int64))
        if count == 0:
            return np.empty(shape, dtype)
        shard = self._shard(self._items[i].shard)
        end = offset + count * dtype.itemsize
        if end > shard.size:
            raise StorageError(f"A shard of the feature store {self.directory} is cut short: run preprocess.py again.")
        return shard[offset:end].view(dtype).reshape(shape)

    def rejected(self) -> list[tuple[str, str]]:
        """The utterances that were refused: (key, reason), in the order of their keys."""
        return sorted(_read_rejected(self.directory).items())

    def _location(self, i: int, name: str) -> tuple[np.dtype, tuple[int, ...], int]:
        try:
            return self._items[i].arrays[name]
        except KeyError:
            names = ", ".join(self._items[i].arrays) or "none"
            raise StorageError(
                f"The feature store {self.directory} holds no {name!r} (but {names}): "
                "make the store with the subcommand of preprocess.py for this stage."
            ) from None

    def _shard(self, name: str) -> np.ndarray:
        if name not in self._shards:
            try:
                mapped = np.memmap(self.directory / name, dtype=np.uint8, mode="r")
            except (OSError, ValueError) as error:
                raise StorageError(f"The shard {self.directory / name} cannot be read: {error}.") from None
            self._shards[name] = np.asarray(mapped)  # a plain array: slicing one is several times cheaper
        return self._shards[name]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_shards": {}}


class FeatureWriter:
    """Appends items to a store; one writer a worker name at a time. Use it as a context manager.

    Args:
        directory: the store, made if it is not there. An existing one is continued.
        worker: letters, digits, `_` and `-`; every process that writes at the same time needs its own.
        shard_bytes: a shard that has grown beyond this is followed by a new one.

    Attributes:
        done: keys stored or rejected so far, by any worker, as of the opening of this writer, plus its own since.

    Raises:
        StorageError: the folder cannot be made or written, or holds a store of a newer format.
    """

    def __init__(self, directory: str | os.PathLike[str], worker: str = "0", shard_bytes: int = 256 << 20) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", worker):
            raise StorageError(f"A worker's name is made of letters, digits, _ and -, so {worker!r} will not do.")
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
                _read_info(self.directory)
            self._index = _open_binary(self._index_path)
            _lock(self._index, self._index_path)
            _cut_torn_line(self._index)
            own = _read_index(self._index_path)
            self.done = {item.key for item in own} | _done_keys(self.directory, skip=self._index_path)
            self._rejected = _open_binary(self._rejected_path)
            _cut_torn_line(self._rejected)
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
        """Write what holds for the whole store, atomically.

        Raises:
            StorageError: the store was begun with other settings, which its items would not share.
        """
        path = self.directory / INFO_NAME
        new = json.loads(json.dumps({**info, "format_version": FORMAT_VERSION}))
        if path.exists():
            old = _read_info(self.directory)
            differing = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
            if not differing:
                return
            raise StorageError(
                f"The feature store {self.directory} was begun with other settings "
                f"({', '.join(differing)} differ): give another folder, or delete this one first."
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
        """Store one item. When this returns, killing the process does not lose it.

        Args:
            key: unique in the store; any text.
            arrays: any shapes and plain dtypes (no objects, no records).
            meta: anything JSON can hold.

        Raises:
            StorageError: the key is there already, an array or meta cannot be stored, or the disk is full.
        """
        if key in self.done:
            raise StorageError(f"The feature store {self.directory} already has an item named {key!r}.")
        start = _align(self._position)
        if start >= self._shard_bytes:
            self._next_shard()
            start = 0
        parts: list[bytes] = []
        places: dict[str, list[Any]] = {}
        offset = start
        for name, value in arrays.items():
            value = np.asarray(value)  # not ascontiguousarray, which turns a scalar into a vector
            if value.dtype.hasobject or value.dtype.fields is not None:
                raise StorageError(
                    f"The array {name!r} of {key!r} has the dtype {value.dtype}, which cannot be stored."
                )
            content = value.tobytes()
            places[name] = [value.dtype.str, list(value.shape), offset]
            parts.append(content + bytes(-len(content) % ALIGNMENT))
            offset += len(parts[-1])
        payload = b"".join(parts)
        entry = {"key": key, "shard": self._shard_name, "arrays": places, "end": offset, "crc": zlib.crc32(payload)}
        try:
            line = json.dumps({**entry, "meta": meta}) + "\n"
        except (TypeError, ValueError) as error:
            raise StorageError(f"The meta of {key!r} cannot be written as JSON: {error}.") from None
        try:
            # The place comes from the index, not the file's end: what a failed add left behind is overwritten.
            self._data.seek(start)
            _write_all(self._data, payload)
            _append_line(self._index, line)
        except OSError as error:
            raise _cannot_write(self.directory, error) from error
        self._position = offset
        self._after(key)

    def reject(self, key: str, reason: str) -> None:
        """Note that `key` was looked at and refused, so that a resumed run does not look again."""
        if key in self.done:
            return
        try:
            _append_line(self._rejected, json.dumps({"key": key, "reason": reason}) + "\n")
        except OSError as error:
            raise _cannot_write(self.directory, error) from error
        self._after(key)

    def close(self) -> None:
        """Bring everything to the disk and close the files. May be called twice."""
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

    def _open_shard(self, own: list[_Item]) -> None:
        """Go on in the shard of the last item that is whole."""
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


def _align(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT


def _shard_name(worker: str, number: int) -> str:
    return f"data-{worker}-{number:04d}.bin"


def _cannot_write(directory: Path, error: OSError) -> StorageError:
    return StorageError(f"The feature store {directory} cannot be written ({error.strerror or error}).")


def _open_binary(path: Path) -> Any:
    """Unbuffered, for reading and writing anywhere, made if missing, never cut."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644), "r+b", buffering=0)


def _cut_torn_line(file: Any) -> None:
    """Cut off a last line that has no end, and go to the end."""
    content = file.read()
    file.truncate(content.rfind(b"\n") + 1)
    file.seek(0, os.SEEK_END)


def _lock(file: Any, path: Path) -> None:
    """Keep a second writer of the same name away until the file is closed or the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows: two runs into one store at a time are not noticed there
        return
    for attempt in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if attempt + 1 < LOCK_ATTEMPTS:
                time.sleep(0.2)  # a worker of a run that was just killed may be about to notice
    file.close()
    raise StorageError(f"Another process is writing to {path.parent}: wait for it to end, or stop it.")


def _append_line(file: Any, line: str) -> None:
    """Append a line whole, or (disk full) not at all."""
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


def _read_info(directory: Path) -> dict[str, Any]:
    path = directory / INFO_NAME
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        version = int(info["format_version"])
    except (OSError, ValueError, KeyError, TypeError):
        raise StorageError(
            f"{directory} is no feature store (it has no readable {INFO_NAME}): make one with preprocess.py."
        ) from None
    if version > FORMAT_VERSION:
        raise StorageError(f"The feature store {directory} is of a newer format ({version}): update the program.")
    return info


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a JSONL file that are whole; a torn or spoilt one is left out."""
    content = path.read_bytes()
    for line in content[: content.rfind(b"\n") + 1].split(b"\n"):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def _read_index(path: Path) -> list[_Item]:
    """The items of one worker whose arrays are really there."""
    items = []
    sizes: dict[str, int] = {}
    for line in _lines(path):
        try:
            arrays = {
                name: (np.dtype(dtype), tuple(shape), int(offset))
                for name, (dtype, shape, offset) in line["arrays"].items()
            }
            item = _Item(line["key"], line["shard"], arrays, line["end"], line["crc"], line["meta"])
        except (KeyError, TypeError, ValueError):
            continue
        if item.shard not in sizes:
            shard = path.parent / item.shard
            sizes[item.shard] = shard.stat().st_size if shard.exists() else -1
        if item.end <= sizes[item.shard]:
            items.append(item)
    tail = items[-SYNC_EVERY:]
    return items[: len(items) - len(tail)] + [item for item in tail if _is_whole(path.parent, item)]


def _is_whole(directory: Path, item: _Item) -> bool:
    if not item.arrays:
        return True
    start = min(offset for _, _, offset in item.arrays.values())
    with (directory / item.shard).open("rb") as file:
        file.seek(start)
        return zlib.crc32(file.read(item.end - start)) == item.checksum


def _read_rejected(directory: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted(directory.glob("rejected-*.jsonl")):
        for line in _lines(path):
            if "key" in line:
                found.setdefault(line["key"], str(line.get("reason", "")))
    return found


def _done_keys(directory: Path, skip: Path) -> set[str]:
    done = set(_read_rejected(directory))
    for path in directory.glob("index-*.jsonl"):
        if path != skip:
            done.update(item.key for item in _read_index(path))
    return done
