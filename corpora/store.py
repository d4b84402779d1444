"""The feature store: arrays of many utterances on disk, written by several processes, read at random by training.

A store is one folder::

    store.json                what the store holds as a whole: stage, mel settings, embedding space, ...
    index-<worker>.jsonl      one line an item: key, shard, place and shape of each array, checksum, meta
    data-<worker>-0000.bin    a shard: the arrays end to end, each at a multiple of 64 bytes
    rejected-<worker>.jsonl   one line for each utterance that was refused: key and reason
    rejected.jsonl            the same of all workers together, when a run has ended

Every worker appends to files of its own, so writers never wait for each other. An item exists once its index line is
complete, and that line is written after its arrays: a process that is killed at any point loses the item in work and
nothing else. After a power cut the last lines may point at arrays that never reached the disk, so the items since the
last fsync are compared with their checksums when a store is opened.

Only numpy and the standard library are needed to read a store.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from corpora.store_files import Item, read_index, read_info, read_rejected
from corpora.store_writer import FeatureWriter
from speech.errors import StorageError

__all__ = ["FeatureStore", "FeatureWriter"]


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
        self.info = read_info(self.directory)
        found: dict[str, Item] = {}
        for path in sorted(self.directory.glob("index-*.jsonl")):
            for item in read_index(path):
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
        return sorted(read_rejected(self.directory).items())

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
