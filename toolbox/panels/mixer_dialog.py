"""A voice between voices: a slider for each."""

from __future__ import annotations

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QDialog, QGridLayout, QLabel, QScrollArea, QSlider, QVBoxLayout, QWidget

from toolbox.state.session import Session
from toolbox.state.voice_choice import sample_title
from toolbox.window.widgets import ElidedLabel, button, faint, row

STEPS = 100


class MixerDialog(QDialog):
    """Stands beside the window; a mix is taken with its button, as often as one likes."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.setWindowTitle("Mix voices")
        self.resize(620, 420)
        self.sliders: dict[tuple[str, str], QSlider] = {}
        self._shares: dict[tuple[str, str], QLabel] = {}
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
        self.use_button = button("&Use this mix", "Speak with the voice between these", self.use, "", True)
        close = button("Close", "Close this window", self.close)
        clear = button("Clea&r", "All sliders to nothing", self.clear)
        whole = QVBoxLayout(self)
        whole.addWidget(
            faint("Give each voice a share. The mix is their weighted mean; keep it under a name of its own.")
        )
        whole.addWidget(area, 1)
        whole.addLayout(row(clear, None, close, self.use_button))
        session.voices.library_changed.connect(lambda _names: self.fill())
        self.fill()

    def fill(self) -> None:
        """A slider for each voice that there is; those that are there keep their places."""
        voices = self._session.voices
        titles = {("saved", name): name for name in voices.saved_names}
        titles |= {("sample", path.name): sample_title(path) for path in voices.samples()}
        if list(titles) == list(self.sliders):
            return
        values = {key: slider.value() for key, slider in self.sliders.items()}
        while self._grid.count():
            self._grid.takeAt(0).widget().deleteLater()
        self.sliders, self._shares = {}, {}
        for line, (key, title) in enumerate(titles.items()):
            slider = QSlider(Qt.Horizontal)
            slider.setRange(0, STEPS)
            slider.setPageStep(10)
            slider.setAccessibleName(f"Share of {title}")
            slider.setToolTip(f"How much of {title} there is in the mix")
            slider.setValue(values.get(key, 0))
            slider.valueChanged.connect(self._tell)
            share = QLabel()
            share.setMinimumWidth(share.fontMetrics().horizontalAdvance("100 %") + 4)
            share.setAlignment(Qt.AlignRight | Qt.AlignVCenter)
            self.sliders[key], self._shares[key] = slider, share
            for place, part in enumerate((ElidedLabel(title), slider, share)):
                self._grid.addWidget(part, line, place)
        self._tell()

    def shares(self) -> dict[tuple[str, str], float]:
        """Those above nothing; they sum to 1."""
        values = {key: slider.value() for key, slider in self.sliders.items() if slider.value()}
        return {key: value / sum(values.values()) for key, value in values.items()}

    def use(self) -> None:
        shares = self.shares()
        if shares:
            self._session.voices.mix(shares)

    def clear(self) -> None:
        for slider in self.sliders.values():
            slider.setValue(0)

    def _tell(self) -> None:
        shares = self.shares()
        for key, label in self._shares.items():
            label.setText(f"{shares[key]:.0%}".replace("%", " %") if key in shares else "")
        self.use_button.setEnabled(bool(shares))
