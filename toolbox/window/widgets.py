"""The small parts that all panels are made of, so that they look alike: cards, headings, buttons, notes in grey."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QKeySequence
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QLabel, QLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from toolbox.window import style

SPACE = 8  # pixels between things that belong together


class Card(QFrame):
    """A framed part of a page with a heading. Args: number: of the step that it is, "" if it is none."""

    def __init__(self, title: str, number: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(12, 10, 12, 12)
        self.column.setSpacing(SPACE)
        self.head = QHBoxLayout()
        self.head.setSpacing(SPACE)
        if number:
            badge = QLabel(number)
            badge.setObjectName("number")
            badge.setAlignment(Qt.AlignCenter)
            self.head.addWidget(badge)
        self.title = QLabel(title)
        self.title.setObjectName("heading")
        self.head.addWidget(self.title)
        self.head.addStretch(1)
        self.column.addLayout(self.head)


def button(
    text: str, tip: str, clicked: Callable[[], object] | None = None, picture: str = "", primary: bool = False,
    shortcut: str = "",
) -> QPushButton:  # fmt: skip
    """A push button that says what it does.

    Args:
        tip: its tooltip, to which the shortcut is added.
        picture: as `style.icon` knows them.
        shortcut: only told of; the window's actions have the keys.
    """
    made = QPushButton(text)
    keys = QKeySequence(shortcut).toString(QKeySequence.NativeText) if shortcut else ""
    made.setToolTip(f"{tip} ({keys})" if keys else tip)
    made.setAccessibleName(text.replace("&", ""))
    made.setAutoDefault(False)
    if primary:
        made.setObjectName("primary")
    if picture:
        made.setProperty("picture", picture)
        paint_icon(made)
    if clicked is not None:
        made.clicked.connect(lambda _checked=False: clicked())
    return made


def paint_icon(one: QPushButton) -> None:
    """Draw a button's picture in the colours of the theme; to be done again when the theme changes."""
    picture = one.property("picture")
    if picture:
        theme = style.current()
        colour = theme.on_accent if one.objectName() == "primary" else theme.error if picture == "record" else ""
        one.setIcon(style.icon(picture, colour))


def faint(text: str = "") -> QLabel:
    """A note in grey that takes as many lines as it needs."""
    label = QLabel(text)
    label.setObjectName("faint")
    label.setWordWrap(True)
    return label


def selectable(text: str = "") -> QLabel:
    """Text that wraps and can be copied."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextFormat(Qt.PlainText)
    label.setTextInteractionFlags(Qt.TextSelectableByMouse)
    label.setFocusPolicy(Qt.NoFocus)
    label.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Minimum)
    return label


def row(*parts: QWidget | QLayout | int | None) -> QHBoxLayout:
    """Things side by side; None stretches, a number is a gap in pixels."""
    line = QHBoxLayout()
    line.setSpacing(SPACE)
    for part in parts:
        if part is None:
            line.addStretch(1)
        elif isinstance(part, int):
            line.addSpacing(part)
        elif isinstance(part, QLayout):
            line.addLayout(part)
        else:
            line.addWidget(part)
    return line


class ElidedLabel(QLabel):
    """One line that ends in three dots where there is no room; the whole is its tooltip."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._whole = ""
        self.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Preferred)
        self.setTextFormat(Qt.PlainText)
        self.set_text(text)

    def set_text(self, text: str) -> None:
        self._whole = text
        self.setToolTip(text)
        self._elide()

    def whole_text(self) -> str:
        return self._whole

    def resizeEvent(self, event: object) -> None:
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._elide()

    def _elide(self) -> None:
        line = " ".join(self._whole.split())
        self.setText(self.fontMetrics().elidedText(line, Qt.ElideRight, max(0, self.width() - 2)))


def clock(seconds: float) -> str:
    """A length of time as a person reads it: 7 s, 2:05 min."""
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < 60 else f"{whole // 60}:{whole % 60:02} min"
