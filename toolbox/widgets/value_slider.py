"""A slider with a name and its value."""

from __future__ import annotations

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtGui import QMouseEvent
from PyQt5.QtWidgets import QGridLayout, QLabel, QSlider


class ValueSlider(QSlider):
    """A slider for a factor with the default 1, for a line of a grid: name, slider, value.

    Arrow keys change the value by one step, Page Up and Page Down by five. A double click resets it.

    Args:
        name: label, with "&" before its shortcut letter.
        tip: what the value does.
        limits: lowest and highest value that can be set.
        step: of an arrow key.

    Signals:
        factor_changed: the value.
    """

    factor_changed = pyqtSignal(float)

    def __init__(self, name: str, tip: str, limits: tuple[float, float], step: float = 0.05) -> None:
        super().__init__(Qt.Horizontal)
        self._step = step
        self.setRange(round(limits[0] / step), round(limits[1] / step))
        self.setPageStep(5)
        self.setValue(round(1 / step))
        self.setAccessibleName(name.replace("&", ""))
        self.setToolTip(f"{tip}\nDouble-click to reset to 1.")
        self.label = QLabel(name)
        self.label.setBuddy(self)
        self.figure = QLabel()
        self.figure.setAlignment(Qt.AlignRight | Qt.AlignVCenter)
        self.valueChanged.connect(self._changed)
        self._changed()

    def factor(self) -> float:
        return round(self.value() * self._step, 4)

    def set_factor(self, factor: float) -> None:
        """Values out of range are clipped."""
        self.setValue(round(factor / self._step))

    def add_to(self, grid: QGridLayout, line: int) -> None:
        """Put label, slider and value into a line of a grid."""
        self.figure.setMinimumWidth(self.figure.fontMetrics().horizontalAdvance("0.00") + 4)
        for column, part in enumerate((self.label, self, self.figure)):
            grid.addWidget(part, line, column)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.set_factor(1.0)

    def _changed(self) -> None:
        self.figure.setText(f"{self.factor():.2f}")
        self.factor_changed.emit(self.factor())
