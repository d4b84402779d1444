"""Filling a feature store from several processes.

Each process has a writer of its own and is handed one batch at a time over a pipe, so that quick processes do more. A
process whose parent is gone finds the pipe closed and ends; a process that dies is noticed by its parent the same way.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from speech.errors import SpeechError, StorageError
from speech.features import FeatureWriter


@dataclass(frozen=True)
class Clip:
    """An item for the store; or, without arrays, the reason why there is none."""

    key: str
    arrays: dict[str, Any] | None
    meta: dict[str, Any]
    reason: str = ""


MakeClips = Callable[[Sequence[Any]], Iterable[Clip]]


def fill_store(
    directory: Path, batches: Sequence[Sequence[Any]], make: MakeClips, jobs: int
) -> Iterator[Sequence[Any]]:
    """Store what `make` makes of each batch; yields each batch when it is stored.

    Args:
        batches: of items that can be pickled. The order in which they are worked on is theirs, if `jobs` is 1.
        make: called with one batch; must be picklable if `jobs` is more than 1.
        jobs: processes; with 1 the work is done in this one.

    Raises:
        StorageError: a process was killed, the disk is full, or another run is writing to the same store.
        RuntimeError: `make` failed; the traceback is its message.
    """
    if jobs == 1:
        with FeatureWriter(directory, "0") as writer:
            for batch in batches:
                _store(writer, make(batch))
                yield batch
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of libraries that run threads
    workers: dict[Connection, BaseProcess] = {}
    try:
        for number in range(min(jobs, len(batches))):
            ours, theirs = context.Pipe()
            process: BaseProcess = context.Process(
                target=_work, args=(theirs, directory, str(number), make), daemon=True
            )
            process.start()
            theirs.close()
            workers[ours] = process
        yield from _distribute(batches, workers)
    finally:
        for connection in workers:
            connection.close()
        for process in workers.values():
            process.join()


def _distribute(batches: Sequence[Sequence[Any]], workers: dict[Connection, BaseProcess]) -> Iterator[Sequence[Any]]:
    waiting = iter(batches)
    busy: dict[Connection, Sequence[Any]] = {}

    def hand_out(connection: Connection) -> None:
        batch = next(waiting, None)
        if batch is not None:
            busy[connection] = batch
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # noticed when its answer is read
                connection.send(batch)

    for connection in workers:
        hand_out(connection)
    while busy:
        for ready in wait(list(busy)):
            assert isinstance(ready, Connection)
            try:
                answer = ready.recv()
            except (EOFError, ConnectionResetError):
                process = workers[ready]
                process.join()
                raise StorageError(
                    f"A worker process was killed (exit code {process.exitcode}), perhaps for lack of memory: "
                    "give the same command again, with fewer --jobs."
                ) from None
            if isinstance(answer, BaseException):
                raise answer
            yield busy.pop(ready)
            hand_out(ready)


def _work(connection: Connection, directory: Path, worker: str, make: MakeClips) -> None:
    """What a worker process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent closes the pipes
    answer: BaseException | None
    try:
        with FeatureWriter(directory, worker) as writer:
            while True:
                try:
                    batch = connection.recv()
                except (EOFError, ConnectionResetError):
                    return
                _store(writer, make(batch))
                try:
                    connection.send(None)
                except (BrokenPipeError, ConnectionResetError):
                    return
    except SpeechError as error:
        answer = error
    except Exception:
        answer = RuntimeError(traceback.format_exc())
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.send(answer)


def _store(writer: FeatureWriter, clips: Iterable[Clip]) -> None:
    for clip in clips:
        if clip.key in writer.done:
            continue
        if clip.arrays is None:
            writer.reject(clip.key, clip.reason)
        else:
            writer.add(clip.key, clip.arrays, clip.meta)
