"""The voice library: the references of each voice, its consent note, and references of other speakers."""

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

from speech.errors import AudioError
from toolbox import jobs
from toolbox.panels.dialogs import RECORDINGS, NameDialog, ask_for_files
from toolbox.state.session import Session
from toolbox.state.voice_choice import ADAPTER_DROPPED
from toolbox.state.worker import JobContext
from toolbox.storage.voice_store import Reference, StoredVoice
from toolbox.widgets import style
from toolbox.widgets.parts import Card, button, faint, list_keys, row, selectable

COLUMNS = ("Recording", "Speech", "Added", "Similarity", "")


class LibraryPanel(QWidget):
    """Args: use: called after a voice was chosen, to show the page for speaking."""

    def __init__(self, session: Session, use: Callable[[], object], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._use = session, use
        self.shown: StoredVoice | None = None
        self.list = QListWidget()
        self.list.setAccessibleName("Voices")
        self.list.currentTextChanged.connect(self._open)
        self.list.itemActivated.connect(lambda _item: self.speak_with())
        list_keys(self.list, {"Space": self.listen, "Del": self.delete})
        self.use_button = button("&Use", "Speak with this voice", self.speak_with, "", True)
        self.rename_button = button("Re&name...", "Give this voice another name", self.rename)
        self.delete_button = button("&Delete", "Delete this voice; Ctrl+Z restores it", self.delete)
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setAccessibleName("References of the voice")
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.table.horizontalHeaderItem(COLUMNS.index("Similarity")).setToolTip(
            "Cosine of this recording's embedding and the mean of the others"
        )
        self.table.verticalHeader().hide()
        self.table.setSelectionBehavior(QAbstractItemView.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.NoEditTriggers)
        self.table.setShowGrid(False)
        self.table.setTabKeyNavigation(False)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.Stretch)
        self.table.itemSelectionChanged.connect(self._enable)
        list_keys(self.table, {"Space": self.listen, "Del": self.remove})
        self.remarks = selectable()
        self.add_button = button("&Add recordings...", "More references give a more reliable voice", self.ask_for_more)
        self.remove_button = button("Re&move", "Remove the selected recording from the voice", self.remove)
        self.listen_button = button("&Listen", "Play the selected recording", self.listen, "play")
        self.consent = QPlainTextEdit()
        self.consent.setAccessibleName("Consent")
        self.consent.setTabChangesFocus(True)
        self.consent.setMaximumHeight(90)
        self.consent.setPlaceholderText("Whose voice is it, and who permitted its use?")
        self.consent_button = button("Save n&ote", "Save the consent note with the voice", self.save_consent)
        self._lay_out()
        session.voices.library_changed.connect(self._fill)
        self._fill(session.voices.saved_names)

    def _lay_out(self) -> None:
        voices = Card("Your voices")
        self.empty = faint("No voices are saved yet. Choose or record one on the page Speak, then press Save.")
        voices.column.addWidget(self.empty)
        voices.column.addWidget(self.list, 1)
        voices.column.addLayout(row(self.use_button, self.rename_button, self.delete_button))
        self.about = Card("References")
        self.about.column.addWidget(self.table, 1)
        self.about.column.addWidget(self.remarks)
        self.about.column.addLayout(row(self.add_button, self.remove_button, self.listen_button, None))
        self.about.column.addWidget(faint("Consent: whose voice this is, and who permitted its use."))
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

    # --- display

    def _fill(self, names: list[str]) -> None:
        selected = self.list.currentItem().text() if self.list.currentItem() is not None else ""
        self.list.blockSignals(True)
        self.list.clear()
        self.list.addItems(names)
        row = names.index(selected) if selected in names else 0
        self.list.setCurrentRow(row if names else -1)
        self.list.blockSignals(False)
        self.empty.setVisible(not names)
        self._open(names[row] if names else "")

    def _open(self, name: str) -> None:
        if not name:
            self._show(None)
            return
        store = self._session.voices.store
        self._session.submit(
            f"Opening {name}", lambda _context: store.load(name), self._show_if_selected, "files", False
        )

    def _show_if_selected(self, voice: StoredVoice) -> None:
        if voice.name == self._name():
            self._show(voice)

    def _show(self, voice: StoredVoice | None) -> None:
        self.shown = voice
        references = () if voice is None else voice.references
        self.table.setRowCount(len(references))
        if voice is not None:
            outliers, similarity = set(voice.outliers), voice.similarity
            for line, (reference, to_others) in enumerate(zip(references, similarity, strict=True)):
                outlier = reference.key in outliers
                seconds = f"{reference.seconds:.1f} s" if reference.seconds else ""
                figure = "" if np.isnan(to_others) else f"{to_others:.2f}"
                cells = (reference.source, seconds, reference.date, figure, "different speaker?" if outlier else "")
                for column, text in enumerate(cells):
                    item = QTableWidgetItem(text)
                    item.setToolTip(text)
                    if outlier:
                        item.setForeground(QColor(style.current().error))
                    self.table.setItem(line, column, item)
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
        reference = self._selected()
        self.remove_button.setEnabled(reference is not None and self.shown is not None
                                      and len(self.shown.references) > 1)  # fmt: skip
        self.listen_button.setEnabled(reference is not None and reference.has_audio)

    def _name(self) -> str:
        item = self.list.currentItem()
        return item.text() if item is not None else ""

    def _selected(self) -> Reference | None:
        lines = self.table.selectionModel().selectedRows() if self.table.selectionModel() is not None else []
        if self.shown is None or not lines or lines[0].row() >= len(self.shown.references):
            return None
        return self.shown.references[lines[0].row()]

    # --- actions

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
                voices.person_renamed.emit(old, new)
                if chosen is not None and chosen.kind == "saved" and chosen.key == old:
                    voices.choose("saved", new, by_user=False)

            voices.change_library(f"Renaming {old}", lambda: voices.store.rename(old, new), renamed)

        others = [name for name in voices.saved_names if name != old]
        dialog = NameDialog(self, f"Rename {old}", then, (others, ""), old, None)
        dialog.open()

    def delete(self) -> None:
        name, voices = self._name(), self._session.voices
        if not name:
            return

        def deleted(token: str) -> None:
            def take_back() -> None:
                voices.change_library(f"Restoring {name}", lambda: voices.store.restore(token))

            self._session.offer_undo(f"The voice {name} was deleted.", take_back)

        voices.change_library(f"Deleting {name}", lambda: voices.store.delete(name), deleted)

    def save_consent(self) -> None:
        name, note, voices = self._name(), self.consent.toPlainText(), self._session.voices
        if name:
            voices.change_library(
                f"Saving the note of {name}", lambda: voices.store.set_consent(name, note),
                lambda _voice: self._session.notify("The note was saved."),
            )  # fmt: skip

    def ask_for_more(self) -> None:
        ask_for_files(
            self, self._session.preferences, "More recordings of this voice", "open many", self.add_files, RECORDINGS
        )

    def add_files(self, paths: list[Path]) -> None:
        """Analyse recordings and add them to the shown voice. Of several, those with too little speech are skipped."""
        name, session = self._name(), self._session
        files = session.models_in_use()
        if not name or files is None:
            return
        models, store = session.models, session.voices.store

        def add(context: JobContext) -> list[str]:
            skipped, adapted = [], store.is_adapted(name)
            for path in paths:
                clip = jobs.analyse_clip(context, models, files, path)
                problem = f"{clip.source}: {' '.join(remark.sentence for remark in clip.remarks)}"
                if clip.too_short:
                    skipped.append(problem)
                    continue
                if clip.embedding is None or not clip.usable:
                    raise AudioError(problem)
                context.check()
                store.add_reference(name, clip.as_reference())
            if len(skipped) == len(paths):
                raise AudioError(" ".join(skipped))
            remarks = [f"Some recordings were skipped. {' '.join(skipped)}"] * bool(skipped)
            return remarks + [f"Recordings were added to {name}. {ADAPTER_DROPPED}"] * adapted

        def added(remarks: list[str]) -> None:
            if remarks:
                session.notify(" ".join(remarks))

        job = session.submit(f"Adding to {name}", add, added)
        job.ended.connect(session.voices.refresh_library)

    def remove(self) -> None:
        reference, name, voices = self._selected(), self._name(), self._session.voices
        if reference is None or not self.remove_button.isEnabled():
            return

        def take_out() -> tuple[str, bool]:
            adapted = voices.store.is_adapted(name)
            voices.store.remove_reference(name, reference.key)
            return voices.store.trash()[0][0], adapted

        def taken_out(done: tuple[str, bool]) -> None:
            token, adapted = done

            def put_back() -> None:
                voices.change_library("Restoring the recording", lambda: voices.store.restore_over(token))

            remark = f" {ADAPTER_DROPPED}" * adapted
            self._session.offer_undo(f"{reference.source} was removed from {name}.{remark}", put_back)

        voices.change_library(f"Changing {name}", take_out, taken_out)

    def listen(self) -> None:
        reference, name, session = self._selected(), self._name(), self._session
        if session.playing == "saved reference":
            session.stop_playing()
        elif reference is not None and reference.has_audio:
            session.submit(
                "Opening the recording", lambda _context: session.voices.store.audio(name, reference.key),
                lambda audio: session.play("saved reference", *audio), "files", False,
            )  # fmt: skip
