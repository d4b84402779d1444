"""Prepares batches on a background thread."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any


class Prefetcher:
    """Calls `batch_at(step)` for the next steps, at most `depth` ahead, and yields (step, batch) in order.

    An exception in `batch_at` is raised where the batch is used. numpy and torch release the interpreter lock while
    they copy, so one thread suffices to hide reading and padding behind a training step.
    """

    def __init__(self, batch_at: Callable[[int], Any], steps: range, depth: int):
        self._batch_at = batch_at
        self._steps = steps
        self._ready: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(maxsize=max(1, depth))
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="prefetch", daemon=True) if depth > 0 else None

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        if self._thread is None:
            for step in self._steps:
                yield step, self._batch_at(step)
            return
        self._thread.start()
        for step in self._steps:
            batch, error = self._ready.get()
            if error is not None:
                raise error
            yield step, batch

    def close(self) -> None:
        """Stop the thread after its current batch, and wait for it."""
        self._closed.set()
        if self._thread is not None and self._thread.is_alive():
            while self._thread.is_alive():
                self._drain()
                self._thread.join(timeout=0.05)

    def _work(self) -> None:
        for step in self._steps:
            try:
                item: tuple[Any, BaseException | None] = (self._batch_at(step), None)
            except BaseException as error:  # raised in the thread that uses the batch
                item = (None, error)
            while not self._closed.is_set():
                try:
                    self._ready.put(item, timeout=0.1)
                    break
                except queue.Full:
                    continue
            if self._closed.is_set() or item[1] is not None:
                return

    def _drain(self) -> None:
        while True:
            try:
                self._ready.get_nowait()
            except queue.Empty:
                return
