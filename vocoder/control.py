"""Progress reports and cancelling of long work."""

from collections.abc import Callable
from dataclasses import dataclass

from speech.errors import WorkCancelled

Progress = Callable[[int, int], None]
Cancelled = Callable[[], bool]


class VocodingCancelled(WorkCancelled):
    """The caller's `cancelled` returned True; there is no result."""


@dataclass(frozen=True)
class Control:
    """What the caller of a long function may give along.

    Attributes:
        progress: called with (samples generated, samples in total).
        cancelled: called at least every 50 ms; True ends the work with `VocodingCancelled`.
    """

    progress: Progress | None = None
    cancelled: Cancelled | None = None

    def report(self, done: int, total: int) -> None:
        """Call `progress`, if there is one."""
        if self.progress is not None:
            self.progress(done, total)

    def check(self) -> None:
        """Call `cancelled`, if there is one.

        Raises:
            VocodingCancelled: it returned True.
        """
        if self.cancelled is not None and self.cancelled():
            raise VocodingCancelled


NO_CONTROL = Control()
