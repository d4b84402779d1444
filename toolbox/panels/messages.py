"""The bar in which errors and notes are said in one sentence, with details that can be copied."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtWidgets import (
    QApplication,
    QDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from toolbox.window.widgets import button, row, selectable

NOTE_SECONDS = 12  # a note goes away by itself, an error does not


class MessageBar(QFrame):
    """Hidden until there is something to say; the latest message is shown.

    Attributes:
        sentence, details: of what is shown; "" if nothing is.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sentence = self.details = ""
        self._offer: Callable[[], object] | None = None
        self._label = selectable()
        self._kind = QLabel()
        self._kind.setStyleSheet("font-weight: 600;")
        self.details_button = button("&Details", "What exactly happened, to read or to copy", self.show_details)
        self.offer_button = button("", "Take it back", self._take_offer)
        self.close_button = button("Dismiss", "Hide this message", self.clear, shortcut="Ctrl+W")
        line = QHBoxLayout(self)
        line.setContentsMargins(12, 6, 8, 6)
        line.addWidget(self._kind, 0, Qt.AlignVCenter)
        line.addWidget(self._label, 1)
        for one in (self.offer_button, self.details_button, self.close_button):
            line.addWidget(one)
        self.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Maximum)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.clear)
        self.hide()

    def show_error(self, sentence: str, details: str = "") -> None:
        self._show("error", "Error", sentence, details)

    def show_note(self, sentence: str, offer: str = "", take: Callable[[], object] | None = None) -> None:
        """A note that goes by itself; `offer` labels a button that calls `take`, for instance Undo."""
        if self.isVisible() and self.objectName() == "error" and not offer:
            return  # an error is not pushed aside by what is only told
        self._show("note", "", sentence, "")
        self._offer = take
        self.offer_button.setText(offer)
        self.offer_button.setAccessibleName(offer)
        self.offer_button.setVisible(bool(offer))
        self._timer.start(1000 * NOTE_SECONDS)

    def clear(self) -> None:
        self._timer.stop()
        self.sentence = self.details = ""
        self._offer = None
        self.hide()

    def _show(self, kind: str, word: str, sentence: str, details: str) -> None:
        self._timer.stop()
        self.sentence, self.details, self._offer = sentence, details, None
        self._kind.setText(word)
        self._kind.setVisible(bool(word))
        self._label.setText(sentence)
        self.setAccessibleName(f"{word}: {sentence}" if word else sentence)
        self.details_button.setVisible(bool(details))
        self.offer_button.hide()
        if self.objectName() != kind:
            self.setObjectName(kind)
            self.style().unpolish(self)
            self.style().polish(self)
        self.show()

    def _take_offer(self) -> None:
        take = self._offer
        self.clear()
        if take is not None:
            take()

    def show_details(self) -> None:
        """Open the details in a window of their own, which does not stop this one."""
        dialog = DetailsDialog(self.sentence, self.details, self.window())
        dialog.show()


class DetailsDialog(QDialog):
    """The details of an error, and a button that copies them."""

    def __init__(self, sentence: str, details: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Details")
        self.setAttribute(Qt.WA_DeleteOnClose)
        self.resize(760, 420)
        self._whole = f"{sentence}\n\n{details}".strip() + "\n"
        text = QPlainTextEdit(self._whole)
        text.setReadOnly(True)
        text.setAccessibleName("Details of the error")
        self.copy_button = button("&Copy", "Put all of it into the clipboard", self.copy)
        close = button("Close", "Close this window", self.close)
        column = QVBoxLayout(self)
        column.addWidget(text)
        column.addLayout(row(None, self.copy_button, close))

    def copy(self) -> None:
        QApplication.clipboard().setText(self._whole)
        self.copy_button.setText("Copied")
