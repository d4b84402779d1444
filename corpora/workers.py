"""Working through many items in processes that may hang or die on any of them.

Decoders are C code and their input is whatever lies on the disk: a damaged file can keep one busy for ever, or bring
its process down. So the work is done in processes of its own, each handed one batch at a time over a pipe. They say
when they begin something that might hang and how long it may take; the parent kills a process that takes longer and
refuses the item. A process that dies is replaced; its batch is done again item by item, and the item on which one dies
for the second time is refused. Whatever the processes had finished stays finished.
"""

from __future__ import annotations

import collections
import contextlib
import math
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from speech.errors import SpeechError, StorageError

DEATHS_IN_A_ROW = 8  # so many items cannot all be to blame: then it is the machine
GRACE_SECONDS = 5.0  # for what a worker is doing when nobody wants it any more


class Item(Protocol):
    """Something to work on; the key names it in messages between processes."""

    @property
    def key(self) -> str: ...


class Timer(Protocol):
    """`with timer(key, seconds):` around what may take that long and no longer."""

    def __call__(self, key: str, seconds: float) -> AbstractContextManager[None]: ...


# (items, reasons by key for those that are refused and must not be touched again, timer) -> any answer
Work = Callable[[Sequence[Any], Mapping[str, str], Timer], Any]
OpenWork = Callable[[str], AbstractContextManager[Work]]  # called with the worker's name, in the worker's process


def no_timer(key: str, seconds: float) -> AbstractContextManager[None]:
    """For work that nobody watches."""
    return contextlib.nullcontext()


def supervise(
    batches: Iterable[Sequence[Item]], open_work: OpenWork, jobs: int
) -> Iterator[tuple[Sequence[Item], Any]]:
    """Have every batch worked on; yields items (a batch, or single ones of it) with the answer as each is ready.

    Args:
        batches: of items that can be pickled, each with a key of its own.
        open_work: must be picklable; what it gives stays open as long as the process.
        jobs: processes, whose names are "0", "1", and so on. With 0 the work is done in this process, in order and
            unwatched.

    Raises:
        SpeechError: raised by the work.
        StorageError: processes cannot be started, or die whatever they work on.
        RuntimeError: the work failed; the traceback is its message.
    """
    if jobs == 0:
        with open_work("0") as work:
            for items in batches:
                yield items, work(items, {}, no_timer)
        return
    crew = _Crew(batches, open_work, jobs)
    try:
        yield from crew.run()
    finally:
        crew.dismiss()


# ---- the parent ------------------------------------------------------------------------------------------------------


@dataclass
class _Batch:
    items: Sequence[Item]
    refused: dict[str, str] = field(default_factory=dict)
    alone: bool = False  # a process has died on it once already


@dataclass
class _Worker:
    name: str
    process: BaseProcess
    connection: Connection
    ready: bool = False
    batch: _Batch | None = None
    watched: str = ""
    limit: float = math.inf  # seconds
    deadline: float = math.inf  # by the monotonic clock


