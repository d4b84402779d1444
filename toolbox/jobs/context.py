"""What a job's function is handed: how it tells of its progress, and how it learns that it should stop."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

from speech.errors import SpeechError, disk_full_error, one_line


class JobCancelled(Exception):
    """Somebody cancelled the job; raised by `JobContext.check`."""


class JobContext:
    """One job as its function sees it.

    Args:
        tell: called with "progress" and (stage, done, total), or with "chunk" and what is handed out; without it nobody
            listens.
    """

    def __init__(self, tell: Callable[[str, Any], None] | None = None) -> None:
        self._tell = tell
        self._cancelled = threading.Event()

    def progress(self, stage: str, done: int, total: int) -> None:
        """What is being done now, and how much of the whole job is done; a total of 0 where that is not known."""
        if self._tell is not None:
            self._tell("progress", (stage, int(done), int(total)))

    def chunk(self, value: Any) -> None:
        """Hand something out before the job is done, for instance the first sound."""
        if self._tell is not None:
            self._tell("chunk", value)

    def cancel(self) -> None:
        self._cancelled.set()

    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raises: JobCancelled if somebody cancelled the job."""
        if self.cancelled():
            raise JobCancelled


def describe_failure(error: BaseException) -> tuple[str, str]:
    """One sentence for the person, and details that can be copied and sent to whoever can help."""
    return _sentence(error), "".join(traceback.format_exception(error))


def _sentence(error: BaseException) -> str:
    if isinstance(error, SpeechError):
        return one_line(error)
    if isinstance(error, MemoryError) or "not enough memory" in str(error):
        return "There is not enough memory for this: close other programs, or take a shorter text or recording."
    if isinstance(error, OSError) and (full := disk_full_error(error)) is not None:
        return one_line(full).replace("run the command again", "try again")
    kind = type(error).__name__
    return f"Something went wrong that should not have ({kind}): this is a defect of the program, see the details."
