"""Step 1: whose voice. A sample, a saved voice, a file, a recording, a mix."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QComboBox, QLabel, QSizePolicy, QVBoxLayout, QWidget

from toolbox.state.session import Session
from toolbox.state.voice_choice import sample_title
from toolbox.window import style
from toolbox.window.canvases import EmbeddingMap
from toolbox.window.widgets import Card, button, faint, paint_icon, row, selectable

NOT_KEPT = "not kept yet"
MOST_REMARKS = 3


class VoiceCard(Card):
    """Args: open_files, record, mix, keep: what their buttons do."""

    def __init__(
        self,
        session: Session,
        open_files: Callable[[], object],
        record: Callable[[], object],
        mix: Callable[[], object],
        keep: Callable[[], object],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__("Voice", "1", parent)
        self._session = session
        self.box = QComboBox()
        self.box.setAccessibleName("Voice")
        self.box.setToolTip("The voice to speak with: a sample, one that you kept, or the one that you opened last")
        self.box.setSizeAdjustPolicy(QComboBox.AdjustToMinimumContentsLengthWithIcon)
        self.box.setMinimumContentsLength(12)
        self.box.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)
        self.box.setMaxVisibleItems(20)
        self.box.activated.connect(self._picked)
        self.listen_button = button("&Listen", "Hear the reference", self.listen, "play")
        self.open_button = button(
            "&Open file...", "Clone the voice in a recording", open_files, "folder", False, "Ctrl+O"
        )
        self.record_button = button("&Record...", "Record a voice", record, "record", False, "Ctrl+R")
        self.mix_button = button("&Mix...", "Make a voice between voices, with sliders", mix)
        self.keep_button = button("&Keep...", "Put this voice into your library, with a note of consent", keep)
        self.embedding = EmbeddingMap("The voice as the encoder hears it")
        self.embedding.setFixedSize(64, 64)
        self.embedding.setToolTip("The 256 numbers that stand for this voice, as colours: alike voices, alike pictures")
        self.about = selectable()
        self.remarks = QLabel()
        self.remarks.setWordWrap(True)
        self.remarks.setTextInteractionFlags(Qt.TextSelectableByMouse)
        self.remarks.setFocusPolicy(Qt.NoFocus)
        told = QVBoxLayout()
        told.setSpacing(2)
        told.addWidget(self.about)
        told.addWidget(self.remarks)
        told.addStretch(1)
        self.column.addLayout(row(self.box, self.listen_button))
        self.column.addLayout(row(self.open_button, self.record_button, self.mix_button, self.keep_button))
        line = row(self.embedding)
        line.addLayout(told, 1)
        self.column.addLayout(line)
        self.column.addWidget(faint("Or drop a recording anywhere into this window. Clone only who agreed to it."))
        session.voices.changed.connect(self.refresh)
        session.voices.library_changed.connect(lambda _names: self.refresh())
        session.playing_changed.connect(self._show_playing)
        self.refresh()

    def refresh(self) -> None:
        """Show what can be chosen, and what is."""
        voices = self._session.voices
        chosen = voices.chosen
        self.box.blockSignals(True)
        self.box.clear()
        if chosen is not None and not chosen.key:
            self.box.addItem(f"{chosen.title} ({NOT_KEPT})", None)
        for name in voices.saved_names:
            self.box.addItem(name, ("saved", name))
        if self.box.count():
            self.box.insertSeparator(self.box.count())
        for path in voices.samples():
            self.box.addItem(sample_title(path), ("sample", path.name))
        wanted: tuple[str, str] | None = (chosen.kind, chosen.key) if chosen is not None and chosen.key else None
        if voices.choosing and (chosen is None or chosen.key):
            wanted = voices.wanted
        places = [place for place in range(self.box.count()) if self.box.itemData(place) == wanted and
                  self.box.itemText(place)]  # fmt: skip
        self.box.setCurrentIndex(places[0] if places else -1)
        self.box.blockSignals(False)
        self._tell()

    def _tell(self) -> None:
        chosen = self._session.voices.chosen
        self.embedding.show_embedding(None if chosen is None else chosen.voice.embedding)
        self.listen_button.setEnabled(chosen is not None and len(chosen.wav) > 0)
        self.keep_button.setEnabled(chosen is not None and chosen.kind != "saved")
        if chosen is None:
            self.about.setText("The voice is being prepared." if self._session.voices.choosing else "No voice yet.")
            self.remarks.hide()
            return
        self.about.setText("\n".join(chosen.lines[:4]))
        told = [remark.sentence for remark in chosen.remarks[:MOST_REMARKS]]
        self.remarks.setText("\n".join(told))
        self.remarks.setStyleSheet(f"color: {style.current().warning};")
        self.remarks.setVisible(bool(told))

    def _picked(self, place: int) -> None:
        wanted = self.box.itemData(place)
        if wanted is not None:
            self._session.voices.choose(*wanted)

    def listen(self) -> None:
        """Hear the reference, or stop it."""
        chosen = self._session.voices.chosen
        if self._session.playing == "reference":
            self._session.stop_playing()
        elif chosen is not None and len(chosen.wav):
            self._session.play("reference", chosen.wav, 16_000)

    def _show_playing(self, what: str) -> None:
        playing = what == "reference"
        self.listen_button.setText("&Stop" if playing else "&Listen")
        self.listen_button.setProperty("picture", "stop" if playing else "play")
        paint_icon(self.listen_button)
