"""Filling a feature store on a Dask cluster.

The scheduler sends a batch to a worker, wherever it runs. There a process of its own does the work under the time
limits of `corpora.workers`, and appends to files of its own, so the store must be on a file system that all machines
share under the same path. A file that hangs or crashes its decoder ends that process only. When a worker dies, Dask
gives its batch to another one. What the dead worker had stored of that batch may then be stored twice, of which a
reader of the store takes one.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import threading
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpora.store_filling import MakeClips, storing
from corpora.workers import GRACE_SECONDS, Item, OpenWork, Work, supervise
from speech.errors import ConfigError, SpeechError, StorageError

if TYPE_CHECKING:
    from distributed import Client, Future

logger = logging.getLogger(__name__)

WAIT_SECONDS = 60.0  # for the first worker
QUEUED = 2  # batches for each thread of the cluster
DEATHS_IN_A_ROW = 8  # of workers, on batches that Dask has given up after several attempts


def fill_store_on_cluster(
    scheduler: str,
    directory: Path,
    batches: Iterable[Sequence[Item]],
    make: MakeClips,
    known: Collection[str] = (),
) -> Iterator[Sequence[Item]]:
    """As `corpora.store_filling.fill_store`, on the workers of a Dask scheduler, which may come and go meanwhile.

    Args:
        scheduler: its address, as tcp://10.0.0.1:8786.
        directory: of the store, shared by all machines.

    Raises:
        ConfigError: the package `distributed` is missing, or the scheduler does not answer.
        StorageError: no worker comes, workers keep dying, or a store cannot be written.
        RuntimeError: `make` failed; the traceback is its message.
    """
    job = _Job(uuid.uuid4().hex, directory.resolve(), make, frozenset(known))
    with contextlib.closing(_connect(scheduler)) as client:
        try:
            yield from _run(client, job, iter(batches))
        finally:
            with contextlib.suppress(Exception):  # the cluster may be gone
                client.run(_close_fillers, job.name)


def _connect(scheduler: str) -> Client:
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError(
            "--scheduler needs the package distributed: pip install -r requirements-cluster.txt."
        ) from None
    try:
        client = Client(scheduler, timeout=WAIT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:  # TimeoutError is an OSError
        raise ConfigError(
            f"There is no Dask scheduler at {scheduler} ({error}): start one with `dask scheduler`."
        ) from None
    try:
        client.wait_for_workers(1, timeout=WAIT_SECONDS)
    except TimeoutError:
        client.close()
        raise StorageError(f"The Dask scheduler {scheduler} has no workers: start some with `dask worker`.") from None
    return client


def _run(client: Client, job: _Job, batches: Iterator[Sequence[Item]]) -> Iterator[Sequence[Item]]:
    from distributed import KilledWorker, as_completed

    running: dict[Any, Sequence[Item]] = {}
    finished = as_completed(loop=client.loop)
    deaths = 0

    def send(items: Sequence[Item]) -> Future:
        future = client.submit(_work, job, items, pure=False)
        running[future.key] = items
        return future

    def fill_up() -> None:
        limit = QUEUED * max(1, sum(client.nthreads().values()))
        while len(running) < limit and (items := next(batches, None)) is not None:
            finished.add(send(items))

    fill_up()
    while running:
        future = next(finished)
        items = running.pop(future.key)
        if future.status == "finished":
            deaths = 0
            yield items
            fill_up()
            continue
        error = future.exception() if future.status == "error" else None  # None: the scheduler has lost it
        if error is None or isinstance(error, KilledWorker):
            deaths += 1
            logger.warning("several workers have died on one batch, which is tried again")
            if deaths >= DEATHS_IN_A_ROW:
                raise StorageError("The Dask workers keep dying: see their logs, and give the same command again.")
            finished.add(send(items))
        elif isinstance(error, ModuleNotFoundError):
            raise ConfigError(
                f"The Dask workers cannot import this program ({error}): start them in its folder, with its packages."
            )
        else:
            raise error


# ---- in a worker -----------------------------------------------------------------------------------------------------


class _Job:
    """What all batches of a run have in common. `name` is unique."""

    def __init__(self, name: str, directory: Path, make: MakeClips, known: frozenset[str]) -> None:
        self.name, self.directory, self.make, self.known = name, directory, make, known


class _Filler:
    """The process that works for one Dask worker, from the first batch of a run to the last."""

    def __init__(self, job: _Job, writer: str) -> None:
        self._next: list[Sequence[Item]] = []
        open_work = functools.partial(
            _storing_as, writer, functools.partial(storing, job.directory, job.make, job.known)
        )
        self._results = supervise(self._given(), open_work, 1)

    def _given(self) -> Iterator[Sequence[Item]]:
        while True:
            yield self._next.pop()

    def work(self, items: Sequence[Item]) -> None:
        """Store one batch. After a crash its results come item by item."""
        self._next.append(items)
        done = 0
        while done < len(items):
            done += len(next(self._results)[0])

    def close(self) -> None:
        self._results.close()


_fillers: dict[str, _Filler] = {}  # by the job's name; one at a time
_turn = threading.Lock()  # for workers with several threads


@contextlib.contextmanager
def _storing_as(writer: str, open_work: OpenWork, worker: str) -> Iterator[Work]:
    """Open the work under the name of the Dask worker, not under that of its only process."""
    with open_work(writer) as work:
        yield work


def _work(job: _Job, items: Sequence[Item]) -> None:
    """Store one batch, in a process of this worker's own."""
    from distributed import get_worker

    with _turn:
        if job.name not in _fillers:
            _close_all()
            name = re.sub(r"[^A-Za-z0-9]+", "-", f"dask-{get_worker().name}")
            _fillers[job.name] = _Filler(job, name)
        try:
            _fillers[job.name].work(items)
        except BaseException as error:
            _close_all()
            if isinstance(error, SpeechError | RuntimeError):
                raise
            raise RuntimeError(f"{type(error).__name__}: {error}") from error


def _close_fillers(job: str) -> None:
    """End the process of a job; what it has written is flushed to the disk."""
    if _turn.acquire(timeout=GRACE_SECONDS):  # a batch that still runs keeps it; the next job will end it
        try:
            if job in _fillers:
                _fillers.pop(job).close()
        finally:
            _turn.release()


def _close_all() -> None:
    while _fillers:
        _fillers.popitem()[1].close()
