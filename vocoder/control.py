"""Progress reports and cancelling of long work."""

from collections.abc import Callable
from dataclasses import dataclass

from speech.errors import WorkCancelled

Progress = Callable[[int, int], None]
Cancelled = Callable[[], bool]


@dataclass(frozen=True)
class Control:
    """Callbacks of the caller of a long function.

    Attributes:
        progress: called with (samples generated, samples in total).
        cancelled: called at least every 50 ms; True ends the work with `WorkCancelled`.
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
            WorkCancelled: it returned True.
        """
        if self.cancelled is not None and self.cancelled():
            raise WorkCancelled


NO_CONTROL = Control()
