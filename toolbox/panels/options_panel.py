"""The options of a request: speed, pauses, pitch range, lexicon, trimming, watermark and seed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt5.QtCore import pyqtSignal
from PyQt5.QtWidgets import QCheckBox, QGridLayout, QLabel, QSpinBox, QVBoxLayout, QWidget

from cloning.options import DEFAULT_LOUDNESS, LOUDNESS_RANGE
from synthesizer.options import RANGES
from toolbox import jobs
from toolbox.panels.dialogs import LEXICONS, ask_for_files
from toolbox.state.session import Session
from toolbox.storage.settings import SpeechSettings
from toolbox.widgets.parts import ElidedLabel, beside, button, row
from toolbox.widgets.scrolling import FlowLayout
from toolbox.widgets.value_slider import ValueSlider

if TYPE_CHECKING:
    from synthesizer.text.lexicon import Lexicon

MAX_SEED = 2**31 - 1
NO_LEXICON = "none"
SLIDERS = {
    "speed": ("Spee&d", "Speaking rate at the same pitch: 0.8 is 20 % slower, 1.5 is 50 % faster."),
    "pauses": ("Pa&uses", "Length of the pauses: 2 doubles them, 0 removes them."),
    "pitch_range": ("Pitch ran&ge", "How far the pitch moves up and down: 0 is monotone, 2 doubles the range."),
}


class OptionsPanel(QWidget):
    """Sliders, a lexicon chooser, and the seed. The values are remembered in the preferences.

    Signals:
        changed: a value was changed.
    """

    changed = pyqtSignal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        preferences = session.preferences
        stored: dict[str, object] = preferences.get("speech_settings", {"trimmed": preferences.get("trim", False)})
        settings = SpeechSettings.from_json(stored)
        self.sliders = {name: ValueSlider(*texts, RANGES[name]) for name, texts in SLIDERS.items()}
        self._lexicon = ""
        self.lexicon_name = ElidedLabel()
        self.lexicon_name.setAccessibleName("Lexicon")
        self.lexicon_button = button("Choose...", "Use your own pronunciations: a .csv file with one word and its "
                                     "pronunciation per line", self.ask_for_lexicon)  # fmt: skip
        self.clear_button = button("Clear", "Use no lexicon", partial(self._set_lexicon, ""))
        self.trim = QCheckBox("Trim sile&nces")
        self.trim.setToolTip("Shorten long silences in the finished audio to a fifth of a second")
        self.watermark = QCheckBox("Watermar&k")
        self.watermark.setToolTip("Add an inaudible watermark that marks the audio as synthetic; needs resemble-perth")
        self.loudness = QSpinBox()
        self.loudness.setRange(*map(int, LOUDNESS_RANGE))
        self.loudness.setSuffix(" LUFS")
        self.loudness.setAccessibleName("Loudness")
        self.loudness.setToolTip(f"Loudness of every sentence; {DEFAULT_LOUDNESS:g} LUFS is the default")
        self.fixed = QCheckBox("F&ixed seed")
        self.fixed.setToolTip("With the same seed, text, voice, options and models you get exactly the same audio")
        self.fixed.setChecked(preferences.get("seed_fixed", False))
        self.seed = QSpinBox()
        self.seed.setRange(0, MAX_SEED)
        self.seed.setAccessibleName("Seed")
        self.seed.setToolTip("The seed: any whole number")
        self.seed.setValue(preferences.get("seed", 1))
        self.seed.setEnabled(self.fixed.isChecked())
        self._lay_out()
        self._show(settings)
        self.fixed.toggled.connect(self.seed.setEnabled)
        for box in (self.fixed, self.trim, self.watermark):
            box.toggled.connect(lambda _value: self.changed.emit())
        for number in (self.seed, self.loudness):
            number.valueChanged.connect(lambda _value: self.changed.emit())
        for slider in self.sliders.values():
            slider.factor_changed.connect(lambda _value: self.changed.emit())

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        grid.setVerticalSpacing(2)
        for line, slider in enumerate(self.sliders.values()):
            slider.add_to(grid, line)
        lexicon = row(QLabel("Lexicon"))
        lexicon.addWidget(self.lexicon_name, 1)
        lexicon.addWidget(self.lexicon_button)
        lexicon.addWidget(self.clear_button)
        loudness = QLabel("Loudness")
        loudness.setBuddy(self.loudness)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(grid)
        column.addLayout(lexicon)
        column.addLayout(
            FlowLayout(self.trim, self.watermark, beside(loudness, self.loudness), beside(self.fixed, self.seed))
        )

    def settings(self) -> SpeechSettings:
        factors = {name: slider.factor() for name, slider in self.sliders.items()}
        return SpeechSettings(
            **factors,
            lexicon=self._lexicon,
            trim=self.trim.isChecked(),
            loudness=float(self.loudness.value()),
            watermark=self.watermark.isChecked(),
        )

    def seed_wanted(self) -> int | None:
        return self.seed.value() if self.fixed.isChecked() else None

    def summary(self) -> str:
        """The options that differ from the defaults."""
        seed = [f"seed {self.seed.value()}"] if self.fixed.isChecked() else []
        return ", ".join(self.settings().changes() + seed)

    def restore(self, settings: SpeechSettings, seed: int | None) -> None:
        """Show the options of a result. A lexicon that cannot be read any more is reported and dropped."""
        self._show(settings)
        self.check_lexicon()
        if seed is not None:
            self.fixed.setChecked(True)
            self.seed.setValue(seed)

    def remember(self) -> None:
        """Put the values into the preferences."""
        preferences = self._session.preferences
        preferences.set("speech_settings", self.settings().as_json())
        preferences.set("seed_fixed", self.fixed.isChecked())
        preferences.set("seed", self.seed.value())

    def _show(self, settings: SpeechSettings) -> None:
        for name, slider in self.sliders.items():
            slider.set_factor(getattr(settings, name))
        self.trim.setChecked(settings.trim)
        self.watermark.setChecked(settings.watermark)
        self.loudness.setValue(round(settings.loudness))
        self._set_lexicon(settings.lexicon)

    # --- lexicon

    def ask_for_lexicon(self) -> None:
        ask_for_files(
            self, self._session.preferences, "A lexicon: one word and its pronunciation per line", "open",
            lambda paths: self.use_lexicon(paths[0]), LEXICONS,
        )  # fmt: skip

    def use_lexicon(self, path: Path) -> None:
        """Read a lexicon and use it from now on; an error is shown, and the present one stays in use."""

        def use(lexicon: Lexicon) -> None:
            self._set_lexicon(str(path))
            self._session.notify(f"{path.name}: {len(lexicon)} pronunciation{'s' * (len(lexicon) != 1)} in use.")

        self._session.submit("Reading the lexicon", lambda _context: jobs.load_lexicon(str(path)), use, "files")

    def check_lexicon(self) -> None:
        """Read the present lexicon again; drop it with an error if that fails."""
        path = self._lexicon
        if not path:
            return

        def drop(_sentence: str, _details: str) -> None:
            if self._lexicon == path:
                self._set_lexicon("")

        job = self._session.submit(
            "Reading the lexicon", lambda _context: jobs.load_lexicon(path), None, "files", False
        )
        job.failed.connect(drop)

    def _set_lexicon(self, path: str) -> None:
        self._lexicon = path
        self.lexicon_name.set_text(Path(path).name if path else NO_LEXICON)
        self.lexicon_name.setToolTip(path or "No lexicon is in use.")
        self.clear_button.setEnabled(bool(path))
        self.changed.emit()
