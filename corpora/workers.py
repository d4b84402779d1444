"""Processing many items in worker processes, any of which may hang or crash.

Decoders are C code, and a damaged file can make one loop forever or crash its process. So each worker process gets one
batch at a time over a pipe. It reports when it begins something that might hang, and how long it may take. The parent
kills a process that takes longer and refuses the item. A process that crashes is replaced and its batch is repeated
item by item; an item that crashes a process twice is refused. Finished items are never lost.
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
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from speech.errors import SpeechError, StorageError

CRASHES_IN_A_ROW = 8  # more point to a problem of the machine, not of the items
GRACE_SECONDS = 5.0  # for a worker to finish its batch when the run ends


class Item(Protocol):
    """Something to work on. The key identifies it in messages between processes."""

    @property
    def key(self) -> str: ...


class Timer(Protocol):
    """`with timer(key, seconds):` limits the time of the block."""

    def __call__(self, key: str, seconds: float) -> AbstractContextManager[None]: ...


# (items, reasons by key for refused items, which must not be opened, timer) -> any result
Work = Callable[[Sequence[Any], Mapping[str, str], Timer], Any]
OpenWork = Callable[[str], AbstractContextManager[Work]]  # called with the worker's name, in the worker's process


def no_timer(key: str, seconds: float) -> AbstractContextManager[None]:
    """A timer without a limit."""
    return contextlib.nullcontext()


def supervise(
    batches: Iterable[Sequence[Item]], open_work: OpenWork, jobs: int
) -> Generator[tuple[Sequence[Any], Any], None, None]:
    """Process every batch; yields items (a batch, or single items of it) with the result as each is ready.

    Args:
        batches: of items that can be pickled, with unique keys.
        open_work: must be picklable; its context stays open as long as the process.
        jobs: worker processes, named "0", "1", and so on. 0 works in this process, in order and without time limits.

    Raises:
        SpeechError: raised by the work.
        StorageError: processes cannot be started, or crash on every item.
        RuntimeError: the work failed; the traceback is its message.
    """
    if jobs == 0:
        with open_work("0") as work:
            for items in batches:
                yield items, work(items, {}, no_timer)
        return
    pool = _Pool(batches, open_work, jobs)
    try:
        yield from pool.run()
    finally:
        pool.close()


# ---- parent ----------------------------------------------------------------------------------------------------------


@dataclass
class _Batch:
    items: Sequence[Item]
    refused: dict[str, str] = field(default_factory=dict)
    alone: bool = False  # a process has crashed on it once


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


class _Pool:
    """The worker processes and the batch that each of them works on."""

    def __init__(self, batches: Iterable[Sequence[Item]], open_work: OpenWork, jobs: int) -> None:
        # A fork would copy locks that threads of libraries hold.
        self.context = multiprocessing.get_context("spawn")
        self.open_work = open_work
        self.waiting = iter(batches)
        self.workers: list[_Worker] = []
        # Batches to repeat, by worker name: the replacement of a worker opens the same files and skips finished items.
        self.again: dict[str, collections.deque[_Batch]] = {str(number): collections.deque() for number in range(jobs)}
        self.crashes = 0

    def run(self) -> Iterator[tuple[Sequence[Item], Any]]:
        self._hand_out()
        while busy := [worker for worker in self.workers if worker.batch is not None]:
            nearest = min(worker.deadline for worker in busy) - time.monotonic()
            connections = [worker.connection for worker in busy]
            wait(connections, None if nearest == math.inf else max(0.0, nearest))
            for worker in busy:
                yield from self._receive(worker)
            for worker in busy:
                # If a message has arrived in the meantime, the worker is not late.
                if worker.deadline < time.monotonic() and not worker.connection.poll():
                    self._give_up(worker)
            self._hand_out()

    def _hand_out(self) -> None:
        """Give every idle worker a batch; start missing workers while there are batches."""
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
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # noticed when its result is read
                worker.connection.send((batch.items, batch.refused))

    def _next(self) -> _Batch | None:
        items = next(self.waiting, None)
        return None if items is None else _Batch(items)

    def _start(self, name: str) -> _Worker:
        ours, theirs = self.context.Pipe()
        process: BaseProcess = self.context.Process(target=_work, args=(theirs, name, self.open_work), daemon=True)
        with _interrupts_blocked(), _children_allowed():
            process.start()
        theirs.close()
        self.workers.append(_Worker(name, process, ours))
        return self.workers[-1]

    def _receive(self, worker: _Worker) -> Iterator[tuple[Sequence[Item], Any]]:
        """Read all messages of a worker."""
        while worker.batch is not None:
            try:
                if not worker.connection.poll():
                    return
                what, *details = worker.connection.recv()
            except (EOFError, ConnectionResetError, BrokenPipeError):
                self._replace(worker)
                return
            if what == "ready":
                worker.ready = True
            elif what == "begins":
                worker.watched, worker.limit = details
                worker.deadline = time.monotonic() + worker.limit
            elif what == "ends":
                worker.deadline = math.inf
            elif what == "failed":
                raise details[0]
            else:
                batch, worker.batch = worker.batch, None
                if not batch.refused:
                    self.crashes = 0
                yield batch.items, details[0]

    def _give_up(self, worker: _Worker) -> None:
        """Kill a worker that takes too long, and repeat its batch without the current item."""
        assert worker.batch is not None
        worker.batch.refused[worker.watched] = f"takes too long to decode (more than {worker.limit:.0f} s)"
        self.again[worker.name].appendleft(worker.batch)
        self._remove(worker)

    def _replace(self, worker: _Worker) -> None:
        """After a crash, repeat the batch item by item, or refuse the item if it was a single one."""
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
        self.crashes += 1
        if self.crashes >= CRASHES_IN_A_ROW:
            raise StorageError(
                f"Worker processes keep crashing ({_cause(code)}), perhaps for lack of memory: "
                "give the same command again, with fewer --jobs."
            )
        batch.refused[batch.items[0].key] = f"crashed the process that worked on it, twice ({_cause(code)})"
        self.again[worker.name].appendleft(batch)

    def _remove(self, worker: _Worker) -> int | None:
        worker.process.kill()
        worker.process.join()
        worker.connection.close()
        self.workers.remove(worker)
        return worker.process.exitcode

    def close(self) -> None:
        """End the workers. They may finish their current batches, within a time limit."""
        for worker in self.workers:
            worker.connection.close()
        deadline = time.monotonic() + GRACE_SECONDS
        for worker in self.workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C within the block. A process that is started in it ignores Ctrl-C from its first instruction."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # its start would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _children_allowed() -> Iterator[None]:
    """Let a daemonic process, as a worker of a Dask cluster is, start a process within the block.

    Python forbids it because such children would outlive their parent. Those of this module end with it.
    """
    config: dict[str, Any] = getattr(multiprocessing.current_process(), "_config", {})
    daemonic = config.pop("daemon", None)
    try:
        yield
    finally:
        if daemonic is not None:
            config["daemon"] = daemonic


def _cause(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


# ---- worker ----------------------------------------------------------------------------------------------------------


class _ParentGone(BaseException):
    """The parent has closed the pipe. Not an Exception, so that no handler takes it for a failure of the work."""


def _work(connection: Connection, name: str, open_work: OpenWork) -> None:
    """Main function of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent closes the pipes
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def send(*message: Any) -> None:
        try:
            connection.send(message)
        except (BrokenPipeError, ConnectionResetError):
            raise _ParentGone from None

    @contextlib.contextmanager
    def timer(key: str, seconds: float) -> Iterator[None]:
        send("begins", key, seconds)
        try:
            yield
        finally:
            send("ends")

    with contextlib.suppress(_ParentGone):
        try:
            with open_work(name) as work:
                send("ready")
                while True:
                    try:
                        items, refused = connection.recv()
                    except (EOFError, ConnectionResetError):
                        return
                    send("done", work(items, refused, timer))
        except SpeechError as error:
            send("failed", error)
        except Exception:
            send("failed", RuntimeError(traceback.format_exc()))


def _end_with_parent() -> None:
    """End this process when its parent has ended, even during a call that never returns."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
