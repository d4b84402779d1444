"""The log of the session, line by line."""

from __future__ import annotations

import contextlib
import logging
import time

from PyQt5.QtCore import QObject, pyqtSignal
from PyQt5.QtWidgets import QApplication, QPlainTextEdit, QVBoxLayout, QWidget

from toolbox.state.session import Session
from toolbox.widgets.parts import Card, button, row

MAX_LINES = 2000


COMPILER = "kernels.machine_code"  # its logger reports that it compiles


class LogRelay(logging.Handler):
    """Forwards log records of libraries from any thread to the GUI thread, as `signals`."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.signals = LogSignals()

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(RuntimeError):  # the window is closed
            self.signals.line.emit(f"{record.levelname.lower()}: {record.getMessage()}")
            if record.name == COMPILER and record.levelno == logging.INFO:
                self.signals.compiling.emit(record.getMessage())


class LogSignals(QObject):
    """Signals: line: a log message; compiling: what is being compiled, in a sentence."""

    line = pyqtSignal(str)
    compiling = pyqtSignal(str)


class LogPanel(QWidget):
    """The log as read-only text."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setAccessibleName("Log")
        self.text.setMaximumBlockCount(MAX_LINES)
        self.text.setTabChangesFocus(True)
        card = Card("Log")
        card.column.addWidget(self.text, 1)
        copy = button("&Copy all", "Copy the log to the clipboard", self.copy)
        clear = button("C&lear", "Clear the log", self.text.clear)
        card.column.addLayout(row(copy, clear, None))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 8, 0, 0)
        column.addWidget(card)
        session.logged.connect(self.add)

    def add(self, line: str) -> None:
        self.text.appendPlainText(f"{time.strftime('%H:%M:%S')}  {line}")

    def copy(self) -> None:
        QApplication.clipboard().setText(self.text.toPlainText())
