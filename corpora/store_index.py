"""The index of a feature store: compiled, if that is up to date, or else from its lines of JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from corpora.store_compiled import COMPILED_NAME, CompiledIndex, Location
from corpora.store_files import Item, read_index


class Index(Protocol):
    """The items of a store, sorted by key."""

    @property
    def keys(self) -> Sequence[str]: ...

    @property
    def fields(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def find(self, key: str) -> int | None: ...

    def meta(self, i: int) -> dict[str, Any]: ...

    def select(self, wanted: Mapping[str, Any]) -> np.ndarray: ...

    def shard(self, i: int) -> str: ...

    def names(self, i: int) -> list[str]: ...

    def location(self, i: int, name: str) -> Location | None: ...


class LinesIndex:
    """Items from the lines of all workers."""

    def __init__(self, directory: Path) -> None:
        found: dict[str, Item] = {}
        for path in index_files(directory):
            for item in read_index(path):
                found.setdefault(item.key, item)
        self._items = [found[key] for key in sorted(found)]
        self.keys: Sequence[str] = [item.key for item in self._items]
        self._indices = {key: index for index, key in enumerate(self.keys)}

    def __len__(self) -> int:
        return len(self._items)

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(sorted({name for item in self._items for name in item.arrays}))

    def find(self, key: str) -> int | None:
        return self._indices.get(key)

    def meta(self, i: int) -> dict[str, Any]:
        return self._items[i].meta

    def select(self, wanted: Mapping[str, Any]) -> np.ndarray:
        found = [
            index
            for index, item in enumerate(self._items)
            if all(item.meta.get(name) == value for name, value in wanted.items())
        ]
        return np.array(found, np.int64)

    def shard(self, i: int) -> str:
        return self._items[i].shard

    def names(self, i: int) -> list[str]:
        return list(self._items[i].arrays)

    def location(self, i: int, name: str) -> Location | None:
        return self._items[i].arrays.get(name)


def open_index(directory: Path) -> Index:
    """The compiled index if it is of the present lines and all shards are whole; else the lines are read."""
    try:
        compiled = CompiledIndex(directory / COMPILED_NAME)
        if compiled.sources == line_files(directory) and _shards_are_whole(directory, compiled.shard_sizes):
            return compiled
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # it is missing, damaged, or of another version
        pass
    return LinesIndex(directory)


def index_files(directory: Path) -> list[Path]:
    """The files of lines of all workers, in the order of their names."""
    return sorted(directory.glob("index-*.jsonl"))


def line_files(directory: Path) -> dict[str, int]:
    """Sizes of the files of lines, by name; empty ones are left out."""
    sizes = {path.name: path.stat().st_size for path in index_files(directory)}
    return {name: size for name, size in sizes.items() if size}


def _shards_are_whole(directory: Path, sizes: Mapping[str, int]) -> bool:
    return all((directory / name).stat().st_size >= size for name, size in sizes.items())
