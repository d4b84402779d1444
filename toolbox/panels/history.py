"""The stored results: play, compare two of them, delete."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PyQt5.QtCore import QAbstractListModel, QMimeData, QModelIndex, Qt, QUrl
from PyQt5.QtWidgets import QAbstractItemView, QWidget

from speech.audio import write_audio
from speech.errors import SpeechError
from toolbox.state.requests import Requests
from toolbox.state.session import Session
from toolbox.storage.result_files import proposed_name
from toolbox.storage.results import Entry, ResultStore
from toolbox.widgets.parts import Card, ElidedLabel, ShortList, button, list_keys, row

LETTERS = ("A", "B")


class ResultsModel(QAbstractListModel):
    """The entries as a list of two lines each, which can be dragged out as audio files."""

    def __init__(self, store: ResultStore) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        self._store = store
        self._dragged = tempfile.TemporaryDirectory(prefix="toolbox-", ignore_cleanup_errors=True)

    def show(self, entries: list[Entry]) -> None:
        self.beginResetModel()
        self.entries = entries
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return len(self.entries)

    def data(self, index: QModelIndex, role: int = Qt.DisplayRole) -> Any:
        if not 0 <= index.row() < len(self.entries):
            return None
        entry = self.entries[index.row()]
        length = f"{entry.seconds:.1f} s" if entry.seconds else "mel only"
        facts = [entry.voice, length, *entry.settings.changes()]
        if role == Qt.DisplayRole:
            return f"{entry.title}\n{', '.join(facts)}"
        if role == Qt.ToolTipRole:
            return tooltip(entry, facts)
        if role == Qt.AccessibleTextRole:
            return f"{entry.title}, {', '.join(facts)}"
        return None

    def flags(self, index: QModelIndex) -> Qt.ItemFlags:
        flags = super().flags(index)
        dragged = 0 <= index.row() < len(self.entries) and self.entries[index.row()].seconds > 0
        return flags | Qt.ItemIsDragEnabled if dragged else flags

    def mimeTypes(self) -> list[str]:
        return ["text/uri-list"]

    def mimeData(self, indexes: Iterable[QModelIndex]) -> QMimeData:
        """A copy of the audio, named after voice and text, because other programs may change or move it."""
        data, paths = QMimeData(), []
        for index in indexes:
            entry = self.entries[index.row()]
            path = Path(self._dragged.name) / f"{proposed_name(entry.voice, entry.text)}.wav"
            with contextlib.suppress(SpeechError):  # a result that is gone cannot be dragged
                tags = entry.provenance.tags()
                write_audio(path, *self._store.audio(entry.key), overwrite=True, tags=tags)
                paths.append(path)
        data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        return data


def tooltip(entry: Entry, facts: list[str]) -> str:
    similarity = [] if entry.similarity is None else [f"similarity {entry.similarity:.2f}"]
    lines = [
        entry.text,
        "",
        ", ".join([*facts, f"seed {entry.seed}", *similarity]),
        "; ".join(entry.remarks) or "no remarks",
        ", ".join(entry.models.values()),
        entry.created,
    ]
    return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class ComparedResult:
    """One of the two results in a comparison: float32 [samples]."""

    title: str
    wav: np.ndarray
    sample_rate: int


class History(Card):
    """The list, and buttons for the selected result."""

    def __init__(self, session: Session, requests: Requests, parent: QWidget | None = None) -> None:
        super().__init__("Results", "", parent)
        self._session, self._requests = session, requests
        self.model = ResultsModel(session.results)
        self.list = ShortList()
        self.list.setAccessibleName("Results")
        self.list.setModel(self.model)
        self.list.setUniformItemSizes(True)
        self.list.setDragDropMode(QAbstractItemView.DragOnly)
        self.list.setDefaultDropAction(Qt.CopyAction)
        self.list.setTextElideMode(Qt.ElideRight)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.list.setToolTip(
            "Click to view a result, double-click to play it. Space plays or pauses, Del deletes.\n"
            "Drag a result out of the window to get its audio file."
        )
        self.list.clicked.connect(self._show)
        self.list.activated.connect(self._show_and_play)
        list_keys(self.list, {"Space": self.play_or_pause, "Del": self.delete})
        self.replay_button = button("Repla&y", "Play the selected result", self.replay, "play")
        self.delete_button = button("Delete", "Delete the selected result; Ctrl+Z restores it", self.delete)
        self.reuse_button = button(
            "Reuse settings", "Put text, options, seed, voice and models of this result back on the page",
            requests.restore_settings,
        )  # fmt: skip
        self.compared: list[ComparedResult | None] = [None, None]
        self._turn = -1  # index of the result that played last
        self.names = [ElidedLabel(f"{letter}: none") for letter in LETTERS]
        self.set_buttons = [
            button(f"Set as {letter}", f"Use the selected result as {letter} of a comparison", partial(self.set, index))
            for index, letter in enumerate(LETTERS)
        ]
        self.compare_button = button(
            "&Compare A / B", "Switch between A and B at the same position", self.compare, "play", False, "Ctrl+B"
        )
        self.column.addWidget(self.list, 1)
        self.column.addLayout(row(self.replay_button, self.delete_button))
        self.column.addWidget(self.reuse_button)
        for label, one in zip(self.names, self.set_buttons, strict=True):
            line = row()
            line.addWidget(label, 1)
            line.addWidget(one)
            self.column.addLayout(line)
        self.column.addWidget(self.compare_button)
        requests.results_changed.connect(self._listed)
        requests.result_changed.connect(lambda: self._select(requests.key))
        session.playing_changed.connect(lambda _what: self._show_compared())
        self._enable()

    def selected(self) -> Entry | None:
        index = self.list.currentIndex().row()
        return self.model.entries[index] if 0 <= index < len(self.model.entries) else None

    def _listed(self, entries: list[Entry]) -> None:
        entry = self.selected()
        key, before = self._requests.key or (entry.key if entry is not None else ""), self.list.currentIndex().row()
        self.model.show(entries)
        self._select(key)
        if self.selected() is None and before >= 0 and entries:  # the selected one was deleted
            self.list.setCurrentIndex(self.model.index(min(before, len(entries) - 1)))
        self.title.setText(f"Results ({len(entries)})" if entries else "Results")
        self._enable()

    def _select(self, key: str) -> None:
        for index, entry in enumerate(self.model.entries):
            if entry.key == key:
                self.list.setCurrentIndex(self.model.index(index))
                break
        self._enable()

    def _enable(self) -> None:
        there = self.selected() is not None
        for one in (self.replay_button, self.delete_button, *self.set_buttons):
            one.setEnabled(there)
        self.reuse_button.setEnabled(self._requests.result is not None)
        self.compare_button.setEnabled(None not in self.compared)

    def _show_and_play(self, index: QModelIndex) -> None:
        self._show(index, play=True)

    def _show(self, index: QModelIndex, play: bool = False) -> None:
        if 0 <= index.row() < len(self.model.entries):
            self._requests.show(self.model.entries[index.row()].key, play)
        self._enable()

    def replay(self) -> None:
        entry = self.selected()
        if entry is not None:
            self._requests.show(entry.key, play=True)

    def play_or_pause(self) -> None:
        entry = self.selected()
        if entry is not None:
            self._requests.play_or_pause(entry.key)

    def delete(self) -> None:
        entry = self.selected()
        if entry is not None:
            self._requests.delete(entry.key)

    # --- comparison

    def set(self, index: int) -> None:
        """Use the selected result as A (0) or B (1)."""
        entry = self.selected()
        if entry is None:
            return

        def take(wav: np.ndarray, sample_rate: int) -> None:
            self.compared[index] = ComparedResult(entry.title, wav, sample_rate)
            self._turn = -1
            self._show_compared()
            self._enable()

        self._requests.load_audio(entry.key, take)

    def compare(self) -> None:
        """Play A; the next call continues with B at the same position, and so on."""
        if None in self.compared:
            return
        start = 0.0
        if self._session.playing == "comparison":
            before = self.compared[self._turn]
            assert before is not None
            start = self._session.player.position() / max(len(before.wav) / before.sample_rate, 1e-6)
        self._turn = (self._turn + 1) % 2
        now = self.compared[self._turn]
        assert now is not None
        self._session.play("comparison", now.wav, now.sample_rate, start * len(now.wav) / now.sample_rate)
        self._show_compared()

    def _show_compared(self) -> None:
        playing = self._session.playing == "comparison"
        for index, (letter, one) in enumerate(zip(LETTERS, self.compared, strict=True)):
            state = " (playing)" if playing and index == self._turn else ""
            self.names[index].set_text(f"{letter}{state}: {one.title if one is not None else 'none'}")
