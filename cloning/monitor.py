"""Callbacks of a caller that follows the work of the chain. Imports neither numpy nor PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synthesizer import Synthesis


@dataclass(frozen=True)
class Monitor:
    """Callbacks of a caller that follows the work or may stop it.

    Attributes:
        on_synthesis: called with each synthesis (a sentence, or the whole text) before its audio is generated.
        progress: called with ("synthesizer", "vocoder" or "conversion", units done, units in all).
        cancelled: polled at least every 50 ms; True stops the work with `speech.errors.WorkCancelled`.
    """

    on_synthesis: Callable[[Synthesis], None] | None = None
    progress: Callable[[str, int, int], None] | None = None
    cancelled: Callable[[], bool] | None = None

    def for_stage(self, stage: str) -> Callable[[int, int], None] | None:
        """`progress` of one stage."""
        progress = self.progress
        return None if progress is None else lambda done, total: progress(stage, done, total)


SILENT = Monitor()
