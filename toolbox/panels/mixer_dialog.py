"""Mix voices: one slider per voice."""

from __future__ import annotations

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QDialog, QGridLayout, QLabel, QScrollArea, QSlider, QVBoxLayout, QWidget

from toolbox.state.chosen_voice import sample_title
from toolbox.state.session import Session
from toolbox.widgets.parts import ElidedLabel, button, faint, row

STEPS = 100


class MixerDialog(QDialog):
    """A window beside the main window; the mix can be changed and applied repeatedly."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.setWindowTitle("Mix voices")
        self.resize(620, 420)
        self.sliders: dict[tuple[str, str], QSlider] = {}
        self._percentages: dict[tuple[str, str], QLabel] = {}
        self._grid = QGridLayout()
        self._grid.setColumnStretch(1, 1)
        self._grid.setColumnMinimumWidth(0, 270)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.addLayout(self._grid)
        column.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(inner)
        self.use_button = button("&Use this mix", "Speak with the mixed voice", self.use, "", True)
        close = button("Close", "Close this window", self.close)
        clear = button("&Reset", "Set all sliders to zero", self.clear)
        whole = QVBoxLayout(self)
        whole.addWidget(faint("Set how much of each voice goes into the mix, then save the mix under a new name."))
        whole.addWidget(area, 1)
        whole.addLayout(row(clear, None, close, self.use_button))
        session.voices.library_changed.connect(lambda _names: self.fill())
        self.fill()

    def fill(self) -> None:
        """A slider for each available voice; existing ones keep their values."""
        voices = self._session.voices
        titles = {("saved", name): name for name in voices.saved_names}
        titles |= {("sample", path.name): sample_title(path) for path in voices.samples()}
        if list(titles) == list(self.sliders):
            return
        values = {key: slider.value() for key, slider in self.sliders.items()}
        while self._grid.count():
            self._grid.takeAt(0).widget().deleteLater()
        self.sliders, self._percentages = {}, {}
        for line, (key, title) in enumerate(titles.items()):
            slider = QSlider(Qt.Horizontal)
            slider.setRange(0, STEPS)
            slider.setPageStep(10)
            slider.setAccessibleName(f"Share of {title}")
            slider.setToolTip(f"Share of {title} in the mix")
            slider.setValue(values.get(key, 0))
            slider.valueChanged.connect(self._show_percentages)
            percentage = QLabel()
            percentage.setMinimumWidth(percentage.fontMetrics().horizontalAdvance("100 %") + 4)
            percentage.setAlignment(Qt.AlignRight | Qt.AlignVCenter)
            self.sliders[key], self._percentages[key] = slider, percentage
            for column, part in enumerate((ElidedLabel(title), slider, percentage)):
                self._grid.addWidget(part, line, column)
        self._show_percentages()

    def weights(self) -> dict[tuple[str, str], float]:
        """Weights above zero, by voice; they sum to 1."""

        values = {key: slider.value() for key, slider in self.sliders.items() if slider.value()}
        return {key: value / sum(values.values()) for key, value in values.items()}

    def use(self) -> None:
        weights = self.weights()
        if weights:
            self._session.voices.mix(weights)

    def clear(self) -> None:
        for slider in self.sliders.values():
            slider.setValue(0)

    def _show_percentages(self) -> None:
        weights = self.weights()
        for key, label in self._percentages.items():
            label.setText(f"{weights[key]:.0%}".replace("%", " %") if key in weights else "")
        self.use_button.setEnabled(bool(weights))
