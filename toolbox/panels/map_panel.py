"""The voice map: a point for each analysed utterance, a colour for each speaker."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PyQt5.QtCore import QEvent, QPointF, QRectF, Qt
from PyQt5.QtGui import QColor, QHelpEvent, QPainter, QPen
from PyQt5.QtWidgets import QListWidget, QListWidgetItem, QSplitter, QToolTip, QVBoxLayout, QWidget

from toolbox.jobs import AnalysedClip
from toolbox.jobs.context import JobContext
from toolbox.jobs.speaker_map import MIN_UMAP_POINTS, Layout, SpeakerMap, fit
from toolbox.panels.dialogs import ask_for_files
from toolbox.state.session import Session
from toolbox.state.worker import Job
from toolbox.storage.map_file import StoredMap, read_map, write_map
from toolbox.storage.results import Result
from toolbox.widgets import style
from toolbox.widgets.canvas import Canvas
from toolbox.widgets.parts import Card, button, faint, row

RESULTS_OF = "Results: "
FILE_NAME = "map.safetensors"  # beside the folder of the results
HIT_PIXELS = 9  # largest distance at which the mouse points at a point
MARGIN = 18


class MapCanvas(Canvas):
    """Points of the map: rings for results, discs for recordings."""

    def __init__(self, speaker_map: SpeakerMap) -> None:
        super().__init__("Voice map", "Each recording and each result appears here as a point.\n"
                         "Similar voices are close together.")  # fmt: skip
        self._map = speaker_map
        self.only = ""  # the one speaker who is highlighted; "" for all

    def has_picture(self) -> bool:
        return len(self._map) > 0

    def pixels(self) -> np.ndarray:
        """Positions of the points on the widget: [points, 2]."""
        positions = self._map.positions.astype(np.float64)
        low, high = positions.min(axis=0), positions.max(axis=0)
        area = QRectF(self.rect()).adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
        span = np.maximum(high - low, 1e-6)
        scale = min(max(area.width(), 1) / span[0], max(area.height(), 1) / span[1])
        if len(positions) == 1 or not np.isfinite(scale):
            scale = 1.0
        centre = np.array([area.center().x(), area.center().y()])
        return (positions - (low + high) / 2) * (scale, -scale) + centre

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
        """Speaker and name of the point at a pixel; "" if there is none."""
        distances = np.linalg.norm(self.pixels() - (x, y), axis=1)
        nearest = int(np.argmin(distances))
        if distances[nearest] > HIT_PIXELS:
            return ""
        point = self._map.points[nearest]
        return f"{point.speaker}\n{point.name}"


def speaker_ink(speaker_map: SpeakerMap, speaker: str, dark: bool) -> QColor:
    """A result has the colour of its voice."""
    of = speaker.removeprefix(RESULTS_OF)
    known = of if of in speaker_map.speakers else speaker
    return QColor.fromRgbF(*speaker_map.colour(known, dark))


class MapPanel(QWidget):
    """The map, its speakers, and buttons to clear and save it."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.map = SpeakerMap()
        self._file = session.results.directory.with_name(FILE_NAME)
        self._changed = False  # since it was read or written
        self._fitting: Job | None = None
        self.canvas = MapCanvas(self.map)
        self.speakers = QListWidget()
        self.speakers.setAccessibleName("Speakers on the map")
        self.speakers.setToolTip("Select a speaker to highlight that speaker's points")
        self.speakers.itemSelectionChanged.connect(self._single_out)
        self.state = faint()
        self.clear_button = button("&Clear", "Remove all points from the map; Ctrl+Z undoes it", self.clear)
        self.save_button = button("&Save picture...", "Save the map as png, svg or pdf", self.ask_to_save)
        self._lay_out()
        session.voices.clip_analysed.connect(self._add_clip)
        session.voices.person_renamed.connect(self._rename)
        session.result_embedded.connect(self._add_result)
        session.point_added.connect(self.add)
        self._show_state()

    def _lay_out(self) -> None:
        left = Card("Voice map")
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

    def _add_clip(self, clip: AnalysedClip, speaker: str) -> None:
        if clip.embedding is not None:
            self.add(clip.embedding, speaker, clip.source, clip.embedding_space)

    def _add_result(self, result: Result, person: str) -> None:
        space = result.voice.embedding_space
        self.add(result.embedding, f"{RESULTS_OF}{person or 'a voice'}", result.text[:80], space)

    def _rename(self, old: str, new: str) -> None:
        for prefix in ("", RESULTS_OF):
            self.map.rename(prefix + old, prefix + new)
        self._list_speakers()
        self._show_state()

    def add(self, embedding: np.ndarray, speaker: str, name: str, space: str = "") -> None:
        """Add a point at once; a better layout follows from the background."""
        known, self._changed = len(self.map.speakers), True
        self.map.add(embedding, speaker, name, space)
        if len(self.map.speakers) != known or len(self.map) == 1:
            self._list_speakers()
        self._fit_if_needed()
        self._show_state()

    def _fit_if_needed(self) -> None:
        if self._fitting is not None or not self.map.needs_fit():
            return
        snapshot = self.map.snapshot()

        def lay_out(context: JobContext) -> Layout:
            return fit(snapshot, check=context.check)

        self._fitting = self._session.submit("Laying out the map", lay_out, self.map.accept, "slow", False)
        self._fitting.ended.connect(self._fitted)

    def _fitted(self) -> None:
        self._fitting, self._changed = None, True
        self._fit_if_needed()
        self._show_state()

    def _list_speakers(self) -> None:
        dark = style.current().dark
        selected = self._selected()
        self.speakers.blockSignals(True)
        self.speakers.clear()
        for speaker in self.map.speakers:
            item = QListWidgetItem(speaker)
            item.setForeground(speaker_ink(self.map, speaker, dark))
            item.setToolTip(speaker)
            self.speakers.addItem(item)
            item.setSelected(speaker == selected)
        self.speakers.blockSignals(False)

    def _selected(self) -> str:
        items = self.speakers.selectedItems()
        return items[0].text() if items else ""

    def _single_out(self) -> None:
        self.canvas.only = self._selected()
        self.canvas.update()

    def _show_state(self) -> None:
        count = len(self.map)
        if count < MIN_UMAP_POINTS:
            how = f"two principal components (UMAP from {MIN_UMAP_POINTS} points)"
        else:
            how = "UMAP, updating" if self._fitting is not None else "UMAP"
        self.state.setText(f"{self._contents()}: {how}." if count else "")
        self.clear_button.setEnabled(count > 0)
        self.save_button.setEnabled(count > 0)
        self.canvas.update()

    def _contents(self) -> str:
        """How many people, recordings and results there are; a result belongs to the person of its voice."""
        people = {speaker.removeprefix(RESULTS_OF) for speaker in self.map.speakers}
        results = sum(point.speaker.startswith(RESULTS_OF) for point in self.map.points)
        recordings = len(self.map) - results
        parts = [f"{len(people)} {'person' if len(people) == 1 else 'people'}"]
        parts += [_count(recordings, "recording")] * bool(recordings) + [_count(results, "result")] * bool(results)
        return ", ".join(parts)

    def clear(self) -> None:
        """Remove all points, which can be undone."""
        before = self.map.contents()
        self._replace(None)
        self._session.offer_undo("The map was cleared.", lambda: self._replace(before))

    def load(self) -> None:
        """Read the map of the last session in the background. Points that were added meanwhile are kept."""

        def show(stored: StoredMap | None) -> None:
            if stored is not None:
                self._replace(stored)

        self._session.submit("Reading the map", lambda _context: read_map(self._file), show, "files", False)

    def remember(self) -> None:
        """Write the map, if it has changed. Raises: StorageError."""
        if self._changed:
            write_map(self._file, self.map.contents())
            self._changed = False

    def _replace(self, stored: StoredMap | None) -> None:
        """Show a stored map with the present points added to it; None clears the map."""
        points, space = self.map.points if stored is not None else (), self.map.space
        self.map.clear()
        if stored is not None:
            self.map.restore(stored)
        for point in points:
            self.map.add(point.embedding, point.speaker, point.name, space)
        self._list_speakers()
        self.canvas.only = ""
        self._changed = True
        self._fit_if_needed()
        self._show_state()

    def repaint_all(self) -> None:
        """Update the colours after a change of theme."""
        self._list_speakers()
        self.canvas.update()

    def ask_to_save(self) -> None:
        ask_for_files(
            self, self._session.preferences, "Save the map", "save", lambda paths: self.save(paths[0]),
            "Pictures (*.png *.svg *.pdf)", "voices.png",
        )  # fmt: skip

    def save(self, path: Path) -> None:
        """Draw the map with a legend into a file."""
        points, positions = self.map.points, self.map.positions.copy()

        def draw(_context: object) -> Path:
            from encoder.umap_projection import draw_map
            from speech.files import storage_error

            figure = draw_map([point.embedding for point in points], [point.speaker for point in points], positions)
            try:
                figure.savefig(path, dpi=120)
            except OSError as error:
                raise storage_error(path, error) from error
            return path

        self._session.submit(
            "Saving the map", draw, lambda made: self._session.notify(f"The map was saved as {made}."), "slow"
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
