"""Fast pictures: an area that shows a placeholder text while it is empty, and a speaker embedding as colours.

A picture is computed once, when its values arrive. Painting only scales a finished image. matplotlib would take a
hundred times as long and is used only for pictures that are saved.
"""

from __future__ import annotations

import numpy as np
from PyQt5.QtCore import QRect, QSize, Qt
from PyQt5.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from PyQt5.QtWidgets import QSizePolicy, QWidget

from toolbox.widgets import style


class Canvas(QWidget):
    """An area that shows a placeholder text while it is empty.

    Args:
        name: what it shows: its caption, also for screen readers.
        empty: placeholder text.
    """

    def __init__(self, name: str, empty: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.name, self.empty = name, empty
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Expanding)
        self.setMinimumHeight(48)

    def set_name(self, name: str) -> None:
        self.name = name
        self.setAccessibleName(name)
        self.update()

    def has_picture(self) -> bool:
        return False

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        theme = style.current()
        painter.fillRect(self.rect(), QColor(theme.card))
        if self.has_picture():
            self.draw(painter)
        else:
            painter.setPen(QPen(QColor(theme.line), 1, Qt.DashLine))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
            painter.setPen(QColor(theme.faint))
            painter.drawText(self.rect().adjusted(8, 4, -8, -4), Qt.AlignCenter | Qt.TextWordWrap, self.empty)
        painter.end()

    def draw(self, painter: QPainter) -> None:
        """Paint the content; called while there is some."""


class EmbeddingMap(Canvas):
    """A speaker embedding as a square of colours: similar voices, similar pictures."""

    def __init__(self, name: str, empty: str = "", parent: QWidget | None = None) -> None:
        super().__init__(name, empty, parent)
        self._image: QImage | None = None
        self._pixels = np.zeros((0, 0), np.uint8)

    def has_picture(self) -> bool:
        return self._image is not None

    def sizeHint(self) -> QSize:
        return QSize(96, 96)

    def show_embedding(self, embedding: np.ndarray | None) -> None:
        """embedding: float32 [size], L2 norm 1; None clears it."""
        self._image = None
        if embedding is not None and len(embedding):
            side = int(np.ceil(np.sqrt(len(embedding))))
            square = np.zeros(side * side, np.float32)
            square[: len(embedding)] = embedding
            scaled = 255 * square / max(float(square.max()), 1e-6)  # values below 0 are clipped: the encoder has none
            self._pixels = np.ascontiguousarray(np.clip(scaled, 0, 255).astype(np.uint8).reshape(side, side))
            self._image = QImage(self._pixels.data, side, side, side, QImage.Format_Indexed8)
            self._image.setColorTable(style.HEAT_TABLE)
        self.update()

    def draw(self, painter: QPainter) -> None:
        assert self._image is not None
        side = min(self.width(), self.height())
        painter.drawImage(QRect((self.width() - side) // 2, (self.height() - side) // 2, side, side), self._image)
