"""What the studies of audio share: measuring, saving and reporting outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.gallery import Gallery
from evaluation.measurements import Candidates, Metrics, Row
from evaluation.outputs import Output
from evaluation.report import Notes

Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]  # (items, what they are, how many there are)


@dataclass(frozen=True, eq=False)
class Study:
    """The metrics, and where results go.

    Attributes:
        gallery: saves the first outputs of each condition.
        notes: collects what the report must mention.
        progress: shows progress over items.
    """

    metrics: Metrics
    gallery: Gallery
    notes: Notes
    progress: Progress

    def measure(self, output: Output, candidates: Candidates, original: np.ndarray | None = None) -> Row:
        """Save an output if it is one of the first, and measure it (`Metrics.measure`)."""
        self.gallery.keep(output)
        return self.metrics.measure(output, candidates, original)

    def measure_all(self, outputs: Iterable[Output], candidates: Candidates, what: str, total: int) -> Iterator[Row]:
        """`measure` for each output, with progress."""
        for output in self.progress(outputs, what, total):
            yield self.measure(output, candidates)
