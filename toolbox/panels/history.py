"""All results that were kept: to hear again, to compare two of them, to use their settings, to delete."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PyQt5.QtCore import QAbstractListModel, QModelIndex, Qt
from PyQt5.QtWidgets import QListView, QWidget

from toolbox.state.requests import Orders
from toolbox.state.session import Session
from toolbox.storage.results import Entry
from toolbox.window.widgets import Card, ElidedLabel, button, row

LETTERS = ("A", "B")


class ResultsModel(QAbstractListModel):
    """The entries as a list of two lines each; made for any number of them."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []

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
        alike = "" if entry.similarity is None else f", {entry.similarity:.2f} alike"
        length = f"{entry.seconds:.1f} s" if entry.seconds else "mel only"
        if role == Qt.DisplayRole:
            return f"{entry.title}\n{entry.voice}, {length}{alike}"
        if role == Qt.ToolTipRole:
            said = "; ".join(entry.remarks) or "no remarks"
            models = ", ".join(entry.models.values())
            return (
                f"{entry.text}\n\n{entry.voice}, seed {entry.seed}, {length}{alike}\n{said}\n{models}\n{entry.created}"
            )
        if role == Qt.AccessibleTextRole:
            return f"{entry.title}, {entry.voice}, {length}"
        return None


@dataclass(frozen=True, eq=False)
class Contestant:
    """One of two sounds to be compared: float32 [samples]."""

    title: str
    wav: np.ndarray
    sample_rate: int


class History(Card):
    """The list, and what can be done with the one that is marked."""

    def __init__(self, session: Session, orders: Orders, parent: QWidget | None = None) -> None:
        super().__init__("Results", "", parent)
        self._session, self._orders = session, orders
        self.model = ResultsModel()
        self.list = QListView()
        self.list.setAccessibleName("Results")
        self.list.setModel(self.model)
        self.list.setUniformItemSizes(True)
        self.list.setTextElideMode(Qt.ElideRight)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.list.setToolTip("Click to see a result, double-click or press Enter to hear it")
        self.list.clicked.connect(self._show)
        self.list.activated.connect(self._show_and_play)
        self.replay_button = button("Repla&y", "Hear the marked result", self.replay, "play")
        self.delete_button = button("&Delete", "Delete the marked result; it can be taken back", self.delete)
        self.contestants: list[Contestant | None] = [None, None]
        self._turn = -1
        self.names = [ElidedLabel(f"{letter}: none") for letter in LETTERS]
        self.set_buttons = [
            button(f"Set as &{letter}", f"Compare the marked result as {letter}", partial(self.mark, place))
            for place, letter in enumerate(LETTERS)
        ]
        self.compare_button = button(
            "A / B", "Hear one, then at the same place the other", self.compare, "play", False, "Ctrl+B"
        )
        self.column.addWidget(self.list, 1)
        self.column.addLayout(row(self.replay_button, self.delete_button))
        for label, one in zip(self.names, self.set_buttons, strict=True):
            line = row()
            line.addWidget(label, 1)
            line.addWidget(one)
            self.column.addLayout(line)
        self.column.addWidget(self.compare_button)
        orders.results_changed.connect(self._listed)
        orders.result_changed.connect(self._mark_shown)
        session.playing_changed.connect(lambda _what: self._name_contestants())
        self._enable()

    def marked(self) -> Entry | None:
        """The entry that is marked in the list."""
        place = self.list.currentIndex().row()
        return self.model.entries[place] if 0 <= place < len(self.model.entries) else None

    def _listed(self, entries: list[Entry]) -> None:
        entry = self.marked()
        key = self._orders.key or (entry.key if entry is not None else "")
        self.model.show(entries)
        self._mark(key)
        self.title.setText(f"Results ({len(entries)})" if entries else "Results")
        self._enable()

    def _mark_shown(self) -> None:
        self._mark(self._orders.key)

    def _mark(self, key: str) -> None:
        for place, entry in enumerate(self.model.entries):
            if entry.key == key:
                self.list.setCurrentIndex(self.model.index(place))
                break
        self._enable()

    def _enable(self) -> None:
        there = self.marked() is not None
        for one in (self.replay_button, self.delete_button, *self.set_buttons):
            one.setEnabled(there)
        self.compare_button.setEnabled(None not in self.contestants)

    def _show_and_play(self, index: QModelIndex) -> None:
        self._show(index, play=True)

    def _show(self, index: QModelIndex, play: bool = False) -> None:
        if 0 <= index.row() < len(self.model.entries):
            self._orders.show(self.model.entries[index.row()].key, play)
        self._enable()

    def replay(self) -> None:
        entry = self.marked()
        if entry is not None:
            self._orders.show(entry.key, play=True)

    def delete(self) -> None:
        entry = self.marked()
        if entry is not None:
            self._orders.delete(entry.key)

    # --- two of them compared

    def mark(self, place: int) -> None:
        """Take the marked result as A (0) or B (1)."""
        entry = self.marked()
        if entry is None:
            return

        def take(wav: np.ndarray, sample_rate: int) -> None:
            self.contestants[place] = Contestant(entry.title, wav, sample_rate)
            self._turn = -1
            self._name_contestants()
            self._enable()

        self._orders.load_sound(entry.key, take)

    def compare(self) -> None:
        """Hear A; when asked again, B from where A was, and so on."""
        one, other = self.contestants
        if one is None or other is None:
            return
        start = 0.0
        if self._session.playing == "comparison":
            before = self.contestants[self._turn]
            assert before is not None
            start = self._session.player.position() / max(len(before.wav) / before.sample_rate, 1e-6)
        self._turn = (self._turn + 1) % 2
        now = self.contestants[self._turn]
        assert now is not None
        self._session.play("comparison", now.wav, now.sample_rate, start * len(now.wav) / now.sample_rate)
        self._name_contestants()

    def _name_contestants(self) -> None:
        playing = self._session.playing == "comparison"
        for place, (letter, one) in enumerate(zip(LETTERS, self.contestants, strict=True)):
            heard = " (heard now)" if playing and place == self._turn else ""
            self.names[place].set_text(f"{letter}{heard}: {one.title if one is not None else 'none'}")
