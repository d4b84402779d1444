"""Windows beside the main window, none of which blocks it: recorder, mixer, trash and keyboard shortcuts."""

from __future__ import annotations

from PyQt5.QtCore import QSize, Qt
from PyQt5.QtWidgets import QDialog, QLabel, QMainWindow, QVBoxLayout

from toolbox.panels.mixer_dialog import MixerDialog
from toolbox.panels.recorder_dialog import RecorderDialog
from toolbox.panels.trash_dialog import TrashDialog
from toolbox.state.requests import Requests
from toolbox.state.session import Session
from toolbox.widgets.parts import button, row
from toolbox.widgets.scrolling import ScrollPage
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
