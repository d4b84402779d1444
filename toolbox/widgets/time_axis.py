"""The time axis of audio: its visible part, its selected part, and a cursor for the keyboard.

Pictures of the same audio share one axis, so that zooming and selecting in one of them changes all.
"""

from __future__ import annotations

from PyQt5.QtCore import QObject, pyqtSignal

ZOOM_STEP = 1.25  # of one step of the mouse wheel, one key or one button
MIN_VISIBLE = 0.02  # seconds
MIN_SELECTED = 0.01


class TimeAxis(QObject):
    """All times are in seconds.

    Attributes:
        seconds: length of the audio so far.
        start, end: the visible part.
        selection: start and end of the selected part; None without one.
        cursor: position at which the keyboard acts.

    Signals:
        changed: any of these.
        selection_changed: only `selection`.
    """

    changed = pyqtSignal()
    selection_changed = pyqtSignal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.seconds = self.start = self.end = self.cursor = 0.0
        self.selection: tuple[float, float] | None = None

    def reset(self, seconds: float = 0.0) -> None:
        """Other audio: show all of it, and select nothing."""
        self.seconds, self.start, self.end, self.cursor = seconds, 0.0, seconds, 0.0
        self.clear_selection()
        self.changed.emit()

    def set_length(self, seconds: float) -> None:
        """More or less of the same audio. The visible part grows only while it is the whole."""
        if seconds == self.seconds:
            return
        whole = self.is_whole()
        self.seconds = seconds
        self._show(0.0 if whole else self.start, seconds if whole else self.end - self.start)
        if self.selection is not None:
            self.select(*self.selection)
        self.cursor = min(self.cursor, seconds)

    def include(self, seconds: float) -> None:
        """At least this length."""
        self.set_length(max(self.seconds, seconds))

    # --- the visible part

    def is_whole(self) -> bool:
        return self.start <= 0 and self.end >= self.seconds

    def zoom(self, steps: float, around: float | None = None) -> None:
        """Show less (more, for negative steps). Args: around: a time that stays in place, by default `focus`."""
        around = self.focus() if around is None else around
        span = self.end - self.start
        new = min(max(span / ZOOM_STEP**steps, min(MIN_VISIBLE, self.seconds)), self.seconds)
        if span > 0:
            self._show(around - (around - self.start) * new / span, new)

    def pan(self, spans: float) -> None:
        """Move the visible part by a fraction of its length."""
        span = self.end - self.start
        self._show(self.start + spans * span, span)

    def show_all(self) -> None:
        self._show(0.0, self.seconds)

    def focus(self) -> float:
        """What a zoom keeps in place: the middle of the selection or the cursor if visible, or else the centre."""
        wanted = self.cursor if self.selection is None else sum(self.selection) / 2
        return wanted if self.start <= wanted <= self.end else (self.start + self.end) / 2

    def _show(self, start: float, span: float) -> None:
        span = min(span, self.seconds)
        self.start = min(max(start, 0.0), self.seconds - span)
        self.end = self.start + span
        self.changed.emit()

    # --- the selected part

    def select(self, one: float, other: float) -> None:
        """Select between two times, in any order. A part of less than a hundredth of a second is no selection."""
        low, high = (min(max(time, 0.0), self.seconds) for time in sorted((one, other)))
        selection = (low, high) if high - low >= MIN_SELECTED else None
        if selection != self.selection:
            self.selection = selection
            self.selection_changed.emit()
            self.changed.emit()

    def clear_selection(self) -> None:
        self.select(0.0, 0.0)

    def set_cursor(self, seconds: float, select: bool = False) -> None:
        """Move the cursor into view. Args: select: extend the selection by the way of the cursor."""
        before, self.cursor = self.cursor, min(max(seconds, 0.0), self.seconds)
        if select:
            ends = self.selection or (before, before)
            fixed = ends[1] if abs(before - ends[0]) < abs(before - ends[1]) else ends[0]
            self.select(fixed, self.cursor)
        span = self.end - self.start
        if not self.start <= self.cursor <= self.end:
            self._show(self.cursor - span / 2, span)
        self.changed.emit()