class _Crew:
    """The processes and what each of them is doing."""

    def __init__(self, batches: Iterable[Sequence[Item]], open_work: OpenWork, jobs: int) -> None:
        # A fork would copy the locks of libraries that run threads.
        self.context = multiprocessing.get_context("spawn")
        self.open_work = open_work
        self.waiting = iter(batches)
        self.workers: list[_Worker] = []
        # What is to be done again, by the name of the worker that began it: its successor, who opens what that one
        # has left behind, knows what was finished.
        self.again: dict[str, collections.deque[_Batch]] = {str(number): collections.deque() for number in range(jobs)}
        self.deaths = 0

    def run(self) -> Iterator[tuple[Sequence[Item], Any]]:
        self._hand_out()
        while busy := [worker for worker in self.workers if worker.batch is not None]:
            nearest = min(worker.deadline for worker in busy) - time.monotonic()
            connections = [worker.connection for worker in busy]
            wait(connections, None if nearest == math.inf else max(0.0, nearest))
            for worker in busy:
                yield from self._listen(worker)
            for worker in busy:
                # What has come in meanwhile says that it is not late.
                if worker.deadline < time.monotonic() and not worker.connection.poll():
                    self._give_up(worker)
            self._hand_out()

    def _hand_out(self) -> None:
        """Give every idle worker a batch, and start those that are missing as long as there are batches."""
        workers = {worker.name: worker for worker in self.workers}
        for name, again in self.again.items():
            worker = workers.get(name)
            if worker is not None and worker.batch is not None:
                continue
            batch = again.popleft() if again else self._next()
            if batch is None:
                continue
            worker = worker or self._start(name)
            worker.batch = batch
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # noticed when its answer is read
                worker.connection.send((batch.items, batch.refused))

    def _next(self) -> _Batch | None:
        items = next(self.waiting, None)
        return None if items is None else _Batch(items)

    def _start(self, name: str) -> _Worker:
        ours, theirs = self.context.Pipe()
        process: BaseProcess = self.context.Process(target=_work, args=(theirs, name, self.open_work), daemon=True)
        process.start()
        theirs.close()
        self.workers.append(_Worker(name, process, ours))
        return self.workers[-1]

    def _listen(self, worker: _Worker) -> Iterator[tuple[Sequence[Item], Any]]:
        """Read all that a worker has said."""
        while worker.batch is not None:
            try:
                if not worker.connection.poll():
                    return
                what, *particulars = worker.connection.recv()
            except (EOFError, ConnectionResetError, BrokenPipeError):
                self._bury(worker)
                return
            if what == "ready":
                worker.ready = True
            elif what == "begins":
                worker.watched, worker.limit = particulars
                worker.deadline = time.monotonic() + worker.limit
            elif what == "ends":
                worker.deadline = math.inf
            elif what == "failed":
                raise particulars[0]
            else:
                batch, worker.batch = worker.batch, None
                if not batch.refused:
                    self.deaths = 0
                yield batch.items, particulars[0]

    def _give_up(self, worker: _Worker) -> None:
        """Kill a worker that takes too long, and have its batch done without the item in work."""
        assert worker.batch is not None
        worker.batch.refused[worker.watched] = f"takes too long to decode (more than {worker.limit:.0f} s)"
        self.again[worker.name].appendleft(worker.batch)
        self._remove(worker)

    def _bury(self, worker: _Worker) -> None:
        """After the death of a worker: its batch item by item; or, if it was one item, without that."""
        assert worker.batch is not None
        batch = worker.batch
        code = self._remove(worker)
        if not worker.ready:
            raise StorageError(f"A worker process could not be started (it ended with exit code {code}).")
        if not batch.alone:
            self.again[worker.name].extend(
                _Batch([item], {k: v for k, v in batch.refused.items() if k == item.key}, alone=True)
                for item in batch.items
            )
            return
        self.deaths += 1
        if self.deaths >= DEATHS_IN_A_ROW:
            raise StorageError(
                f"Worker processes die one after the other ({_cause(code)}), perhaps for lack of memory: "
                "give the same command again, with fewer --jobs."
            )
        batch.refused[batch.items[0].key] = f"ended the process that worked on it, twice ({_cause(code)})"
        self.again[worker.name].appendleft(batch)

    def _remove(self, worker: _Worker) -> int | None:
        worker.process.kill()
        worker.process.join()
        worker.connection.close()
        self.workers.remove(worker)
        return worker.process.exitcode

    def dismiss(self) -> None:
        """Let the workers end: what is in work is finished, unless that takes too long."""
        for worker in self.workers:
            worker.connection.close()
        patience = time.monotonic() + GRACE_SECONDS
        for worker in self.workers:
            worker.process.join(max(0.0, patience - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


def _cause(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


# ---- a worker --------------------------------------------------------------------------------------------------------


class _Unwanted(BaseException):
    """The parent no longer listens. No `except Exception` on the way up may take it for a failure of the work."""


def _work(connection: Connection, name: str, open_work: OpenWork) -> None:
    """What a worker process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent closes the pipes
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def say(*message: Any) -> None:
        try:
            connection.send(message)
        except (BrokenPipeError, ConnectionResetError):
            raise _Unwanted from None

    @contextlib.contextmanager
    def timer(key: str, seconds: float) -> Iterator[None]:
        say("begins", key, seconds)
        try:
            yield
        finally:
            say("ends")

    with contextlib.suppress(_Unwanted):
        try:
            with open_work(name) as work:
                say("ready")
                while True:
                    try:
                        items, refused = connection.recv()
                    except (EOFError, ConnectionResetError):
                        return
                    say("done", work(items, refused, timer))
        except SpeechError as error:
            say("failed", error)
        except Exception:
            say("failed", RuntimeError(traceback.format_exc()))


def _end_with_parent() -> None:
    """End this process when its parent is gone, even in the midst of a call that never returns."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
