"""The voice library: what each voice was made of, whose it is, and which recordings do not belong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PyQt5.QtCore import Qt
from PyQt5.QtGui import QColor
from PyQt5.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QListWidget,
    QPlainTextEdit,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from toolbox import jobs
from toolbox.panels.questions import SOUNDS, NameDialog, ask_for_files
from toolbox.state.session import Session
from toolbox.state.worker import JobContext
from toolbox.storage.voice_shelf import ShelvedVoice
from toolbox.window import style
from toolbox.window.widgets import Card, button, faint, row, selectable

COLUMNS = ("Recording", "Speech", "Added", "Like the others", "")


class LibraryPanel(QWidget):
    """Args: use: called after a voice was taken, to show the page where it is spoken with."""

    def __init__(self, session: Session, use: Callable[[], object], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._use = session, use
        self.shown: ShelvedVoice | None = None
        self.list = QListWidget()
        self.list.setAccessibleName("Voices")
        self.list.currentTextChanged.connect(self._open)
        self.list.itemActivated.connect(lambda _item: self.speak_with())
        self.use_button = button("&Use", "Speak with this voice", self.speak_with, "", True)
        self.rename_button = button("Re&name...", "Give this voice another name", self.rename)
        self.delete_button = button("&Delete", "Delete this voice; it can be taken back", self.delete)
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setAccessibleName("References of the voice")
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.table.verticalHeader().hide()
        self.table.setSelectionBehavior(QAbstractItemView.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.NoEditTriggers)
        self.table.setShowGrid(False)
        self.table.setTabKeyNavigation(False)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.Stretch)
        self.table.itemSelectionChanged.connect(self._enable)
        self.remarks = selectable()
        self.add_button = button("&Add recordings...", "More references make a voice steadier", self.ask_for_more)
        self.remove_button = button("Re&move", "Take the marked recording out of the voice", self.remove)
        self.listen_button = button("&Listen", "Hear the marked recording", self.listen, "play")
        self.consent = QPlainTextEdit()
        self.consent.setAccessibleName("Consent")
        self.consent.setTabChangesFocus(True)
        self.consent.setMaximumHeight(90)
        self.consent.setPlaceholderText("Whose voice is it, and who allowed its use?")
        self.consent_button = button("Keep the n&ote", "Keep this note with the voice", self.keep_consent)
        self._lay_out()
        session.voices.library_changed.connect(self._fill)
        self._fill(session.voices.saved_names)

    def _lay_out(self) -> None:
        voices = Card("Your voices")
        self.empty = faint("No voice is kept yet: choose or record one on the page Speak, and press Keep.")
        voices.column.addWidget(self.empty)
        voices.column.addWidget(self.list, 1)
        voices.column.addLayout(row(self.use_button, self.rename_button, self.delete_button))
        self.about = Card("References")
        self.about.column.addWidget(self.table, 1)
        self.about.column.addWidget(self.remarks)
        self.about.column.addLayout(row(self.add_button, self.remove_button, self.listen_button, None))
        self.about.column.addWidget(faint("Consent: whose voice this is, and who allowed its use."))
        self.about.column.addWidget(self.consent)
        self.about.column.addLayout(row(None, self.consent_button))
        self.splitter = QSplitter(Qt.Horizontal)
        self.splitter.addWidget(voices)
        self.splitter.addWidget(self.about)
        self.splitter.setStretchFactor(1, 2)
        self.splitter.setChildrenCollapsible(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 8, 0, 0)
        column.addWidget(self.splitter)

    # --- what is shown

    def _fill(self, names: list[str]) -> None:
        marked = self.list.currentItem().text() if self.list.currentItem() is not None else ""
        self.list.blockSignals(True)
        self.list.clear()
        self.list.addItems(names)
        place = names.index(marked) if marked in names else 0
        self.list.setCurrentRow(place if names else -1)
        self.list.blockSignals(False)
        self.empty.setVisible(not names)
        self._open(names[place] if names else "")

    def _open(self, name: str) -> None:
        if not name:
            self._show(None)
            return
        shelf = self._session.voices.shelf
        self._session.submit(f"Opening {name}", lambda _context: shelf.load(name), self._show_if_marked, "files", False)

    def _show_if_marked(self, voice: ShelvedVoice) -> None:
        if voice.name == self._name():
            self._show(voice)

    def _show(self, voice: ShelvedVoice | None) -> None:
        self.shown = voice
        references = () if voice is None else voice.references
        self.table.setRowCount(len(references))
        if voice is not None:
            outliers, similarity = set(voice.outliers), voice.similarity
            for line, (reference, alike) in enumerate(zip(references, similarity, strict=True)):
                odd = reference.key in outliers
                seconds = f"{reference.seconds:.1f} s" if reference.seconds else ""
                figure = "" if np.isnan(alike) else f"{alike:.2f}"
                cells = (reference.source, seconds, reference.date, figure, "does not belong?" if odd else "")
                for place, text in enumerate(cells):
                    item = QTableWidgetItem(text)
                    item.setToolTip(text)
                    if odd:
                        item.setForeground(QColor(style.current().error))
                    self.table.setItem(line, place, item)
            self.table.selectRow(0)
        self.about.title.setText("References" if voice is None else f"References of {voice.name}")
        self.remarks.setText("" if voice is None else "\n".join(voice.lines()))
        self.remarks.setStyleSheet(f"color: {style.current().warning};")
        self.remarks.setVisible(bool(self.remarks.text()))
        self.consent.setPlainText("" if voice is None else voice.consent)
        self._enable()

    def _enable(self) -> None:
        there = self.shown is not None
        for one in (self.use_button, self.rename_button, self.delete_button, self.add_button, self.consent_button):
            one.setEnabled(there)
        self.consent.setEnabled(there)
        reference = self._marked()
        self.remove_button.setEnabled(reference is not None and self.shown is not None
                                      and len(self.shown.references) > 1)  # fmt: skip
        self.listen_button.setEnabled(reference is not None and reference.has_sound)

    def _name(self) -> str:
        item = self.list.currentItem()
        return item.text() if item is not None else ""

    def _marked(self):
        lines = self.table.selectionModel().selectedRows() if self.table.selectionModel() is not None else []
        if self.shown is None or not lines or lines[0].row() >= len(self.shown.references):
            return None
        return self.shown.references[lines[0].row()]

    # --- what can be done

    def speak_with(self) -> None:
        if self._name():
            self._session.voices.choose("saved", self._name())
            self._use()

    def rename(self) -> None:
        old, voices = self._name(), self._session.voices
        if not old:
            return

        def then(new: str, _consent: str) -> None:
            def renamed(_voice: object) -> None:
                chosen = voices.chosen
                if chosen is not None and chosen.kind == "saved" and chosen.key == old:
                    voices.choose("saved", new, asked_for=False)

            voices.change_library(f"Renaming {old}", lambda: voices.shelf.rename(old, new), renamed)

        others = [name for name in voices.saved_names if name != old]
        dialog = NameDialog(self, f"Rename {old}", then, (others, ""), old, None)
        dialog.open()

    def delete(self) -> None:
        name, voices = self._name(), self._session.voices
        if not name:
            return

        def deleted(token: str) -> None:
            def take_back() -> None:
                voices.change_library(f"Taking {name} back", lambda: voices.shelf.restore(token))

            self._session.tell(f"The voice {name} was deleted.", "&Undo", take_back)

        voices.change_library(f"Deleting {name}", lambda: voices.shelf.delete(name), deleted)

    def keep_consent(self) -> None:
        name, note, voices = self._name(), self.consent.toPlainText(), self._session.voices
        if name:
            voices.change_library(
                f"Keeping the note of {name}", lambda: voices.shelf.set_consent(name, note),
                lambda _voice: self._session.tell("The note was kept."),
            )  # fmt: skip

    def ask_for_more(self) -> None:
        ask_for_files(
            self, self._session.preferences, "More recordings of this voice", "open many", self.add_files, SOUNDS
        )

    def add_files(self, paths: list[Path]) -> None:
        """Listen to recordings and put them into the voice that is shown."""
        name, session = self._name(), self._session
        files = session.chain()
        if not name or files is None:
            return
        models, shelf = session.models, session.voices.shelf

        def add(context: JobContext) -> int:
            for path in paths:
                clip = jobs.hear(context, models, files, path)
                if not clip.fit or clip.embedding is None:
                    from speech.errors import AudioError

                    raise AudioError(f"{clip.source}: {' '.join(remark.sentence for remark in clip.remarks)}")
                context.check()
                shelf.add_reference(name, clip.embedding, clip.embedding_space, clip.source, clip.seconds, clip.wav)
            return len(paths)

        job = session.submit(f"Adding to {name}", add)
        job.ended.connect(session.voices.refresh_library)

    def remove(self) -> None:
        reference, name, voices = self._marked(), self._name(), self._session.voices
        if reference is None:
            return

        def take_out() -> str:
            voices.shelf.remove_reference(name, reference.key)
            return voices.shelf.trash()[0][0]

        def taken_out(token: str) -> None:
            def put_back() -> None:
                voices.change_library("Taking the recording back", lambda: voices.shelf.restore_over(token))

            self._session.tell(f"{reference.source} was taken out of {name}.", "&Undo", put_back)

        voices.change_library(f"Changing {name}", take_out, taken_out)

    def listen(self) -> None:
        reference, name, session = self._marked(), self._name(), self._session
        if session.playing == "saved reference":
            session.stop_playing()
        elif reference is not None:
            session.submit(
                "Opening the sound", lambda _context: session.voices.shelf.sound(name, reference.key),
                lambda sound: session.play("saved reference", *sound), "files", False,
            )  # fmt: skip
