"""The message bar: errors and notices in one sentence, with details to copy."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import QEvent, QObject, QPoint, QRect, Qt, QTimer
from PyQt5.QtGui import QCursor
from PyQt5.QtWidgets import (
    QApplication,
    QDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from toolbox.widgets.parts import button, row, selectable

NOTICE_SECONDS = 12  # a notice disappears after this time, an error does not
MAX_WIDTH, MARGIN, TOP = 620, 12, 34  # pixels; the menu bar stays free


class MessageBar(QFrame):
    """Shows the latest message over its parent, so that nothing moves. Hidden while there is no message.

    Args:
        parent: the window. A message appears in its upper right corner, or below if the mouse is there.

    Attributes:
        sentence, details: of the shown message; "" if there is none.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        parent.installEventFilter(self)
        self.sentence = self.details = ""
        self._action: Callable[[], object] | None = None
        self._label = selectable()
        self._kind = QLabel()
        self._kind.setStyleSheet("font-weight: 600;")
        self.details_button = button("&Details", "Show the full error report, to read or to copy", self.show_details)
        self.offer_button = button("", "Undo this change", self._take_offer)
        self.close_button = button("Dismiss", "Hide this message", self.clear, shortcut="Ctrl+W")
        line = QHBoxLayout(self)
        line.setContentsMargins(12, 6, 8, 6)
        line.addWidget(self._kind, 0, Qt.AlignVCenter)
        line.addWidget(self._label, 1)
        for one in (self.offer_button, self.details_button, self.close_button):
            line.addWidget(one)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.clear)
        self._below = False
        self.hide()

    def show_error(self, sentence: str, details: str = "") -> None:
        self._show("error", "Error", sentence, details)

    def show_notice(self, sentence: str, offer: str = "", action: Callable[[], object] | None = None) -> None:
        """A message that disappears by itself. Args: offer: label of a button that calls `action`, such as Undo."""
        if self.isVisible() and self.objectName() == "error" and not offer:
            return  # a notice does not replace an error
        self._show("note", "", sentence, "")
        self._action = action
        self.offer_button.setText(offer)
        self.offer_button.setAccessibleName(offer.replace("&", ""))
        self.offer_button.setToolTip("Undo this change" if "Undo" in offer else offer.replace("&", "").rstrip("."))
        self.offer_button.setVisible(bool(offer))
        self._place()
        self._timer.start(1000 * NOTICE_SECONDS)

    def clear(self) -> None:
        self._timer.stop()
        self.sentence = self.details = ""
        self._action = None
        self.hide()

    def _show(self, kind: str, word: str, sentence: str, details: str) -> None:
        self._timer.stop()
        self.sentence, self.details, self._action = sentence, details, None
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
        self._place(QCursor.pos())
        self.show()
        self.raise_()

    def _place(self, mouse: QPoint | None = None) -> None:
        """Args: mouse: on the screen; None keeps the present edge of the window."""
        parent = self.parentWidget()
        width = min(MAX_WIDTH, parent.width() - 2 * MARGIN)
        height = max(self.minimumSizeHint().height(), self.layout().totalHeightForWidth(width))
        area = QRect(parent.width() - width - MARGIN, TOP, width, height)
        below = QRect(area.x(), parent.height() - height - TOP, width, height)
        if mouse is not None:
            self._below = area.contains(parent.mapFromGlobal(mouse))
        self.setGeometry(below if self._below else area)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Resize and self.isVisible():
            self._place()
        return super().eventFilter(watched, event)

    def _take_offer(self) -> None:
        action = self._action
        self.clear()
        if action is not None:
            action()

    def show_details(self) -> None:
        """Open the details in a separate window, which does not block this one."""
        dialog = DetailsDialog(self.sentence, self.details, self.window())
        dialog.show()


class DetailsDialog(QDialog):
    """The details of an error, with a copy button."""

    def __init__(self, sentence: str, details: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Details")
        self.setAttribute(Qt.WA_DeleteOnClose)
        self.resize(760, 420)
        self._whole = f"{sentence}\n\n{details}".strip() + "\n"
        text = QPlainTextEdit(self._whole)
        text.setReadOnly(True)
        text.setAccessibleName("Details of the error")
        self.copy_button = button("&Copy", "Copy everything to the clipboard", self.copy)
        close = button("Close", "Close this window", self.close)
        column = QVBoxLayout(self)
        column.addWidget(text)
        column.addLayout(row(None, self.copy_button, close))

    def copy(self) -> None:
        QApplication.clipboard().setText(self._whole)
        self.copy_button.setText("Copied")
