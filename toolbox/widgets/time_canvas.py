"""Pictures of audio with a time axis: zoom, selection, cursor and playhead, by mouse and keyboard."""

from __future__ import annotations

import math

from PyQt5.QtCore import QPointF, QRect, QRectF, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QFocusEvent, QKeyEvent, QKeySequence, QMouseEvent, QPainter, QPen, QWheelEvent
from PyQt5.QtWidgets import QApplication, QWidget

from toolbox.widgets import style
from toolbox.widgets.canvas import Canvas
from toolbox.widgets.time_axis import TimeAxis

SIDE_MARGIN, TIME_MARGIN = 44, 18  # smallest, in pixels, for the axis labels
AXIS_SIZE = 0.8  # of the text size, for the axis labels
WHEEL_STEP = 120  # of the angle of `QWheelEvent`
EDGE_PIXELS = 5  # distance at which the mouse takes hold of an end of the selection
CURSOR_STEP, LONG_STEP = 0.01, 0.1  # of the visible part, by the arrow keys
HINT = (
    "Click to play from there, drag to select a part.\n"
    "The mouse wheel, + and - zoom, 0 shows all, Shift and the wheel scroll.\n"
    "Arrow keys move the cursor, with Shift they select. Space plays, Esc clears the selection."
)


class TimeCanvas(Canvas):
    """A canvas with a time axis.

    Args:
        name, empty: see `Canvas`.
        side: label of the vertical axis; "" leaves no space for one.
        axis: shared with other pictures of the same audio; None makes one.

    Attributes:
        covered: seconds that the picture shows; the axis may be longer.

    Signals:
        sought: position in seconds that was clicked.
        play_pressed: the Space key.
    """

    sought = pyqtSignal(float)
    play_pressed = pyqtSignal()

    def __init__(
        self, name: str, side: str, empty: str = "", axis: TimeAxis | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(name, empty, parent)
        self.side = side
        self.axis = axis if axis is not None else TimeAxis(self)
        self.axis.changed.connect(self.update)
        self.covered = 0.0
        self.playhead: float | None = None
        self._pressed_at: float | None = None  # pixel of a press that is no drag yet
        self._fixed: float | None = None  # the end of the selection that a drag does not move
        self.setFocusPolicy(Qt.StrongFocus)
        self.setMouseTracking(True)
        self.setToolTip(HINT)

    @property
    def seconds(self) -> float:
        """Length of the axis."""
        return self.axis.seconds

    def set_playhead(self, seconds: float | None) -> None:
        """Position of playback; None hides it. Repaints only the two affected stripes."""
        if seconds == self.playhead:
            return
        for position in (self.playhead, seconds):
            if position is not None:
                self.update(QRect(round(self.x_of(position)) - 3, 0, 7, self.height()))
        self.playhead = seconds

    # --- geometry

    def plot(self) -> QRectF:
        """Area of the picture, without the axis labels."""
        side, below = self._margins()
        return QRectF(side, 2, max(1, self.width() - side - 6), max(1, self.height() - below - 2))

    def _margins(self) -> tuple[float, float]:
        """Pixels for the label of the vertical axis, and for the seconds."""
        metrics = self.fontMetrics()
        side = max(SIDE_MARGIN, AXIS_SIZE * metrics.horizontalAdvance("audio") + 10) if self.side else 6.0
        return side, max(TIME_MARGIN, AXIS_SIZE * metrics.height() + 2)

    def _labels_end(self) -> float:
        """The pixel at which the labels of the seconds end."""
        return self.plot().right()

    def x_of(self, seconds: float) -> float:
        """The pixel of a time; outside of the plot for a time that is not visible."""
        area, axis = self.plot(), self.axis
        return area.left() + area.width() * (seconds - axis.start) / max(axis.end - axis.start, 1e-6)

    def time_at(self, x: float) -> float:
        """The visible time that is nearest to a pixel."""
        area, axis = self.plot(), self.axis
        fraction = min(max((x - area.left()) / area.width(), 0.0), 1.0)
        return axis.start + fraction * (axis.end - axis.start)

    # --- mouse and keyboard

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.LeftButton and self.has_picture():
            x = event.pos().x()
            self._pressed_at, self._fixed = x, None
            if event.modifiers() & Qt.ShiftModifier:
                self._pressed_at, self._fixed = None, self.axis.cursor
                self.axis.select(self._fixed, self.time_at(x))
            elif self.axis.selection is not None:
                for end, other in (self.axis.selection, self.axis.selection[::-1]):
                    if abs(x - self.x_of(end)) <= EDGE_PIXELS:
                        self._pressed_at, self._fixed = None, other

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        x = event.pos().x()
        if self._pressed_at is not None and abs(x - self._pressed_at) >= QApplication.startDragDistance():
            self._fixed, self._pressed_at = self.time_at(self._pressed_at), None
        if self._fixed is not None:
            self.axis.select(self._fixed, self.time_at(x))
        elif not event.buttons():
            ends = self.axis.selection if self.has_picture() else None
            at_end = any(abs(x - self.x_of(end)) <= EDGE_PIXELS for end in ends or ())
            self.setCursor(Qt.SplitHCursor if at_end else Qt.ArrowCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        pressed, fixed = self._pressed_at, self._fixed
        self._pressed_at = self._fixed = None
        if pressed is not None:
            self.axis.clear_selection()
            self.axis.set_cursor(self.time_at(pressed))
            self.sought.emit(self.axis.cursor)
        elif fixed is not None:
            self.axis.set_cursor(self.time_at(event.pos().x()))

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom around the mouse; with Shift, or by a horizontal wheel, scroll."""
        angle = event.angleDelta()
        if not self.has_picture() or (self.axis.is_whole() and angle.y() <= 0):
            event.ignore()  # the page scrolls
        elif event.modifiers() & Qt.ShiftModifier or angle.x():
            self.axis.pan(-(angle.y() or angle.x()) / WHEEL_STEP * LONG_STEP)
            event.accept()
        else:
            self.axis.zoom(angle.y() / WHEEL_STEP, self.time_at(event.position().x()))
            event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not (self.has_picture() and self._take_key(event)):
            super().keyPressEvent(event)

    def _take_key(self, event: QKeyEvent) -> bool:
        """Returns: whether the key has a meaning here."""
        axis, key, modifiers = self.axis, event.key(), event.modifiers()
        selecting = bool(modifiers & Qt.ShiftModifier)
        step = (LONG_STEP if modifiers & Qt.ControlModifier else CURSOR_STEP) * (axis.end - axis.start)
        moves = {Qt.Key_Left: axis.cursor - step, Qt.Key_Right: axis.cursor + step, Qt.Key_Home: 0.0,
                 Qt.Key_End: axis.seconds}  # fmt: skip
        if event.matches(QKeySequence.SelectAll):
            axis.select(0.0, axis.seconds)
        elif key in moves:
            axis.set_cursor(moves[key], selecting)
        elif modifiers & (Qt.ControlModifier | Qt.AltModifier):
            return False
        elif key in (Qt.Key_Plus, Qt.Key_Equal):
            axis.zoom(1)
        elif key == Qt.Key_Minus:
            axis.zoom(-1)
        elif key == Qt.Key_0:
            axis.show_all()
        elif key == Qt.Key_Space:
            self.play_pressed.emit()
        else:
            return False
        return True

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    # --- painting

    def draw_selection(self, painter: QPainter) -> None:
        """The selected part, and the cursor while the keyboard acts here."""
        theme, area = style.current(), self.plot()
        painter.save()
        painter.setClipRect(area)
        if self.axis.selection is not None:
            left, right = (self.x_of(time) for time in self.axis.selection)
            ground = QColor(theme.second)
            ground.setAlpha(70)
            box = QRectF(left, area.top(), right - left, area.height())
            painter.fillRect(box, ground)
            painter.setPen(QPen(QColor(theme.second), 1))
            for x in (left, right):
                painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        if self.hasFocus():
            painter.setPen(QPen(QColor(theme.text), 1, Qt.DashLine))
            x = min(max(self.x_of(self.axis.cursor), area.left() + 1), area.right() - 1)
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
            painter.setPen(QPen(QColor(theme.accent), 1))
            painter.drawRect(area.adjusted(0, 0, -1, -1))
        painter.restore()

    def draw_playhead(self, painter: QPainter) -> None:
        if self.playhead is not None and self.axis.start <= self.playhead <= self.axis.end + 0.05:
            painter.setPen(QPen(QColor(style.current().second), 2))
            x = self.x_of(min(self.playhead, self.axis.end))
            painter.drawLine(QPointF(x, self.plot().top()), QPointF(x, self.plot().bottom()))

    def draw_caption(self, painter: QPainter, text: str) -> None:
        """A text in the upper left corner, on a translucent background."""
        theme = style.current()
        painter.save()
        font = painter.font()
        font.setPointSizeF(max(7.5, 0.85 * self.font().pointSizeF()))
        painter.setFont(font)
        metrics = painter.fontMetrics()
        area = self.plot()
        text = metrics.elidedText(text, Qt.ElideRight, max(0, int(area.width()) - 12))
        box = QRectF(area.left(), area.top(), metrics.horizontalAdvance(text) + 12, metrics.height() + 4)
        ground = QColor(theme.card)
        ground.setAlpha(215)
        painter.fillRect(box, ground)
        painter.setPen(QColor(theme.text))
        painter.drawText(box, Qt.AlignCenter, text)
        painter.restore()

    def draw_axes(self, painter: QPainter, note: str = "") -> None:
        """Label of the vertical axis, and seconds below. Args: note: a text that takes the place of the seconds."""
        theme, area, axis = style.current(), self.plot(), self.axis
        painter.save()
        painter.setPen(QColor(theme.faint))
        font = painter.font()
        font.setPointSizeF(max(7.0, AXIS_SIZE * font.pointSizeF()))
        painter.setFont(font)
        side_margin, time_margin = self._margins()
        left = QRectF(0, area.top(), side_margin - 4, area.height())
        painter.drawText(left, Qt.AlignRight | Qt.AlignVCenter | Qt.TextWordWrap, self.side)
        if note:
            painter.setPen(QColor(theme.text))
            room = QRectF(area.left(), area.bottom(), max(0.0, self._labels_end() - area.left()), time_margin)
            text = painter.fontMetrics().elidedText(note, Qt.ElideRight, int(room.width()))
            painter.drawText(room, Qt.AlignLeft | Qt.AlignVCenter, text)
            painter.restore()
            return
        step = round_step(axis.end - axis.start, max(2, int(area.width() / 70)))
        for number in range(math.ceil(axis.start / step - 1e-9), math.floor(axis.end / step + 1e-9) + 1):
            x = self.x_of(number * step)
            text = f"{number * step:.10g} s"
            width = painter.fontMetrics().horizontalAdvance(text)
            left_edge = min(max(x - width / 2, area.left()), area.right() - width)
            if left_edge + width > self._labels_end():
                break
            painter.drawText(QRectF(left_edge, area.bottom(), width + 2, time_margin), Qt.AlignCenter, text)
        painter.restore()


def round_step(span: float, limit: int) -> float:
    """The smallest of 0.001, 0.002, 0.005, 0.01 and so on that divides a span into at most `limit` parts."""
    step, factors = 0.001, (2.0, 2.5, 2.0)
    for number in range(36):
        if span / step <= limit:
            break
        step *= factors[number % 3]
    return step
