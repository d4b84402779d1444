"""Filling a feature store from several processes, each with its own writer."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpora.store import FeatureWriter
from corpora.workers import Item, Timer, Work, supervise


@dataclass(frozen=True)
class Clip:
    """An item for the store, or, without arrays, the reason why it is left out."""

    key: str
    arrays: dict[str, Any] | None
    meta: dict[str, Any]
    reason: str = ""


MakeClips = Callable[[Sequence[Any], Timer], Iterable[Clip]]


def fill_store(
    directory: Path,
    batches: Iterable[Sequence[Item]],
    make: MakeClips,
    jobs: int,
    known: Collection[str] = (),
) -> Iterator[Sequence[Item]]:
    """Store what `make` returns for each batch; yields the items that are finished.

    Args:
        batches: see `corpora.workers.supervise`, without what the store has; a batch that is repeated after a crash is
            not stored twice.
        make: called with one batch and the timer to read files under; must be picklable unless `jobs` is 0.
        jobs: worker processes; 0 works in this process.
        known: keys of clips that the store has already and that `make` may return again: parts of unfinished items.

    Raises:
        StorageError: processes keep dying, the disk is full, or another run is writing to the same store.
        RuntimeError: `make` failed; the traceback is its message.
    """
    for items, _ in supervise(batches, functools.partial(storing, directory, make, frozenset(known)), jobs):
        yield items


@contextlib.contextmanager
def storing(directory: Path, make: MakeClips, known: frozenset[str], worker: str) -> Iterator[Work]:
    """Open the work of one process: it stores what `make` returns, with a writer named `worker`."""
    with FeatureWriter(directory, worker, read_others=False) as writer:
        writer.done |= known

        def work(items: Sequence[Item], refused: Mapping[str, str], timer: Timer) -> None:
            for key, reason in refused.items():
                writer.reject(key, reason)
            left = [item for item in items if item.key not in writer.done]
            for clip in make(left, timer) if left else ():
                if clip.key in writer.done:
                    continue
                if clip.arrays is None:
                    writer.reject(clip.key, clip.reason)
                else:
                    writer.add(clip.key, clip.arrays, clip.meta)

        yield work
