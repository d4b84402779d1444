"""A stage whose files hang or crash the process that reads them. Worker processes import it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from corpora.store_filling import Clip
from corpora.workers import Timer
from preparation.settings import Settings
from preparation.task import Task


@dataclass(frozen=True, kw_only=True)
class Toy(Settings):
    """Stores a number for each utterance, unless its name requests a hang or a crash."""

    @property
    def longest(self) -> float:
        return 10.0

    def clips(self, work: Sequence[Task], timer: Timer) -> Iterator[Clip]:
        for task in work:
            with timer(task.key, self.decode_limit(task)):
                if "hangs" in task.key:
                    time.sleep(60)
                if "kills" in task.key:
                    os.kill(os.getpid(), 9)
            yield Clip(task.key, {"x": np.zeros(1)}, task.meta(1.0))
