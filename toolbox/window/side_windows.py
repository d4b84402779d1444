"""Windows beside the main window, none of which blocks it: recorder, mixer, trash and keyboard shortcuts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PyQt5.QtCore import QSize, Qt
from PyQt5.QtWidgets import QDialog, QLabel, QMainWindow, QVBoxLayout

from toolbox.panels.mixer_dialog import MixerDialog
from toolbox.panels.recorder_dialog import SPEECH, VOICE, RecorderDialog
from toolbox.panels.trash_dialog import TrashDialog
from toolbox.state.requests import Requests
from toolbox.state.session import Session
from toolbox.widgets.parts import button, row
from toolbox.widgets.scrolling import ScrollPage
from toolbox.window.menus import shortcut_table


class SideWindows:
    """The mixer, the trash and the recorder of speech are created when they are first opened."""

    def __init__(self, parent: QMainWindow, session: Session, requests: Requests) -> None:
        self._parent, self._session, self._requests = parent, session, requests
        self.recorder = RecorderDialog(
            session, VOICE, lambda name, wav: session.voices.use_clips([(name, wav)], name), parent
        )
        self.speech_recorder: RecorderDialog | None = None
        self.mixer: MixerDialog | None = None
        self.trash: TrashDialog | None = None

    def record(self) -> None:
        self.close_recorders()
        self.recorder.open_beside()

    def record_speech(self, then: Callable[[np.ndarray], object]) -> None:
        """Record speech to convert. Args: then: called with its samples at 16 kHz."""
        if self.speech_recorder is None:
            self.speech_recorder = RecorderDialog(self._session, SPEECH, lambda _name, wav: then(wav), self._parent)
        self.close_recorders()
        self.speech_recorder.open_beside()

    def close_recorders(self) -> None:
        """End what is recorded: there is one microphone."""
        for recorder in (self.recorder, self.speech_recorder):
            if recorder is not None and recorder.isVisible():
                recorder.reject()

    def mix(self) -> None:
        if self.mixer is None:
            self.mixer = MixerDialog(self._session, self._parent)
        _show(self.mixer)

    def open_trash(self) -> None:
        if self.trash is None:
            self.trash = TrashDialog(self._session, self._requests, self._parent)
        else:
            self.trash.refresh()
        _show(self.trash)

    def show_help(self) -> None:
        """The keyboard shortcuts."""
        dialog = QDialog(self._parent)
        dialog.setWindowTitle("Keyboard shortcuts")
        dialog.setAttribute(Qt.WA_DeleteOnClose)
        area = ScrollPage(QLabel(shortcut_table(self._parent)))
        area.setFocusPolicy(Qt.StrongFocus)  # so that the arrow keys scroll
        column = QVBoxLayout(dialog)
        column.addWidget(area, 1)
        column.addLayout(row(None, button("Close", "Close this window", dialog.close)))
        bar = area.verticalScrollBar().sizeHint().width()
        wanted = dialog.sizeHint() + QSize(2 * bar, 0)
        dialog.resize(wanted.boundedTo(self._parent.size()))
        dialog.show()


def _show(dialog: QDialog) -> None:
    dialog.show()
    dialog.raise_()
