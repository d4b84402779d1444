"""Work that hangs or crashes if an item requests it. Worker processes import it, so it is light."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpora.workers import Timer, Work
from speech.errors import AudioError


@dataclass(frozen=True)
class ToyItem:
    """What happens while it is worked on: "", "hang", "die", "die once", "fail" or "refuse"."""

    key: str
    fate: str = ""
    folder: Path | None = None


def meet(item: ToyItem, timer: Timer) -> None:
    with timer(item.key, 0.3):
        if item.fate == "hang":
            time.sleep(60)
        if item.fate == "die once":
            assert item.folder is not None
            marker = item.folder / item.key
            if not marker.exists():
                marker.touch()
                os.abort()
        if item.fate == "die":
            os.kill(os.getpid(), 9)
        if item.fate == "fail":
            raise ZeroDivisionError(item.key)
        if item.fate == "refuse":
            raise AudioError("no audio")


@contextlib.contextmanager
def open_toy_work(worker: str) -> Iterator[Work]:
    def work(items: Sequence[ToyItem], refused: Mapping[str, str], timer: Timer) -> list[tuple[str, str]]:
        answers = []
        for item in items:
            if item.key not in refused:
                meet(item, timer)
            answers.append((item.key, refused.get(item.key, worker)))
        return answers

    yield work


@contextlib.contextmanager
def open_nothing(worker: str) -> Iterator[Work]:
    os._exit(7)
    yield lambda *_: None
