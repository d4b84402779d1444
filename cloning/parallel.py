"""Speak many texts in several processes, each with models of its own. The samples are those of one process."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cloning.narration import Narrator, Spoken, spoken_by
from corpora.workers import Timer, Work, supervise
from speech.errors import StorageError

if TYPE_CHECKING:
    from cloning.cloner import VoiceCloner
    from cloning.models import ModelFiles
    from cloning.options import SpeechOptions
    from cloning.voices import Voice


class Models(NamedTuple):
    """What a process loads."""

    files: ModelFiles
    device: str
    threads: int


class _Text(NamedTuple):
    key: str
    text: str


class ParallelNarrator(Narrator):
    """A narrator whose processes speak the texts of a batch ahead.

    Args:
        processes: how many.
        models: loaded in each of them.
        others: as `Narrator`.
    """

    def __init__(
        self, cloner: VoiceCloner, voice: Voice, options: SpeechOptions, models: Models, processes: int
    ) -> None:
        super().__init__(cloner, voice, options)
        self._models, self._processes = models, processes
        self._results: Generator[tuple[Sequence[_Text], Any], None, None] | None = None
        self._ready: dict[str, Spoken] = {}
        self._next = self._count = 0

    def prepare(self, texts: Sequence[str]) -> None:
        """Start to speak these texts; they are asked for in this order."""
        batches = ([_Text(str(number), text)] for number, text in enumerate(texts))
        open_work = functools.partial(_speaking, self._models, self.voice, self.options)
        self._results = supervise(batches, open_work, min(self._processes, len(texts)))
        self._ready.clear()
        self._next, self._count = 0, len(texts)

    def speak(self, text: str, path: Path | None, overwrite: bool = False) -> dict[str, Any]:
        """Write the next of the prepared texts.

        Raises:
            StorageError: its process crashed, twice.
        """
        if self._results is None:
            return super().speak(text, path, overwrite)
        started = time.perf_counter()
        key = str(self._next)
        self._next += 1
        while key not in self._ready:
            texts, results = next(self._results)
            self._ready.update(zip((item.key for item in texts), results, strict=True))
        if self._next == self._count:
            self._results.close()
        spoken = self._ready.pop(key)
        return self.record(text, spoken._replace(elapsed=time.perf_counter() - started), path, overwrite)


@contextlib.contextmanager
def _speaking(models: Models, voice: Voice, options: SpeechOptions, worker: str) -> Iterator[Work]:
    """The work of one process."""
    from cloning.cloner import VoiceCloner

    cloner = VoiceCloner.load(models.files, device=models.device, threads=models.threads)
    cloner.warm_up()

    def work(items: Sequence[_Text], refused: Mapping[str, str], timer: Timer) -> list[Spoken]:
        if refused:
            raise StorageError(f"The text {items[0].text!r} {next(iter(refused.values()))}: leave it out.")
        return [spoken_by(cloner, item.text, voice, options) for item in items]

    yield work
