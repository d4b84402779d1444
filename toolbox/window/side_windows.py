"""Windows beside the main window, none of which blocks it: recorder, mixer, trash and keyboard shortcuts."""

from __future__ import annotations

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QDialog, QMainWindow, QMessageBox

from toolbox.panels.mixer_dialog import MixerDialog
from toolbox.panels.recorder_dialog import RecorderDialog
from toolbox.panels.trash_dialog import TrashDialog
from toolbox.state.requests import Requests
from toolbox.state.session import Session
from toolbox.window.menus import shortcut_table


class SideWindows:
    """Mixer and trash are created when they are first opened."""

    def __init__(self, parent: QMainWindow, session: Session, requests: Requests) -> None:
        self._parent, self._session, self._requests = parent, session, requests
        self.recorder = RecorderDialog(session, parent)
        self.mixer: MixerDialog | None = None
        self.trash: TrashDialog | None = None

    def record(self) -> None:
        self.recorder.open_beside()

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
        table = shortcut_table(self._parent)
        box = QMessageBox(QMessageBox.NoIcon, "Keyboard shortcuts", table, QMessageBox.Close, self._parent)
        box.setAttribute(Qt.WA_DeleteOnClose)
        box.setModal(False)
        box.show()


def _show(dialog: QDialog) -> None:
    dialog.show()
    dialog.raise_()
