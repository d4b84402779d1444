"""Turns Ctrl-C and SIGTERM into a wish to stop after the current step."""

import os
import signal
import threading
import time
from types import FrameType
from typing import Any


class StopWish:
    """Within the `with` block the first SIGINT or SIGTERM sets `wished`; the second ends the process at once.

    A launcher (torchrun) passes a Ctrl-C on to processes that the terminal has told already, so under a launcher a
    second signal within `echo_seconds` counts as an echo of the first.
    """

    def __init__(self, echo_seconds: float | None = None):
        launched = int(os.environ.get("WORLD_SIZE", "1")) > 1
        self.echo_seconds = echo_seconds if echo_seconds is not None else (2.0 if launched else 0.0)
        self.wished = False
        self._first_at = 0.0
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopWish":
        if threading.current_thread() is threading.main_thread():  # Python allows handlers nowhere else
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.wished:
            self.wished = True
            self._first_at = now
        elif now - self._first_at >= self.echo_seconds:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
