"""Fast pictures of audio: spectrograms, alignments, waveforms, embeddings.

Each is computed once, when the arrays arrive, at screen resolution. Painting only scales a finished image. matplotlib
would take a hundred times as long and is used only for pictures that are saved.
"""

from __future__ import annotations

import numpy as np
from PyQt5.QtCore import QPointF, QRect, QRectF, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt5.QtWidgets import QSizePolicy, QWidget

from toolbox.widgets import style

MAX_COLUMNS = 2000  # of an image; more are averaged
BINS_PER_SECOND = 100  # of a waveform: each stores the lowest and the highest sample
MAX_BINS = 4000
MEL_RANGE = (-4.0, 4.0)
SIDE_MARGIN, TIME_MARGIN = 44, 18  # smallest, in pixels, for the axis labels
AXIS_SIZE = 0.8  # of the text size, for the axis labels


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


class TimeCanvas(Canvas):
    """A canvas with a time axis and a playhead.

    Signals:
        sought: position in seconds that was clicked.
    """

    sought = pyqtSignal(float)

    def __init__(self, name: str, empty: str = "", parent: QWidget | None = None) -> None:
        super().__init__(name, empty, parent)
        self.seconds = 0.0
        self.playhead: float | None = None

    def set_playhead(self, seconds: float | None) -> None:
        """Position of playback; None hides it. Repaints only the two affected stripes."""
        if seconds == self.playhead:
            return
        for position in (self.playhead, seconds):
            if position is not None:
                self.update(QRect(round(self._x(position)) - 3, 0, 7, self.height()))
        self.playhead = seconds

    def plot(self) -> QRectF:
        """Area of the picture, without the axis labels."""
        side, below = self._margins()
        return QRectF(side, 2, max(1, self.width() - side - 6), max(1, self.height() - below - 2))

    def _margins(self) -> tuple[float, float]:
        """Pixels for the label of the vertical axis, and for the seconds."""
        metrics = self.fontMetrics()
        return (
            max(SIDE_MARGIN, AXIS_SIZE * metrics.horizontalAdvance("audio") + 10),
            max(TIME_MARGIN, AXIS_SIZE * metrics.height() + 2),
        )

    def _x(self, seconds: float) -> float:
        area = self.plot()
        return area.left() + area.width() * seconds / max(self.seconds, 1e-6)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.LeftButton and self.has_picture():
            area = self.plot()
            fraction = (event.pos().x() - area.left()) / area.width()
            self.sought.emit(self.seconds * min(max(fraction, 0.0), 1.0))

    def draw_playhead(self, painter: QPainter) -> None:
        if self.playhead is not None and self.playhead <= self.seconds + 0.05:
            painter.setPen(QPen(QColor(style.current().second), 2))
            x = self._x(min(self.playhead, self.seconds))
            painter.drawLine(QPointF(x, self.plot().top()), QPointF(x, self.plot().bottom()))

    def draw_caption(self, painter: QPainter) -> None:
        """The name, in the upper left corner, on a translucent background."""
        theme = style.current()
        font = painter.font()
        font.setPointSizeF(max(7.5, 0.85 * self.font().pointSizeF()))
        painter.setFont(font)
        metrics = painter.fontMetrics()
        area = self.plot()
        name = metrics.elidedText(self.name, Qt.ElideRight, max(0, int(area.width()) - 12))
        box = QRectF(area.left(), area.top(), metrics.horizontalAdvance(name) + 12, metrics.height() + 4)
        ground = QColor(theme.card)
        ground.setAlpha(215)
        painter.fillRect(box, ground)
        painter.setPen(QColor(theme.text))
        painter.drawText(box, Qt.AlignCenter, name)

    def draw_axes(self, painter: QPainter, side: str) -> None:
        """Label of the vertical axis, and seconds below."""
        theme, area = style.current(), self.plot()
        painter.setPen(QColor(theme.faint))
        font = painter.font()
        font.setPointSizeF(max(7.0, AXIS_SIZE * font.pointSizeF()))
        painter.setFont(font)
        side_margin, time_margin = self._margins()
        left = QRectF(0, area.top(), side_margin - 4, area.height())
        painter.drawText(left, Qt.AlignRight | Qt.AlignVCenter | Qt.TextWordWrap, side)
        step = _round_step(self.seconds, max(2, int(area.width() / 70)))
        for number in range(int(self.seconds / step) + 1):
            x = self._x(number * step)
            text = f"{number * step:g} s"
            width = painter.fontMetrics().horizontalAdvance(text)
            left_edge = min(max(x - width / 2, area.left()), area.right() - width)
            painter.drawText(QRectF(left_edge, area.bottom(), width + 2, time_margin), Qt.AlignCenter, text)


