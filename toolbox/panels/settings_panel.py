"""Audio devices, colours, text size, and the folders of the user's files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from PyQt5.QtCore import QUrl
from PyQt5.QtGui import QDesktopServices
from PyQt5.QtWidgets import QComboBox, QFormLayout, QLabel, QSpinBox, QVBoxLayout, QWidget

from toolbox.panels.devices import fill_devices
from toolbox.state.session import Session
from toolbox.widgets import style
from toolbox.widgets.parts import Card, button, faint, row, selectable

FIELD_PIXELS = 420
TONE_RATE, TONE_HERTZ, TONE_SECONDS = 16_000, 440.0, 0.6


class SettingsPanel(QWidget):
    """Args: restyle: called after a change of colours or text size."""

    def __init__(self, session: Session, restyle: Callable[[], object], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._restyle = session, restyle
        preferences = session.preferences
        self.output = self._device_box("output", "Device for playback")
        self.input = self._device_box("input", "Microphone for recording")
        self.missing = {direction: faint() for direction in ("output", "input")}
        self.test_button = button("Play a &tone", "Test the device for playback", self.play_tone, "play")
        self.rescan_button = button("Re&fresh", "Search for audio devices again", self.rescan_devices)
        self.theme = QComboBox()
        self.theme.setAccessibleName("Colours")
        for name, title in zip(style.THEMES, ("System default", "Light", "Dark"), strict=True):
            self.theme.addItem(title, name)
        self.theme.setCurrentIndex(max(0, self.theme.findData(preferences.get("theme", "auto"))))
        self.theme.activated.connect(lambda _index: self._restyled("theme", self.theme.currentData()))
        self.points = QSpinBox()
        self.points.setAccessibleName("Text size")
        self.points.setSuffix(" pt")
        self.points.setRange(style.MIN_POINTS, style.MAX_POINTS)
        self.points.setValue(preferences.get("text_points", style.TEXT_POINTS))
        self.points.valueChanged.connect(partial(self._restyled, "text_points"))
        self._lay_out()

    def _device_box(self, direction: str, tip: str) -> QComboBox:
        box = QComboBox()
        box.setAccessibleName(tip)
        box.setToolTip(tip)
        box.setSizeAdjustPolicy(QComboBox.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(24)
        box.activated.connect(lambda _index: self._device_chosen(direction))
        return box

    def _lay_out(self) -> None:
        session = self._session
        audio = Card("Audio")
        for title, box, direction in (("&Play on", self.output, "output"), ("&Record from", self.input, "input")):
            label = QLabel(title)
            label.setBuddy(box)
            label.setMinimumWidth(label.fontMetrics().horizontalAdvance("Record from  "))
            box.setMinimumWidth(FIELD_PIXELS)
            audio.column.addLayout(row(label, box, None))
            audio.column.addWidget(self.missing[direction])
            self.missing[direction].hide()
        audio.column.addLayout(row(self.test_button, self.rescan_button, None))
        appearance = Card("Appearance")
        form = QFormLayout()
        for field in (self.theme, self.points):
            field.setMaximumWidth(FIELD_PIXELS)
        form.addRow("&Colours", self.theme)
        form.addRow("Text &size", self.points)
        appearance.column.addLayout(form)
        folders = Card("Folders")
        form = QFormLayout()
        for title, folder in (
            ("Voices", session.voices.store.directory),
            ("Results", session.results.directory),
            ("Settings", session.preferences.path.parent),
        ):
            opened = button("Show", f"Open the {title.lower()} folder", partial(_open, str(folder)))
            opened.setAccessibleName(f"Show the {title.lower()} folder")
            line = row()
            line.addWidget(selectable(str(folder)), 1)
            line.addWidget(opened)
            form.addRow(title, line)
        folders.column.addLayout(form)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 8, 0, 0)
        for card in (audio, appearance, folders):
            column.addWidget(card)
        column.addStretch(1)

    def find_devices(self, rescan: bool = False) -> None:
        """Fill the device lists; missing devices are reported below them."""
        for direction, box in (("output", self.output), ("input", self.input)):
            self.missing[direction].hide()
            report = partial(self._report_missing, direction)
            fill_devices(self._session, direction, box, report, rescan and direction == "output")

    def rescan_devices(self) -> None:
        """Also find devices that were connected since the start. Ends playback."""
        self._session.stop_playing()
        self.find_devices(rescan=self._session.recorder.state not in ("opening", "recording", "paused"))

    def _report_missing(self, direction: str, sentence: str) -> None:
        """Below the list; a missing output also once in the message bar."""
        label = self.missing[direction]
        if direction == "output" and label.text() != sentence:
            self._session.report_missing_output(sentence)
        label.setText(sentence)
        label.show()

    def _device_chosen(self, direction: str) -> None:
        name: str | None = (self.output if direction == "output" else self.input).currentData()
        self._session.preferences.set(f"{direction}_device", name or "")
        if direction == "output":
            self._session.player.device = name
        else:
            self._session.recorder.device = name

    def play_tone(self) -> None:
        time = np.arange(round(TONE_RATE * TONE_SECONDS)) / TONE_RATE
        envelope = np.minimum(1.0, np.minimum(time, TONE_SECONDS - time) / 0.05)
        self._session.play(
            "tone", (0.2 * envelope * np.sin(2 * np.pi * TONE_HERTZ * time)).astype(np.float32), TONE_RATE
        )

    def choose_theme(self, name: str) -> None:
        """Args: name: one of `style.THEMES`."""
        self.theme.setCurrentIndex(self.theme.findData(name))
        self._restyled("theme", name)

    def _restyled(self, name: str, value: object) -> None:
        self._session.preferences.set(name, value)
        self._restyle()


def _open(folder: str) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(folder))
