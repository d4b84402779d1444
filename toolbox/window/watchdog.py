"""How long did the window stand still? A timer on the GUI thread that notices when it is called too late.

On a machine that does other work as well, a thread also waits for its turn on a processor, for which the program can do
nothing. Linux counts those waits (`/proc/self/task/*/schedstat`), and they are told apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PyQt5.QtCore import QObject, Qt, QTimer

INTERVAL = 0.01  # seconds between two calls when all is well
TASKS = Path("/proc/self/task")


@dataclass(frozen=True)
class Stall:
    """A time for which the GUI thread answered nothing.

    Attributes:
        at: seconds since the watchdog was started or reset.
        seconds: how long.
        own_seconds: without what its threads waited for a processor; `seconds` where the system does not tell.
    """

    at: float
    seconds: float
    own_seconds: float


class Watchdog(QObject):
    """Watches the thread that it is made on, from `start` on.

    Args:
        threshold: seconds; only stalls whose own part is longer are kept.
        on_stall: told each of those.
    """

    def __init__(
        self, threshold: float = 0.05, on_stall: Callable[[Stall], None] | None = None, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.threshold = threshold
        self._on_stall = on_stall
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self.reset()

    def start(self) -> None:
        self.reset()
        self._timer.start(round(1000 * INTERVAL))

    def stop(self) -> None:
        self._timer.stop()

    def reset(self) -> None:
        """Forget what was, and count from now."""
        self.stalls: list[Stall] = []
        self._began = self._last = time.perf_counter()
        self._waits = waits_for_processor()

    @property
    def longest(self) -> Stall:
        """The longest by its own part, what is going on at this moment included."""
        self._tick()
        return max(self.stalls, key=lambda stall: stall.own_seconds, default=Stall(0.0, 0.0, 0.0))

    def _tick(self) -> None:
        now = time.perf_counter()
        gap, self._last = now - self._last - INTERVAL, now
        before, self._waits = self._waits, waits_for_processor()
        if gap <= self.threshold:
            return
        own = max(0.0, gap - deductible(before, self._waits))
        if own > self.threshold:
            stall = Stall(now - self._began - gap, gap, own)
            self.stalls.append(stall)
            if self._on_stall is not None:
                self._on_stall(stall)


def waits_for_processor() -> dict[int, float]:
    """Seconds that each thread of this process was ready and had no processor; empty where the system does not tell.

    The main thread has the process's number, and comes under 0.
    """
    waits: dict[int, float] = {}
    try:
        main = TASKS.parent.resolve().name  # /proc/self leads to /proc/<number>
        for task in TASKS.iterdir():
            waited = int((task / "schedstat").read_text().split()[1]) / 1e9
            waits[0 if task.name == main else int(task.name)] = waited
    except (OSError, ValueError, IndexError):
        pass  # no Linux, or a thread that ended while it was looked at
    return waits


def deductible(before: dict[int, float], after: dict[int, float]) -> float:
    """What of a stall was waiting for a processor: the GUI thread's wait, and the longest wait of another thread.

    One thread at a time can hold what the GUI thread waits for, so the waits of several are not added up.
    """
    grown = {thread: after[thread] - before.get(thread, 0.0) for thread in after}
    return grown.pop(0, 0.0) + max(grown.values(), default=0.0)
