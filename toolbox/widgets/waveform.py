"""The waveform of audio, with buttons that zoom."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from PyQt5.QtCore import QEvent, QPointF, Qt
from PyQt5.QtGui import QColor, QPainter, QPen, QPolygonF, QResizeEvent
from PyQt5.QtWidgets import QHBoxLayout, QToolButton, QWidget

from toolbox.widgets import style
from toolbox.widgets.time_axis import TimeAxis
from toolbox.widgets.time_canvas import TimeCanvas

MIN_HEIGHT = 64  # pixels
BINS_PER_SECOND = 100  # each stores the lowest and the highest sample


class Waveform(TimeCanvas):
    """The envelope of audio, which may grow while it is generated. Arguments as `TimeCanvas`."""

    def __init__(
        self, name: str, empty: str = "", side: str = "audio", axis: TimeAxis | None = None,
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(name, side, empty, axis, parent)
        self._low = self._high = np.zeros(0, np.float32)
        self._blocks: list[np.ndarray] = []
        self._rest = np.zeros(0, np.float32)
        self._samples, self._sample_rate = 0, 16_000
        self.setMinimumHeight(MIN_HEIGHT)
        self.buttons = ZoomButtons(self)
        self.buttons.hide()
        self.buttons.place()

    def has_picture(self) -> bool:
        return self._samples > 0

    def clear(self, sample_rate: int = 16_000) -> None:
        self._low = self._high = self._rest = np.zeros(0, np.float32)
        self._blocks = []
        self._samples, self._sample_rate, self.covered, self.playhead = 0, sample_rate, 0.0, None
        self.axis.reset()
        self.buttons.hide()
        self.update()

    def show_audio(self, wav: np.ndarray, sample_rate: int) -> None:
        """wav: float32 [samples] in [-1, 1]."""
        self.clear(sample_rate)
        self.append(wav)

    def append(self, wav: np.ndarray) -> None:
        """More audio at the end."""
        wav = np.asarray(wav, np.float32)
        size = self._bin_size()
        joined = np.concatenate([self._rest, wav])
        whole = len(joined) // size * size
        bins = joined[:whole].reshape(-1, size)
        self._low = np.concatenate([self._low, bins.min(axis=1)])
        self._high = np.concatenate([self._high, bins.max(axis=1)])
        self._rest = joined[whole:]
        self._blocks.append(wav)
        self._samples += len(wav)
        self.covered = self._samples / self._sample_rate
        self.axis.include(self.covered)
        self.buttons.setVisible(self.has_picture())
        self.update()

    def envelope(self, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The visible part at screen resolution: middle of each column in seconds, lowest and highest sample.

        Args:
            columns: at most this many.
        """
        rate, size, axis = self._sample_rate, self._bin_size(), self.axis
        first = max(0, int(axis.start * rate) - 1)
        last = min(self._samples, int(axis.end * rate) + 2)
        if (last - first) / columns >= size and len(self._low):
            scale = size
            low, high = (values[first // size : last // size + 1] for values in (self._low, self._high))
            first = first // size * size
        else:
            scale = 1
            low = high = self._between(first, last)
        starts = np.linspace(0, len(low), min(columns, len(low)), endpoint=False).astype(int)
        if not len(starts):
            return low, low, high
        ends = np.append(starts[1:], len(low))
        times = (first + scale * (starts + ends) / 2) / rate
        return times, np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)

    def draw(self, painter: QPainter) -> None:
        theme, area, axis = style.current(), self.plot(), self.axis
        painter.setPen(QPen(QColor(theme.line), 1))
        middle = area.center().y()
        painter.drawLine(QPointF(area.left(), middle), QPointF(area.right(), middle))
        times, low, high = self.envelope(max(1, int(area.width())))
        if len(times):
            x = area.left() + area.width() * (times - axis.start) / max(axis.end - axis.start, 1e-6)
            up = middle - high * area.height() / 2
            down = middle - low * area.height() / 2 + 1
            outline = [QPointF(*point) for point in zip(x.tolist(), up.tolist(), strict=True)]
            outline += [QPointF(*point) for point in zip(x[::-1].tolist(), down[::-1].tolist(), strict=True)]
            painter.save()
            painter.setClipRect(area)
            painter.setPen(Qt.NoPen)
            painter.setBrush(QColor(theme.accent))
            painter.drawPolygon(QPolygonF(outline))
            painter.restore()
        selected = "" if axis.selection is None else f"{axis.selection[1] - axis.selection[0]:.2f} s selected"
        self.draw_axes(painter, selected)
        self.draw_selection(painter)
        self.draw_playhead(painter)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.buttons.place()

    def _margins(self) -> tuple[float, float]:
        side, below = super()._margins()
        return side, max(below, self.buttons.sizeHint().height() + 2)

    def _labels_end(self) -> float:
        return super()._labels_end() - self.buttons.width() - 4

    def _bin_size(self) -> int:
        return max(1, self._sample_rate // BINS_PER_SECOND)

    def _between(self, first: int, last: int) -> np.ndarray:
        """Samples of a range, from the blocks that it touches."""
        parts, before = [], 0
        for block in self._blocks:
            parts.append(block[max(0, first - before) : max(0, last - before)])
            before += len(block)
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)


class ZoomButtons(QWidget):
    """Three small buttons in the lower right corner of a picture. The keys of the picture do the same."""

    def __init__(self, canvas: TimeCanvas) -> None:
        super().__init__(canvas)
        self.setCursor(Qt.ArrowCursor)
        axis = canvas.axis
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(2)
        actions: tuple[tuple[str, str, Callable[[], object]], ...] = (
            ("+", "Zoom in (+)", partial(axis.zoom, 1)),
            ("−", "Zoom out (-)", partial(axis.zoom, -1)),
            ("All", "Show all (0)", axis.show_all),
        )
        for text, tip, action in actions:
            one = QToolButton()
            one.setObjectName("small")
            one.setText(text)
            one.setToolTip(tip)
            one.setAccessibleName(tip.partition(" (")[0])
            one.setFocusPolicy(Qt.NoFocus)
            one.clicked.connect(lambda _checked=False, act=action: act())
            line.addWidget(one)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.LayoutRequest:  # the text size has changed
            self.place()
        return super().event(event)

    def place(self) -> None:
        """Move into the corner of the picture."""
        canvas = self.parentWidget()
        assert isinstance(canvas, TimeCanvas)
        self.adjustSize()
        self.move(max(0, round(canvas.plot().right()) - self.width()), canvas.height() - self.height())
