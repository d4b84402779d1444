"""A worker thread: a queue of jobs that report progress and can be cancelled.

The thread never touches the window. Its messages go into a queue that the GUI thread empties in turns of its event
loop. So every signal is emitted on the GUI thread, in order, `ended` last. A cancelled job emits nothing more, even if
its function continues.
    job = worker.submit("Speaking", lambda context: speak(context, models, ...))
    job.progress.connect(bar.show)
    job.done.connect(window.show_result)
    job.failed.connect(window.show_error)
"""

from __future__ import annotations

import collections
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from PyQt5.QtCore import QObject, Qt, QTimer, pyqtSignal

from speech.errors import SpeechError
from toolbox.jobs.context import JobContext, describe_failure

__all__ = ["Job", "JobContext", "Worker"]

logger = logging.getLogger(__name__)

PROGRESS_INTERVAL = 0.05  # seconds between two progress signals of one job
STUCK_SECONDS = 10.0  # for which a cancelled function may delay the next job
TURN_SECONDS = 0.02  # longest time to empty the queue before the event loop continues


class Job(QObject):
    """One task in a worker's queue. All signals are emitted on the GUI thread.

    Signals:
        started: the job began to run.
        progress: (stage, done, total); total is 0 if unknown.
        chunk: an intermediate result.
        done: the function's result; or
        failed: (one sentence, details to copy); or
        cancelled.
        ended: always emitted last.
    """

    started = pyqtSignal()
    progress = pyqtSignal(str, int, int)
    chunk = pyqtSignal(object)
    done = pyqtSignal(object)
    failed = pyqtSignal(str, str)
    cancelled = pyqtSignal()
    ended = pyqtSignal()

    def __init__(self, worker: Worker, title: str, function: Callable[[JobContext], Any]) -> None:
        super().__init__()
        self.title = title
        self.is_ended = False
        self._worker = worker
        self._function: Callable[[JobContext], Any] | None = function
        self._context = JobContext(lambda kind, value: worker._post(self, kind, value))
        self._waiting: tuple[str, int, int] | None = None  # progress that was not emitted yet
        self._emitted_at = 0.0
        self._clock: tuple[float, int, int] | None = None  # time, done and total at the first progress of this total
        self._fraction = 0.0, 0.0  # done, and when
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._emit_progress)

    def cancel(self) -> None:
        """Cancel the job. From now on it only emits `cancelled` and `ended`; after its end nothing happens."""
        self._context.cancel()
        self._worker._post(self, "cancelled", None)

    def remaining_seconds(self) -> float | None:
        """An estimate from the progress so far; None while there is too little."""
        if self._clock is None:
            return None
        began, first, total = self._clock
        done, at = self._fraction
        spent = at - began
        if done <= first or spent < 0.3 or not total:
            return None
        return max(0.0, spent * (total - done) / (done - first) - (time.monotonic() - at))

    # GUI thread, called by the worker's `_deliver`
    def _receive(self, kind: str, value: Any) -> None:
        if self.is_ended:
            return
        if kind == "started":
            self.started.emit()
        elif kind == "progress":
            self._note_progress(*value)
        elif kind == "chunk":
            self.chunk.emit(value)
        else:
            self._end(kind, value)

    def _end(self, kind: str, value: Any) -> None:
        if self._waiting is not None and kind == "done":
            self._emit_progress()
        self.is_ended = True
        self._timer.stop()
        self._function = None  # free what it refers to
        if kind == "done":
            self.done.emit(value)
        elif kind == "failed":
            self.failed.emit(*value)
        else:
            self.cancelled.emit()
        self._worker._forget(self)
        self.ended.emit()

    def _note_progress(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if self._clock is None or self._clock[2] != total or done < self._fraction[0]:
            self._clock = now, done, total
        self._fraction = done, now
        self._waiting = stage, done, total
        wait = self._emitted_at + PROGRESS_INTERVAL - now
        if wait <= 0:
            self._emit_progress()
        elif not self._timer.isActive():
            self._timer.start(max(1, round(1000 * wait)))

    def _emit_progress(self) -> None:
        self._timer.stop()
        if self._waiting is not None and not self.is_ended:
            progress, self._waiting = self._waiting, None
            self._emitted_at = time.monotonic()
            self.progress.emit(*progress)


class Worker(QObject):
    """A thread that runs jobs one after another. Create and call it on the GUI thread.

    If a cancelled job does not return within ten seconds while another job waits, it is abandoned with its thread. The
    same happens if a job ends its thread. A new thread continues, and `restarted` gives the reason.

    Signals:
        busy_changed: whether a job is running or waiting.
        restarted: the reason in one sentence; waiting jobs still run.
    """

    busy_changed = pyqtSignal(bool)
    restarted = pyqtSignal(str)
    _wake = pyqtSignal()

    def __init__(self, name: str = "models", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self._lock = threading.Condition()
        self._queue: collections.deque[Job] = collections.deque()
        self._events: collections.deque[tuple[Job | None, str, Any]] = collections.deque()
        self._jobs: list[Job] = []  # not ended yet, in order; GUI thread only
        self._running: Job | None = None  # the job of the thread, cancelled or not
        self._closed = False
        self._busy = False
        self._thread: threading.Thread | None = None
        self._wake.connect(self._deliver, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]
        self._woken = False  # a delivery was requested and has not begun
        self._next_turn = QTimer(self)
        self._next_turn.setSingleShot(True)
        self._next_turn.timeout.connect(self._deliver)
        self._stuck_timer = QTimer(self)
        self._stuck_timer.setSingleShot(True)
        self._stuck_timer.timeout.connect(self._abandon_running)

    def submit(self, title: str, function: Callable[[JobContext], Any]) -> Job:
        """Queue a function. Its signals come in later turns of the event loop, so there is time to connect them."""
        job = Job(self, title, function)
        self._jobs.append(job)
        with self._lock:
            if self._closed:
                self._post(job, "cancelled", None)
            else:
                self._queue.append(job)
                self._lock.notify_all()
        if not self._closed:
            self._start_thread()
            self._watch_for_stuck_job()
        self._update_busy()
        return job

    @property
    def busy(self) -> bool:
        return self._busy

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Those that have not ended, the next one first."""
        return tuple(self._jobs)

    def cancel_all(self) -> None:
        for job in reversed(self.jobs):  # the running one last, so that no other starts when it ends
            job.cancel()

    def close(self, timeout_seconds: float) -> bool:
        """Cancel all jobs, accept no more, and wait for the thread.

        Args:
            timeout_seconds: 0 does not wait. The method may be called again.
        Returns:
            whether the thread has ended. If not, its function does not react to cancelling. The thread is a daemon,
            but it would crash if the interpreter shut down below it: ask again later, or leave with `os._exit`.
        """
        self.cancel_all()
        with self._lock:
            self._closed = True
            self._queue.clear()
            self._lock.notify_all()
        thread = self._thread
        if thread is None:
            return True
        thread.join(max(0.0, timeout_seconds))
        return not thread.is_alive()

    # --- on the GUI thread

    def _deliver(self) -> None:
        self._woken = False
        ends = time.monotonic() + TURN_SECONDS
        while self._events:
            job, kind, value = self._events.popleft()
            if job is None:
                self._replace_thread(value)
            else:
                job._receive(kind, value)
            if time.monotonic() > ends and self._events:
                self._next_turn.start()  # a timer, because posted events would overtake all timers
                return

    def _forget(self, job: Job) -> None:
        if job in self._jobs:
            self._jobs.remove(job)
        with self._lock:
            if job in self._queue:
                self._queue.remove(job)
        self._watch_for_stuck_job()
        self._update_busy()

    def _update_busy(self) -> None:
        busy = bool(self._jobs)
        if busy != self._busy:
            self._busy = busy
            self.busy_changed.emit(busy)

    def _watch_for_stuck_job(self) -> None:
        running = self._running
        if running is not None and running.is_ended and self._queue and not self._stuck_timer.isActive():
            self._stuck_timer.start(round(1000 * STUCK_SECONDS))

    def _abandon_running(self) -> None:
        running = self._running
        if running is not None and running.is_ended and self._queue:
            self._replace_thread(f"'{running.title}' did not stop after it was cancelled: a new worker was started.")

    def _replace_thread(self, sentence: str) -> None:
        with self._lock:
            self._thread = self._running = None
        logger.warning("worker %s: %s", self.name, sentence)
        if not self._closed:
            self._start_thread()
        self.restarted.emit(sentence)

    def _start_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=f"worker {self.name}", daemon=True)
            self._thread.start()

    # --- on the worker's thread

    def _post(self, job: Job | None, kind: str, value: Any) -> None:
        """Any thread: queue a message for the GUI thread."""
        self._events.append((job, kind, value))
        if self._woken:
            return
        self._woken = True
        try:
            self._wake.emit()
        except RuntimeError:  # the window is gone, and the Qt part of this object with it
            self._closed = True

    def _work(self) -> None:
        me = threading.current_thread()
        while True:
            with self._lock:
                while not self._queue and not self._closed and self._thread is me:
                    self._lock.wait()
                if self._closed or self._thread is not me:
                    return
                job = self._running = self._queue.popleft()
            try:
                kind, value = self._run(job)
            except BaseException as error:
                self._post(job, "failed", describe_failure(error))
                self._post(None, "died", f"'{job.title}' ended its worker thread: a new one was started.")
                return
            with self._lock:
                if self._thread is me:
                    self._running = None
            self._post(job, kind, value)
            del job, value  # free the result before the next job arrives

    def _run(self, job: Job) -> tuple[str, Any]:
        context, function = job._context, job._function
        if context.cancelled() or function is None:
            return "cancelled", None
        self._post(job, "started", None)
        try:
            return "done", function(context)
        except Exception as error:
            if context.cancelled():  # `WorkCancelled`, or an error on the way out
                return "cancelled", None
            if not isinstance(error, SpeechError):
                logger.exception("job %s", job.title)
            return "failed", describe_failure(error)