class HeatMap(TimeCanvas):
    """A spectrogram or an alignment: brighter means more.

    Args:
        side: label of the vertical axis.
    """

    def __init__(self, name: str, side: str, empty: str = "", parent: QWidget | None = None) -> None:
        super().__init__(name, empty, parent)
        self.side = side
        self._image: QImage | None = None
        self._pixels = np.zeros((0, 0), np.uint8)  # QImage does not own its data

    def has_picture(self) -> bool:
        return self._image is not None

    def clear(self) -> None:
        self._image, self.playhead = None, None
        self.update()

    def show_values(self, values: np.ndarray, seconds: float, limits: tuple[float, float] | None = None) -> None:
        """values: [rows, columns], lowest row first; limits: darkest and brightest value, by default their range."""
        if not values.size:
            self.clear()
            return
        values = _fewer_columns(np.asarray(values, np.float32), MAX_COLUMNS)
        low, high = limits or (float(values.min()), float(values.max()))
        scaled = np.clip((values - low) * (255 / max(high - low, 1e-6)), 0, 255).astype(np.uint8)
        self._pixels = np.ascontiguousarray(scaled[::-1])
        rows, columns = self._pixels.shape
        image = QImage(self._pixels.data, columns, rows, columns, QImage.Format_Indexed8)
        image.setColorTable(style.HEAT_TABLE)
        self._image = image
        self.seconds = seconds
        self.update()

    def draw(self, painter: QPainter) -> None:
        assert self._image is not None
        painter.setRenderHint(QPainter.SmoothPixmapTransform)
        painter.drawImage(self.plot(), self._image)
        self.draw_axes(painter, self.side)
        self.draw_caption(painter)
        self.draw_playhead(painter)


class Waveform(TimeCanvas):
    """The envelope of audio, which may grow while it is generated."""

    def __init__(self, name: str, empty: str = "", parent: QWidget | None = None) -> None:
        super().__init__(name, empty, parent)
        self._low = self._high = np.zeros(0, np.float32)
        self._rest = np.zeros(0, np.float32)
        self._samples, self._sample_rate = 0, 16_000

    def has_picture(self) -> bool:
        return self._samples > 0

    def clear(self, sample_rate: int = 16_000) -> None:
        self._low = self._high = self._rest = np.zeros(0, np.float32)
        self._samples, self._sample_rate, self.seconds, self.playhead = 0, sample_rate, 0.0, None
        self.update()

    def show_audio(self, wav: np.ndarray, sample_rate: int) -> None:
        """wav: float32 [samples] in [-1, 1]."""
        self.clear(sample_rate)
        self.append(wav)

    def append(self, wav: np.ndarray) -> None:
        """More audio at the end."""
        size = max(1, self._sample_rate // BINS_PER_SECOND)
        joined = np.concatenate([self._rest, np.asarray(wav, np.float32)])
        whole = len(joined) // size * size
        bins = joined[:whole].reshape(-1, size)
        self._low = np.concatenate([self._low, bins.min(axis=1)])
        self._high = np.concatenate([self._high, bins.max(axis=1)])
        self._rest = joined[whole:]
        self._samples += len(wav)
        self.seconds = self._samples / self._sample_rate
        self.update()

    def draw(self, painter: QPainter) -> None:
        theme, area = style.current(), self.plot()
        painter.setPen(QPen(QColor(theme.line), 1))
        middle = area.center().y()
        painter.drawLine(QPointF(area.left(), middle), QPointF(area.right(), middle))
        low, high = self._low, self._high
        if len(low) > MAX_BINS:
            starts = np.linspace(0, len(low), MAX_BINS, endpoint=False).astype(int)
            low, high = np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)
        if len(low):
            x = area.left() + area.width() * (np.arange(len(low)) + 0.5) / len(low)
            up = middle - high * area.height() / 2
            down = middle - low * area.height() / 2 + 1
            outline = [QPointF(*point) for point in zip(x.tolist(), up.tolist(), strict=True)]
            outline += [QPointF(*point) for point in zip(x[::-1].tolist(), down[::-1].tolist(), strict=True)]
            painter.setPen(Qt.NoPen)
            painter.setBrush(QColor(theme.accent))
            painter.drawPolygon(QPolygonF(outline))
        self.draw_axes(painter, "audio")
        self.draw_playhead(painter)


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


def joined_alignment(alignments: list[np.ndarray], max_rows: int = 800, max_columns: int = MAX_COLUMNS) -> np.ndarray:
    """Alignments of consecutive lines as diagonal blocks, reduced to screen resolution.

    Args:
        alignments: float32 [tokens, steps] each.
    """
    shapes = np.array([one.shape for one in alignments], dtype=np.float64).reshape(-1, 2)
    totals = shapes.sum(axis=0)
    if not len(shapes) or not totals.all():
        return np.zeros((0, 0), np.float32)
    rows, columns = (int(min(total, limit)) for total, limit in zip(totals, (max_rows, max_columns), strict=True))
    whole = np.zeros((rows, columns), np.float32)
    ends = np.rint(np.cumsum(shapes, axis=0) / totals * (rows, columns)).astype(int)
    top = left = 0
    for one, (bottom, right) in zip(alignments, ends, strict=True):
        height, width = bottom - top, right - left
        if height > 0 and width > 0:
            from_rows = np.arange(height) * one.shape[0] // height
            part = np.maximum.reduceat(one, np.unique(from_rows), axis=0) if height < one.shape[0] else one[from_rows]
            whole[top:bottom, left:right] = part[:, np.arange(width) * one.shape[1] // width]
        top, left = bottom, right
    return whole


def _fewer_columns(values: np.ndarray, limit: int) -> np.ndarray:
    """[rows, columns] -> [rows, at most `limit`], neighbours averaged."""
    columns = values.shape[1]
    if columns <= limit:
        return values
    starts = np.linspace(0, columns, limit, endpoint=False).astype(int)
    widths = np.diff(np.append(starts, columns))
    return np.add.reduceat(values, starts, axis=1) / widths


def _round_step(span: float, limit: int) -> float:
    """The smallest of 0.1, 0.2, 0.5, 1, 2, 5 and so on that divides a span into at most `limit` parts."""
    step, factors = 0.1, (2.0, 2.5, 2.0)
    for number in range(30):
        if span / step <= limit:
            break
        step *= factors[number % 3]
    return step
