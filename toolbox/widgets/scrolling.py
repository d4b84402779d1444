"""Layouts for small screens and large text: buttons that wrap into several lines, and areas that scroll."""

from __future__ import annotations

from PyQt5.QtCore import QEvent, QObject, QPoint, QRect, QSize, Qt
from PyQt5.QtGui import QResizeEvent
from PyQt5.QtWidgets import QFrame, QLayout, QLayoutItem, QScrollArea, QSizePolicy, QWidget

MIN_HEIGHT = 110  # pixels of a column that scrolls


class FlowLayout(QLayout):
    """Widgets side by side, wrapped into further lines where the width is too small. Args: spacing: in pixels."""

    def __init__(self, *widgets: QWidget, spacing: int = 8) -> None:
        super().__init__()
        self._items: list[QLayoutItem] = []
        self._height = 0  # at the present width
        self.setContentsMargins(0, 0, 0, 0)
        self.setSpacing(spacing)
        for widget in widgets:
            self.addWidget(widget)

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:  # type: ignore[override]
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:  # type: ignore[override]
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientations:
        return Qt.Orientations()  # type: ignore[call-overload]

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._arrange(QRect(0, 0, width, 0), move=False)

    def setGeometry(self, rectangle: QRect) -> None:
        super().setGeometry(rectangle)
        height = self._arrange(rectangle, move=True)
        if height != self._height:
            self._height = height
            self.invalidate()
            parent = self.parentWidget()
            if parent is not None:
                parent.updateGeometry()

    def sizeHint(self) -> QSize:
        """All widgets in one line."""
        hints = [item.sizeHint() for item in self._shown()]
        width = sum(hint.width() for hint in hints) + self.spacing() * max(0, len(hints) - 1)
        return QSize(width, max((hint.height() for hint in hints), default=0))

    def minimumSize(self) -> QSize:
        size = QSize(0, self._height)
        for item in self._shown():
            size = size.expandedTo(item.minimumSize())
        return size

    def _shown(self) -> list[QLayoutItem]:
        return [item for item in self._items if not item.isEmpty()]

    def _arrange(self, area: QRect, move: bool) -> int:
        """Place the widgets, each in the vertical middle of its line. Returns: the height that they need."""
        lines: list[list[tuple[QLayoutItem, int, QSize]]] = [[]]
        x = 0
        for item in self._shown():
            size = item.sizeHint().boundedTo(QSize(area.width(), item.sizeHint().height()))
            if lines[-1] and x + size.width() > area.width():
                lines.append([])
                x = 0
            lines[-1].append((item, x, size))
            x += size.width() + self.spacing()
        y = area.y()
        for line in lines:
            height = max((size.height() for _, _, size in line), default=0)
            if move:
                for item, left, size in line:
                    item.setGeometry(QRect(QPoint(area.x() + left, y + (height - size.height()) // 2), size))
            y += height + self.spacing()
        return y - self.spacing() - area.y()


class ScrollPage(QScrollArea):
    """A page that scrolls in both directions if the window is too small for it."""

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setFrameShape(QFrame.NoFrame)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.NoFocus)
        self.setWidget(content)
        content.setAutoFillBackground(False)
        self.viewport().setAutoFillBackground(False)

    def sizeHint(self) -> QSize:
        content = self.widget()
        return content.sizeHint() if content is not None else super().sizeHint()


class ScrollColumn(ScrollPage):
    """A part of a page, as wide as its content, that scrolls vertically where its height is too small.

    Args:
        min_height: in pixels.
    """

    def __init__(self, content: QWidget, min_height: int = MIN_HEIGHT) -> None:
        super().__init__(content)
        self._min_height = min_height
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Maximum)
        content.installEventFilter(self)

    def sizeHint(self) -> QSize:
        content = self.widget()
        hint = content.sizeHint()
        # Beside a scroll bar the content is narrower and may need more lines. Qt never makes the content lower than its
        # minimum, which is that of its least width.
        least = max(content.heightForWidth(self.viewport().width()), content.minimumSizeHint().height())
        return QSize(hint.width(), max(hint.height(), least))

    def minimumSizeHint(self) -> QSize:
        content = self.widget().minimumSizeHint()
        bar = self.verticalScrollBar().sizeHint().width()
        return QSize(content.width() + bar, min(content.height(), self._min_height))

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._show_bar_if_needed()
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.updateGeometry()  # texts wrap into more or fewer lines

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.LayoutRequest:
            self._show_bar_if_needed()
            self.updateGeometry()
        return super().eventFilter(watched, event)

    def _show_bar_if_needed(self) -> None:
        """Qt decides by the height at the present width, and would show and hide the bar in turns without end where
        the content needs the bar only beside it."""
        content, free = self.widget().layout(), self.contentsRect().size()
        fits = content is None or content.minimumHeightForWidth(free.width()) <= free.height()
        self.setVerticalScrollBarPolicy(Qt.ScrollBarAlwaysOff if fits else Qt.ScrollBarAlwaysOn)
