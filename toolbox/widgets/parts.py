"""Small parts that all panels share: cards, headings, buttons, labels, and a section that folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PyQt5.QtCore import QSize, Qt
from PyQt5.QtGui import QKeySequence
from PyQt5.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QListView,
    QPushButton,
    QShortcut,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from toolbox.widgets import style

SPACE = 8  # pixels between related widgets


class Card(QFrame):
    """A framed part of a page with a heading. Args: number: of its step, "" for none."""

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
    """A push button with a tooltip.

    Args:
        tip: the tooltip; the shortcut is appended.
        picture: an icon of `style.icon`.
        primary: highlight it as the main button.
        shortcut: only displayed; the actions of the window define the keys.
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
    """Draw a button's icon in the colours of the theme; call it again after a change of theme."""
    picture = one.property("picture")
    if picture:
        theme = style.current()
        colour = theme.on_accent if one.objectName() == "primary" else theme.error if picture == "record" else ""
        one.setIcon(style.icon(picture, colour))


def faint(text: str = "") -> QLabel:
    """A grey note that wraps."""
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
    """Widgets side by side; None is a stretch, a number a gap in pixels."""
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


def beside(*parts: QWidget) -> QWidget:
    """Widgets side by side that stay together."""
    whole = QWidget()
    line = row(*parts)
    line.setContentsMargins(0, 0, 0, 0)
    whole.setLayout(line)
    return whole


def list_keys(view: QWidget, actions: Mapping[str, Callable[[], object]]) -> None:
    """Keys that act while a list has the focus. Args: actions: by key, such as "Space" or "Del"."""
    for key, action in actions.items():
        shortcut = QShortcut(QKeySequence(key), view)
        shortcut.setContext(Qt.WidgetShortcut)
        shortcut.activated.connect(lambda act=action: act())


class ShortList(QListView):
    """A list that needs little height, but takes what there is."""

    def sizeHint(self) -> QSize:
        return QSize(super().sizeHint().width(), 6 * self.fontMetrics().lineSpacing())


class ElidedLabel(QLabel):
    """One line that is elided if it is too long; the tooltip shows the whole text."""

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

    def resizeEvent(self, event: object) -> None:
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._elide()

    def _elide(self) -> None:
        line = " ".join(self._whole.split())
        self.setText(self.fontMetrics().elidedText(line, Qt.ElideRight, max(0, self.width() - 2)))


class Fold(QWidget):
    """A section with a header button that shows and hides its content.

    Args:
        title: of the header button.
        tip: its tooltip.
        content: widget or layout that folds.
    """

    def __init__(self, title: str, tip: str, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = title
        self._content = content
        self.button = QToolButton()
        self.button.setObjectName("fold")
        self.button.setCheckable(True)
        self.button.setToolButtonStyle(Qt.ToolButtonTextBesideIcon)
        self.button.setToolTip(tip)
        self.button.setAccessibleName(title.replace("&", ""))
        self.button.setText(title)
        self.button.toggled.connect(self.set_open)
        self.summary = ElidedLabel()
        self.summary.setObjectName("faint")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        head = row(self.button)
        head.addWidget(self.summary, 1)
        column.addLayout(head)
        column.addWidget(content)
        self.set_open(False)

    def set_open(self, opened: bool) -> None:
        self.button.setChecked(opened)
        self.button.setArrowType(Qt.DownArrow if opened else Qt.RightArrow)
        self._content.setVisible(opened)

    def is_open(self) -> bool:
        return self.button.isChecked()


def clock(seconds: float) -> str:
    """A duration for display: 7 s, 2:05 min."""
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < 60 else f"{whole // 60}:{whole % 60:02} min"
