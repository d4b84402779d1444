"""Sound devices, colours, the size of text, and where things are kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from PyQt5.QtCore import QUrl
from PyQt5.QtGui import QDesktopServices
from PyQt5.QtWidgets import QComboBox, QFormLayout, QLabel, QSpinBox, QVBoxLayout, QWidget

from toolbox.panels.devices import fill_devices
from toolbox.state.session import Session
from toolbox.window import style
from toolbox.window.widgets import Card, button, faint, row, selectable

FIELD_PIXELS = 420
TONE_RATE, TONE_HERTZ, TONE_SECONDS = 16_000, 440.0, 0.6


class SettingsPanel(QWidget):
    """Args: restyle: called when colours or the size of text were changed."""

    def __init__(self, session: Session, restyle: Callable[[], object], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._restyle = session, restyle
        preferences = session.preferences
        self.output = self._device_box("output", "Where sounds are played")
        self.input = self._device_box("input", "The microphone to record from")
        self.missing = {direction: faint() for direction in ("output", "input")}
        self.test_button = button("Play a &tone", "Hear whether the device works", self.play_tone, "play")
        self.again_button = button("Look &again", "Look for sound devices anew", self.find_devices)
        self.theme = QComboBox()
        self.theme.setAccessibleName("Colours")
        for name, title in zip(style.THEMES, ("As the system has them", "Light", "Dark"), strict=True):
            self.theme.addItem(title, name)
        self.theme.setCurrentIndex(max(0, self.theme.findData(preferences.get("theme", "auto"))))
        self.theme.activated.connect(lambda _place: self._restyled("theme", self.theme.currentData()))
        self.points = QSpinBox()
        self.points.setAccessibleName("Size of text")
        self.points.setSuffix(" pt")
        self.points.setRange(style.LEAST_POINTS, style.MOST_POINTS)
        self.points.setValue(preferences.get("text_points", style.TEXT_POINTS))
        self.points.valueChanged.connect(partial(self._restyled, "text_points"))
        self._lay_out()

    def _device_box(self, direction: str, tip: str) -> QComboBox:
        box = QComboBox()
        box.setAccessibleName(tip)
        box.setToolTip(tip)
        box.setSizeAdjustPolicy(QComboBox.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(24)
        box.activated.connect(lambda _place: self._device_chosen(direction))
        return box

    def _lay_out(self) -> None:
        session = self._session
        sound = Card("Sound")
        for title, box, direction in (("&Play on", self.output, "output"), ("&Record from", self.input, "input")):
            label = QLabel(title)
            label.setBuddy(box)
            label.setMinimumWidth(label.fontMetrics().horizontalAdvance("Record from  "))
            box.setMinimumWidth(FIELD_PIXELS)
            sound.column.addLayout(row(label, box, None))
            sound.column.addWidget(self.missing[direction])
            self.missing[direction].hide()
        sound.column.addLayout(row(self.test_button, self.again_button, None))
        looks = Card("Looks")
        form = QFormLayout()
        for field in (self.theme, self.points):
            field.setMaximumWidth(FIELD_PIXELS)
        form.addRow("&Colours", self.theme)
        form.addRow("&Size of text", self.points)
        looks.column.addLayout(form)
        places = Card("Where things are kept")
        form = QFormLayout()
        for title, folder in (
            ("Voices", session.voices.shelf.directory),
            ("Results", session.results.directory),
            ("Settings", session.preferences.path.parent),
        ):
            opened = button("Show", f"Open the folder of the {title.lower()}", partial(_open, str(folder)))
            opened.setAccessibleName(f"Show the folder of the {title.lower()}")
            line = row()
            line.addWidget(selectable(str(folder)), 1)
            line.addWidget(opened)
            form.addRow(title, line)
        places.column.addLayout(form)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 8, 0, 0)
        for card in (sound, looks, places):
            column.addWidget(card)
        column.addStretch(1)

    def find_devices(self) -> None:
        """Read the lists of devices; what is missing is said beside them."""
        for direction, box in (("output", self.output), ("input", self.input)):
            self.missing[direction].hide()
            fill_devices(self._session, direction, box, partial(self._tell_missing, direction))

    def _tell_missing(self, direction: str, said: str) -> None:
        """Beside the list, and once for a device that everybody needs."""
        label = self.missing[direction]
        if direction == "output" and label.text() != said:
            self._session.output_is_missing(said)
        label.setText(said)
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

    def _restyled(self, name: str, value: object) -> None:
        self._session.preferences.set(name, value)
        self._restyle()


def _open(folder: str) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(folder))
