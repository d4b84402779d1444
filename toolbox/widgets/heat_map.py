"""Spectrograms and alignments as colours, at screen resolution."""

from __future__ import annotations

import numpy as np
from PyQt5.QtCore import QRectF
from PyQt5.QtGui import QImage, QPainter
from PyQt5.QtWidgets import QWidget

from toolbox.widgets import style
from toolbox.widgets.time_axis import TimeAxis
from toolbox.widgets.time_canvas import TimeCanvas

MAX_COLUMNS = 2000  # of an image; more are averaged
MEL_RANGE = (-4.0, 4.0)


class HeatMap(TimeCanvas):
    """A spectrogram or an alignment: brighter means more. Arguments as `TimeCanvas`."""

    def __init__(
        self, name: str, side: str, empty: str = "", axis: TimeAxis | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(name, side, empty, axis, parent)
        self._image: QImage | None = None
        self._pixels = np.zeros((0, 0), np.uint8)  # QImage does not own its data

    def has_picture(self) -> bool:
        return self._image is not None

    def clear(self) -> None:
        self._image, self.playhead, self.covered = None, None, 0.0
        self.axis.reset()
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
        self.covered = seconds
        self.axis.include(seconds)
        self.update()

    def draw(self, painter: QPainter) -> None:
        assert self._image is not None
        area, axis = self.plot(), self.axis
        shown = min(axis.end, self.covered)
        if shown > axis.start:
            scale = self._image.width() / self.covered
            source = QRectF(scale * axis.start, 0, scale * (shown - axis.start), self._image.height())
            painter.setRenderHint(QPainter.SmoothPixmapTransform)
            painter.drawImage(
                QRectF(area.left(), area.top(), self.x_of(shown) - area.left(), area.height()), self._image, source
            )
        self.draw_axes(painter)
        self.draw_caption(painter, self.name)
        self.draw_selection(painter)
        self.draw_playhead(painter)


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
