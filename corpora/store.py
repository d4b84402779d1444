"""The feature store: arrays of many utterances on disk, written by several processes, read at random by training.

A store is one folder::

    store.json                settings of the whole store: stage, mel settings, embedding space, ...
    index-<worker>.jsonl      one line per item: key, shard, offset and shape of each array, checksum, meta
    index.safetensors         the same lines of all workers compiled, after a run has ended (`corpora.store_compiled`)
    data-<worker>-0000.bin    a shard: the arrays, each at a multiple of 64 bytes
    rejected-<worker>.jsonl   one line per utterance that was left out: key and reason
    rejected.jsonl            the same of all workers together, after a run has ended

Each worker appends to its own files, so writers never wait for each other. An item exists once its index line is
complete, and that line is written after its arrays: a process that is killed loses only the current item. After a power
cut the last lines may point at arrays that never reached the disk, so the checksums of the items since the last fsync
are checked when a store is opened. A store whose lines are compiled is opened without reading them.

Only numpy and the standard library are needed to read a store.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from corpora.store_files import read_info, read_rejected
from corpora.store_index import open_index
from corpora.store_writer import FeatureWriter
from speech.errors import StorageError
from speech.mel_config import MelConfig

__all__ = ["FeatureStore", "FeatureWriter"]


class FeatureStore:
    """Random access to a store's items, sorted by key, so the order does not depend on the writers.

    Shards are mapped into memory when first used. A store can be pickled; a worker process maps them again.

    Args:
        directory: a folder that `FeatureWriter` wrote, complete or not.

    Raises:
        StorageError: it is not a feature store, or has a newer format.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)
        self.info = read_info(self.directory)
        self._index = open_index(self.directory)
        self.keys = self._index.keys
        self._shards: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._index)

    @property
    def complete(self) -> bool:
        """Whether the last run that filled the store has ended. Its end merges the workers' lists of rejections."""
        lists = self.directory.glob("rejected-*.jsonl")
        indices = (path.with_name(path.name.replace("rejected", "index", 1)) for path in lists)
        return not any(path.is_file() and path.stat().st_size for path in indices)

    @property
    def mel_config(self) -> MelConfig:
        """Settings of the store's log mels; the defaults if it names none, as the oldest stores do.

        Raises:
            ConfigError: a setting is unknown or out of range.
        """
        return MelConfig.from_json(self.info.get("mel_config"))

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the arrays, sorted."""
        return self._index.fields

    def find(self, key: str) -> int:
        """The index of `key`. Raises: StorageError if it is not there."""
        index = self._index.find(key)
        if index is None:
            raise StorageError(f"The feature store {self.directory} has no item named {key!r}.")
        return index

    def meta(self, i: int) -> dict[str, Any]:
        """Speaker, corpus, split and so on of item `i`. The dict must not be changed."""
        return self._index.meta(i)

    def select(self, **wanted: Any) -> list[int]:
        """Indices of the items whose meta has all these values, for example `select(split="train")`."""
        return self._index.select(wanted).tolist()

    def shape(self, i: int, name: str) -> tuple[int, ...]:
        """The shape of an array, without reading its shard."""
        return self._location(i, name)[1]

    def has(self, i: int, name: str) -> bool:
        """Whether item `i` has an array of this name."""
        return self._index.location(i, name) is not None

    def array(self, i: int, name: str) -> np.ndarray:
        """A read-only view of item `i`'s array `name` in the mapped shard.

        Raises:
            StorageError: the item has no such array, or the shard is missing or truncated.
        """
        dtype, shape, offset = self._location(i, name)
        count = int(np.prod(shape, dtype=np.int64))
        if count == 0:
            return np.empty(shape, dtype)
        shard = self._shard(self._index.shard(i))
        end = offset + count * dtype.itemsize
        if end > shard.size:
            raise StorageError(f"A shard of the feature store {self.directory} is truncated: run preprocess.py again.")
        return shard[offset:end].view(dtype).reshape(shape)

    def rejected(self) -> list[tuple[str, str]]:
        """The utterances that were left out: (key, reason), sorted by key."""
        return sorted(read_rejected(self.directory).items())

    def _location(self, i: int, name: str) -> tuple[np.dtype, tuple[int, ...], int]:
        location = self._index.location(i, name)
        if location is None:
            names = ", ".join(self._index.names(i)) or "none"
            raise StorageError(
                f"The feature store {self.directory} holds no {name!r}, only {names}: "
                "make it with the subcommand of preprocess.py for this stage."
            )
        return location

    def _shard(self, name: str) -> np.ndarray:
        if name not in self._shards:
            try:
                mapped = np.memmap(self.directory / name, dtype=np.uint8, mode="r")
            except (OSError, ValueError) as error:
                raise StorageError(f"The shard {self.directory / name} cannot be read: {error}.") from None
            self._shards[name] = np.asarray(mapped)  # slicing a plain array is several times faster
        return self._shards[name]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_shards": {}, "_index": None, "keys": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._index = open_index(self.directory)
        self.keys = self._index.keys
