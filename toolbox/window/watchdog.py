"""Measures how long the window freezes, by a timer on the GUI thread that detects late calls.

On a busy machine a thread also waits for a processor, which the program cannot avoid. Linux counts these waits
(`/proc/self/task/*/schedstat`), so they are reported separately.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PyQt5.QtCore import QObject, Qt, QTimer

INTERVAL = 0.01  # seconds between two calls of the timer
TASKS = Path("/proc/self/task")


@dataclass(frozen=True)
class Stall:
    """A time during which the GUI thread did not react.

    Attributes:
        at: seconds since the watchdog was started or reset.
        seconds: duration.
        own_seconds: duration without waits for a processor; equal to `seconds` if the system does not count them.
    """

    at: float
    seconds: float
    own_seconds: float


class Watchdog(QObject):
    """Watches the thread that creates it, from `start` on.

    Args:
        threshold: seconds; shorter stalls, by their own part, are ignored.
        on_stall: called with each stall.
    """

    def __init__(
        self, threshold: float = 0.05, on_stall: Callable[[Stall], None] | None = None, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.threshold = threshold
        self._on_stall = on_stall
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.PreciseTimer)
        self._timer.timeout.connect(self.check)
        self.reset()

    def start(self) -> None:
        self.reset()
        self._timer.start(round(1000 * INTERVAL))

    def stop(self) -> None:
        self._timer.stop()

    def reset(self) -> None:
        """Drop the stalls so far, and count from now."""
        self.stalls: list[Stall] = []
        self._began = self._last = time.perf_counter()
        self._waits = processor_waits()

    def check(self) -> None:
        """Record a stall if the last call is too long ago."""
        now = time.perf_counter()
        gap, self._last = now - self._last - INTERVAL, now
        before, self._waits = self._waits, processor_waits()
        if gap <= self.threshold:
            return
        own = max(0.0, gap - waited(before, self._waits))
        if own > self.threshold:
            stall = Stall(now - self._began - gap, gap, own)
            self.stalls.append(stall)
            if self._on_stall is not None:
                self._on_stall(stall)


def processor_waits() -> dict[int, float]:
    """Seconds that each thread of this process waited for a processor; empty if the system does not count them.

    The main thread is listed as 0.
    """
    waits: dict[int, float] = {}
    try:
        main = TASKS.parent.resolve().name  # /proc/self leads to /proc/<number>
        for task in TASKS.iterdir():
            seconds = int((task / "schedstat").read_text().split()[1]) / 1e9
            waits[0 if task.name == main else int(task.name)] = seconds
    except (OSError, ValueError, IndexError):
        pass  # not Linux, or a thread that has just ended
    return waits


def waited(before: dict[int, float], after: dict[int, float]) -> float:
    """Part of a stall that was spent waiting for a processor: by the GUI thread, and by one other thread.

    Only one thread at a time can block the GUI thread, so only the longest wait of the others counts.
    """
    grown = {thread: after[thread] - before.get(thread, 0.0) for thread in after}
    return grown.pop(0, 0.0) + max(grown.values(), default=0.0)
