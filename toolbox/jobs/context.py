"""The context that a job's function is given: it reports progress, and checks whether the job was cancelled."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

from speech.errors import SpeechError, WorkCancelled, disk_full_error, one_line


class JobContext:
    """The context of one job.

    Args:
        report: called with "progress" and (stage, done, total), or with "chunk" and an intermediate result.
    """

    def __init__(self, report: Callable[[str, Any], None] | None = None) -> None:
        self._report = report
        self._cancelled = threading.Event()

    def progress(self, stage: str, done: int, total: int) -> None:
        """Report the current stage and the progress of the whole job; a total of 0 if unknown."""
        if self._report is not None:
            self._report("progress", (stage, int(done), int(total)))

    def chunk(self, value: Any) -> None:
        """Report an intermediate result, such as the first audio."""
        if self._report is not None:
            self._report("chunk", value)

    def cancel(self) -> None:
        self._cancelled.set()

    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raises: WorkCancelled if the job was cancelled."""
        if self.cancelled():
            raise WorkCancelled


def describe_failure(error: BaseException) -> tuple[str, str]:
    """One sentence for the user, and details to copy into a bug report."""
    return _sentence(error), "".join(traceback.format_exception(error))


def _sentence(error: BaseException) -> str:
    if isinstance(error, SpeechError):
        return one_line(error)
    if isinstance(error, MemoryError) or "not enough memory" in str(error):
        return "There is not enough memory: close other programs, or use a shorter text or recording."
    if isinstance(error, OSError) and (full := disk_full_error(error)) is not None:
        return one_line(full).replace("run the command again", "try again")
    kind = type(error).__name__
    return f"An internal error occurred ({kind}): this is a bug in the program, see the details."
