"""The trash: deleted voices and results, which can be restored for 30 days."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QAbstractItemView, QDialog, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from toolbox.state.requests import Requests
from toolbox.state.session import Session
from toolbox.storage.results import Entry
from toolbox.widgets.parts import button, faint, list_keys, row


class TrashDialog(QDialog):
    """Does not block the window."""

    def __init__(self, session: Session, requests: Requests, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Trash")
        self.resize(560, 400)
        self._session, self._requests = session, requests
        self.list = QListWidget()
        self.list.setAccessibleName("Deleted voices and results")
        self.list.setSelectionMode(QAbstractItemView.ExtendedSelection)
        self.list.setTextElideMode(Qt.ElideRight)
        self.list.itemSelectionChanged.connect(self._enable)
        self.list.itemActivated.connect(lambda _item: self.restore())
        list_keys(self.list, {"Space": self.restore})
        self.note = faint()
        self.restore_button = button("&Restore", "Put the selected voices and results back", self.restore, "", True)
        close = button("Close", "Close this window", self.close)
        column = QVBoxLayout(self)
        column.addWidget(self.note)
        column.addWidget(self.list, 1)
        column.addLayout(row(None, self.restore_button, close))
        session.voices.library_changed.connect(lambda _names: self.refresh())
        requests.results_changed.connect(lambda _entries: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Read the trash again."""
        voices, results = self._session.voices.store, self._session.results
        self._session.submit(
            "Reading the trash", lambda _context: (voices.trash(), results.trash()), self._show, "files", False
        )

    def _show(self, found: tuple[list[tuple[str, str]], Sequence[Entry]]) -> None:
        voices, entries = found
        self.list.clear()
        for token, name in voices:
            self._add(f"Voice: {name}", ("voice", token))
        for entry in entries:
            self._add(f"Result: {entry.title} ({entry.voice}, {entry.seconds:.1f} s)", ("result", entry.key))
        self.note.setText(
            "Deleted voices and results stay here for 30 days." if self.list.count() else "The trash is empty."
        )
        if self.list.count():
            self.list.setCurrentRow(0)
        self._enable()

    def _add(self, text: str, what: tuple[str, str]) -> None:
        item = QListWidgetItem(text)
        item.setData(Qt.UserRole, what)
        item.setToolTip(text)
        self.list.addItem(item)

    def _enable(self) -> None:
        self.restore_button.setEnabled(bool(self.list.selectedItems()))

    def restore(self) -> None:
        voices = self._session.voices
        for item in self.list.selectedItems():
            kind, key = item.data(Qt.UserRole)
            if kind == "voice":
                voices.change_library("Restoring the voice", partial(voices.store.restore, key))
            else:
                self._requests.restore(key)
