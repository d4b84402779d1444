"""Reading the files of a feature store (the format is described in `corpora.store`)."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from speech.errors import StorageError

FORMAT_VERSION = 1
INFO_NAME = "store.json"
REJECTED_NAME = "rejected.jsonl"  # after a run; during a run each worker has its own list
SYNC_EVERY = 64  # items between two calls of fsync; a power cut can damage at most these


class Item(NamedTuple):
    """Location of one utterance's arrays. `arrays` maps a name to (dtype, shape, offset in the shard)."""

    key: str
    shard: str
    arrays: dict[str, tuple[np.dtype, tuple[int, ...], int]]
    end: int
    checksum: int
    meta: dict[str, Any]


def read_info(directory: Path) -> dict[str, Any]:
    """The content of store.json. Raises: StorageError if it is missing, damaged or of a newer format."""
    path = directory / INFO_NAME
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        version = int(info["format_version"])
    except (OSError, ValueError, KeyError, TypeError):
        raise StorageError(
            f"{directory} is not a feature store (it has no readable {INFO_NAME}): make one with preprocess.py."
        ) from None
    if version > FORMAT_VERSION:
        raise StorageError(f"The feature store {directory} has the newer format {version}: update the program.")
    return info


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The complete lines of a JSONL file; damaged ones are skipped."""
    content = path.read_bytes()
    for line in content[: content.rfind(b"\n") + 1].split(b"\n"):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def read_index(path: Path) -> list[Item]:
    """The items of one worker whose arrays are complete."""
    items = []
    sizes: dict[str, int] = {}
    for line in lines(path):
        try:
            arrays = {
                name: (np.dtype(dtype), tuple(shape), int(offset))
                for name, (dtype, shape, offset) in line["arrays"].items()
            }
            item = Item(line["key"], line["shard"], arrays, line["end"], line["crc"], line["meta"])
        except (KeyError, TypeError, ValueError):
            continue
        if item.shard not in sizes:
            shard = path.parent / item.shard
            sizes[item.shard] = shard.stat().st_size if shard.exists() else -1
        if item.end <= sizes[item.shard]:
            items.append(item)
    tail = items[-SYNC_EVERY:]
    return items[: len(items) - len(tail)] + [item for item in tail if _is_whole(path.parent, item)]


def _is_whole(directory: Path, item: Item) -> bool:
    if not item.arrays:
        return True
    start = min(offset for _, _, offset in item.arrays.values())
    with (directory / item.shard).open("rb") as file:
        file.seek(start)
        return zlib.crc32(file.read(item.end - start)) == item.checksum


def read_rejected(directory: Path) -> dict[str, str]:
    """The reason for each key that was left out, of all workers."""
    found: dict[str, str] = {}
    for path in (directory / REJECTED_NAME, *sorted(directory.glob("rejected-*.jsonl"))):
        if not path.exists():
            continue
        for line in lines(path):
            if "key" in line:
                found.setdefault(line["key"], str(line.get("reason", "")))
    return found


def done_keys(directory: Path, skip: Path) -> set[str]:
    """Keys that are stored or left out, but for the items of the index file `skip`."""
    done = set(read_rejected(directory))
    for path in directory.glob("index-*.jsonl"):
        if path != skip:
            done.update(item.key for item in read_index(path))
    return done
