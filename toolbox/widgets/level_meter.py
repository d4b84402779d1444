"""A level meter for the microphone."""

from __future__ import annotations

from PyQt5.QtCore import QPointF, QRectF, Qt
from PyQt5.QtGui import QColor, QPainter, QPaintEvent, QPen
from PyQt5.QtWidgets import QSizePolicy, QWidget

from toolbox.widgets import style

LEVEL_FLOOR = -60.0  # dBFS at the left end


class LevelMeter(QWidget):
    """The input level, with a line at the recent peak."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Microphone level")
        self.setToolTip("Speak so that the bar reaches the green part but not the red one.")
        self.setMinimumSize(160, 22)
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)
        self._rms = self._peak = self._held = LEVEL_FLOOR
        self._clipped = False

    def show_level(self, peak: float, rms: float, clipped: bool) -> None:
        """peak, rms: dBFS."""
        self._peak, self._rms, self._clipped = peak, rms, clipped
        self._held = max(peak, self._held - 1.0)
        self.update()

    def reset(self) -> None:
        """Show silence."""
        self._held = LEVEL_FLOOR
        self.show_level(LEVEL_FLOOR, LEVEL_FLOOR, False)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = style.current()
        painter = QPainter(self)
        area = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.fillRect(area, QColor(theme.window))
        for start, end, colour in ((-60, -30, theme.warning), (-30, -6, theme.good), (-6, 0, theme.error)):
            shade = QColor(colour)
            shade.setAlpha(60)
            left, right = self._x(start), self._x(end)
            painter.fillRect(QRectF(left, area.top(), right - left, area.height()), shade)
            end_x = min(self._x(self._peak), right)
            if end_x > left:
                painter.fillRect(QRectF(left, area.top() + 3, end_x - left, area.height() - 6), QColor(colour))
        painter.setPen(QPen(QColor(theme.error if self._clipped else theme.text), 2))
        painter.drawLine(QPointF(self._x(self._held), area.top()), QPointF(self._x(self._held), area.bottom()))
        painter.setPen(QColor(theme.line))
        painter.setBrush(Qt.NoBrush)
        painter.drawRect(area)
        painter.end()

    def _x(self, level: float) -> float:
        fraction = (min(max(level, LEVEL_FLOOR), 0.0) - LEVEL_FLOOR) / -LEVEL_FLOOR
        return 1 + fraction * (self.width() - 2)
