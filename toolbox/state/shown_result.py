"""The result on display and the stored results: open, play, export, delete, restore."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PyQt5.QtCore import QObject, pyqtSignal

from toolbox import jobs
from toolbox.state.session import Session
from toolbox.state.worker import JobContext
from toolbox.storage.results import Entry, Result


class ShownResult(QObject):
    """The result on display, and the list of stored ones.

    Attributes:
        result: the result on display.
        key: its key in the result store; "" while it is not stored.
        entries: the stored results, newest first.

    Signals:
        result_changed: a different result is on display, or none.
        results_changed: `entries`.
    """

    result_changed = pyqtSignal()
    results_changed = pyqtSignal(list)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.result: Result | None = None
        self.key = ""
        self.entries: list[Entry] = []

    @property
    def in_progress(self) -> bool:
        """Whether a request is on display, which other results must not replace."""
        return False

    def show_new(self, result: Result) -> None:
        """Display a result that was just made, and store it."""
        self.result, self.key = result, ""
        self.result_changed.emit()
        self._store(result)

    def _store(self, result: Result) -> None:
        store = self.session.results

        def add(_context: JobContext) -> tuple[Entry, list[Entry]]:
            return store.add(result), store.list()

        def added(made: tuple[Entry, list[Entry]]) -> None:
            if self.result is result:
                self.key = made[0].key
            self._listed(made[1])

        self.session.submit("Saving the result", add, added, "files", False)

    def refresh(self) -> None:
        """Read the list of stored results."""
        store = self.session.results
        self.session.submit("Reading the results", lambda _context: store.list(), self._first_listed, "files", False)

    def _first_listed(self, entries: list[Entry]) -> None:
        for remark in self.session.results.remarks:
            self.session.logged.emit(remark)
        self._listed(entries)

    def _listed(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.results_changed.emit(entries)

    def show(self, key: str, play: bool = False) -> None:
        """Display a stored result. Args: play: also play it."""
        if key == self.key and self.result is not None:
            if play:
                self.play()
            return
        store = self.session.results

        def shown(result: Result) -> None:
            if self.in_progress:
                return
            self.result, self.key = result, key
            self.result_changed.emit()
            if play:
                self.play()

        self.session.submit("Opening the result", lambda _context: store.load(key), shown, "files", False)

    def play(self, start: float = 0.0, end: float | None = None) -> None:
        """Play the result on display, or the part between two positions in seconds."""
        if self.result is None or not len(self.result.wav):
            self.session.notify("There is no audio yet: press Speak, or vocode the mel spectrogram.")
            return
        self.session.play("result", self.result.wav, self.result.sample_rate, start, end)

    def play_or_pause(self, key: str) -> None:
        """Play a stored result, pause it, or continue it."""
        result = self.result
        if key != self.key or result is None or not len(result.wav):
            self.show(key, play=True)
        elif not self.in_progress:
            self.session.play_or_pause("result", result.wav, result.sample_rate)

    def load_audio(self, key: str, then: Callable[[np.ndarray, int], object]) -> None:
        """Read the audio of a stored result, for a comparison."""
        store = self.session.results
        self.session.submit(
            "Opening the audio", lambda _c: store.audio(key), lambda audio: then(*audio), "files", False
        )

    def export(self, path: Path, overwrite: bool = False) -> None:
        """Write the audio of the result on display to a file."""
        result = self.result
        if result is None:
            self.session.notify("There is nothing to export yet: press Speak first.")
            return
        self.session.submit(
            "Exporting",
            lambda context: jobs.export(context, result, path, overwrite),
            lambda written: self.session.notify(f"The audio was written to {written}."),
            "files",
        )

    def delete(self, key: str) -> None:
        """Move a result to the trash, and offer to undo that."""
        store = self.session.results

        def remove(_context: JobContext) -> list[Entry]:
            store.delete(key)
            return store.list()

        def removed(entries: list[Entry]) -> None:
            self._listed(entries)
            self.session.offer_undo("The result was deleted.", lambda: self.restore(key))

        self.session.submit("Deleting the result", remove, removed, "files", False)

    def restore(self, key: str) -> None:
        """Restore a result from the trash."""
        store = self.session.results

        def restore(_context: JobContext) -> list[Entry]:
            store.restore(key)
            return store.list()

        self.session.submit("Restoring the result", restore, self._listed, "files", False)
