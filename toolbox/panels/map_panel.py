"""The map of voices: a point for each utterance that was heard, a colour for each speaker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PyQt5.QtCore import QEvent, QPointF, QRectF, Qt
from PyQt5.QtGui import QColor, QHelpEvent, QPainter, QPen
from PyQt5.QtWidgets import QListWidget, QListWidgetItem, QSplitter, QToolTip, QVBoxLayout, QWidget

from toolbox.jobs import Heard
from toolbox.jobs.context import JobContext
from toolbox.jobs.speaker_map import LEAST_FOR_UMAP, Layout, SpeakerMap, fit
from toolbox.panels.questions import ask_for_files
from toolbox.state.session import Session
from toolbox.state.worker import Job
from toolbox.storage.results import Result
from toolbox.window import style
from toolbox.window.canvases import Canvas
from toolbox.window.widgets import Card, button, faint, row

RESULTS_OF = "Results: "
NEAR = 9  # pixels within which a point is meant
MARGIN = 18


class MapCanvas(Canvas):
    """Points of the map; results are rings, recordings are discs."""

    def __init__(self, speaker_map: SpeakerMap) -> None:
        super().__init__("Map of voices", "Each recording and result that you make appears here as a point.\n"
                         "Alike voices lie near each other.")  # fmt: skip
        self._map = speaker_map
        self.only = ""  # the one speaker who is shown strongly; "" for all

    def has_picture(self) -> bool:
        return len(self._map) > 0

    def pixels(self) -> np.ndarray:
        """Where the points are on the widget: [points, 2]."""
        places = self._map.places.astype(np.float64)
        low, high = places.min(axis=0), places.max(axis=0)
        area = QRectF(self.rect()).adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
        span = np.maximum(high - low, 1e-6)
        scale = min(max(area.width(), 1) / span[0], max(area.height(), 1) / span[1])
        if len(places) == 1 or not np.isfinite(scale):
            scale = 1.0
        centre = np.array([area.center().x(), area.center().y()])
        return (places - (low + high) / 2) * (scale, -scale) + centre

    def draw(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.Antialiasing)
        dark, points, pixels = style.current().dark, self._map.points, self.pixels()
        radius = float(np.clip(60 / np.sqrt(len(points)), 3.0, 7.0))
        colours: dict[str, QColor] = {}
        for point, (x, y) in zip(points, pixels.tolist(), strict=True):
            ink = colours.get(point.speaker)
            if ink is None:
                ink = colours[point.speaker] = speaker_ink(self._map, point.speaker, dark)
                if self.only and self.only != point.speaker:
                    ink.setAlpha(60)
            ring = point.speaker.startswith(RESULTS_OF)
            painter.setPen(QPen(ink, 2) if ring else Qt.NoPen)
            painter.setBrush(Qt.NoBrush if ring else ink)
            painter.drawEllipse(QPointF(x, y), radius, radius)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.ToolTip and isinstance(event, QHelpEvent) and self.has_picture():
            QToolTip.showText(event.globalPos(), self.name_at(event.pos().x(), event.pos().y()), self)
            return True
        return super().event(event)

    def name_at(self, x: float, y: float) -> str:
        """Whose point lies there; "" if none does."""
        distances = np.linalg.norm(self.pixels() - (x, y), axis=1)
        nearest = int(np.argmin(distances))
        if distances[nearest] > NEAR:
            return ""
        point = self._map.points[nearest]
        return f"{point.speaker}\n{point.name}"


def speaker_ink(speaker_map: SpeakerMap, speaker: str, dark: bool) -> QColor:
    """A result has the colour of the voice that it was made with."""
    of = speaker.removeprefix(RESULTS_OF)
    known = of if of in speaker_map.speakers else speaker
    return QColor.fromRgbF(*speaker_map.colour(known, dark))


class MapPanel(QWidget):
    """The map, who is on it, and what to do with it."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.map = SpeakerMap()
        self._fitting: Job | None = None
        self.canvas = MapCanvas(self.map)
        self.speakers = QListWidget()
        self.speakers.setAccessibleName("Speakers on the map")
        self.speakers.setToolTip("Mark a speaker to see that one's points alone")
        self.speakers.itemSelectionChanged.connect(self._single_out)
        self.state = faint()
        self.clear_button = button("&Clear", "Take all points off the map", self.clear)
        self.save_button = button("&Save picture...", "Save the map as a png or svg", self.ask_to_save)
        self._lay_out()
        session.voices.heard.connect(self._heard)
        session.result_heard.connect(self._result_heard)
        session.point_heard.connect(self.add)
        self._tell()

    def _lay_out(self) -> None:
        left = Card("Map of voices")
        left.column.addWidget(self.canvas, 1)
        left.column.addWidget(self.state)
        left.column.addLayout(row(self.clear_button, self.save_button, None))
        right = Card("Speakers")
        right.column.addWidget(self.speakers, 1)
        self.splitter = QSplitter(Qt.Horizontal)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.addWidget(left)
        self.splitter.addWidget(right)
        self.splitter.setStretchFactor(0, 4)
        self.splitter.setStretchFactor(1, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 8, 0, 0)
        column.addWidget(self.splitter)

    def _heard(self, clip: Heard, speaker: str) -> None:
        if clip.embedding is not None:
            self.add(clip.embedding, speaker, clip.source)

    def _result_heard(self, result: Result) -> None:
        name = result.voice.name or "a voice"
        self.add(result.embedding, f"{RESULTS_OF}{name}", result.text[:80])

    def add(self, embedding: np.ndarray, speaker: str, name: str) -> None:
        """Put a point on the map at once; a better layout follows from another thread."""
        known = len(self.map.speakers)
        self.map.add(embedding, speaker, name)
        if len(self.map.speakers) != known:
            self._list_speakers()
        self._fit_if_wanted()
        self._tell()

    def _fit_if_wanted(self) -> None:
        if self._fitting is not None or not self.map.wants_fit():
            return
        snapshot = self.map.snapshot()

        def lay_out(context: JobContext) -> Layout:
            return fit(snapshot, check=context.check)

        self._fitting = self._session.submit("Laying out the map", lay_out, self.map.accept, "slow", False)
        self._fitting.ended.connect(self._fitted)

    def _fitted(self) -> None:
        self._fitting = None
        self._fit_if_wanted()
        self._tell()

    def _list_speakers(self) -> None:
        dark = style.current().dark
        marked = self._marked()
        self.speakers.blockSignals(True)
        self.speakers.clear()
        for speaker in self.map.speakers:
            item = QListWidgetItem(speaker)
            item.setForeground(speaker_ink(self.map, speaker, dark))
            item.setToolTip(speaker)
            self.speakers.addItem(item)
            item.setSelected(speaker == marked)
        self.speakers.blockSignals(False)

    def _marked(self) -> str:
        items = self.speakers.selectedItems()
        return items[0].text() if items else ""

    def _single_out(self) -> None:
        self.canvas.only = self._marked()
        self.canvas.update()

    def _tell(self) -> None:
        count = len(self.map)
        if count < LEAST_FOR_UMAP:
            how = f"the two main directions; UMAP from {LEAST_FOR_UMAP} points on"
        else:
            how = "UMAP, being laid out anew" if self._fitting is not None else "UMAP"
        self.state.setText(
            f"{count} point{'s' * (count != 1)} of {_speakers(len(self.map.speakers))}: {how}." if count else ""
        )
        self.clear_button.setEnabled(count > 0)
        self.save_button.setEnabled(count > 0)
        self.canvas.update()

    def clear(self) -> None:
        self.map.clear()
        self._list_speakers()
        self.canvas.only = ""
        self._tell()

    def repaint_all(self) -> None:
        """After the theme has changed."""
        self._list_speakers()
        self.canvas.update()

    def ask_to_save(self) -> None:
        ask_for_files(
            self, self._session.preferences, "Save the map", "save", lambda paths: self.save(paths[0]),
            "Pictures (*.png *.svg *.pdf)", "voices.png",
        )  # fmt: skip

    def save(self, path: Path, then: Callable[[Path], object] | None = None) -> None:
        """Draw the map with matplotlib, with a legend, into a file."""
        points, places = self.map.points, self.map.places.copy()

        def draw(_context: object) -> Path:
            from encoder.umap_projection import draw_map
            from toolbox.storage.files import storage_error

            figure = draw_map([point.embedding for point in points], [point.speaker for point in points], places)
            try:
                figure.savefig(path, dpi=120)
            except OSError as error:
                raise storage_error(path, error) from error
            return path

        self._session.submit(
            "Saving the map", draw, lambda made: self._session.tell(f"The map was saved as {made}."), "slow"
        )


def _speakers(count: int) -> str:
    return f"{count} speaker{'s' * (count != 1)}"
