"""Requests to stop training: Ctrl-C and SIGTERM."""

import os
import signal
import threading
import time
from types import FrameType
from typing import Any


class StopRequest:
    """Within the `with` block, the first SIGINT or SIGTERM sets `requested`. The second one ends the process at once.

    A launcher (torchrun) forwards Ctrl-C to processes that have received it from the terminal already. So under a
    launcher, a second signal within `echo_seconds` is ignored.
    """

    def __init__(self, echo_seconds: float | None = None):
        launched = int(os.environ.get("WORLD_SIZE", "1")) > 1
        self.echo_seconds = echo_seconds if echo_seconds is not None else (2.0 if launched else 0.0)
        self.requested = False
        self._first_at = 0.0
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():  # Python allows handlers only there
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.requested:
            self.requested = True
            self._first_at = now
        elif now - self._first_at >= self.echo_seconds:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
