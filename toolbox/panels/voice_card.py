"""Step 1, the voice: a sample, a saved voice, a file, a recording or a mix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QLabel, QVBoxLayout, QWidget

from toolbox.panels.played_waveform import PlayedWaveform
from toolbox.panels.voice_box import VoiceBox
from toolbox.state.chosen_voice import SAMPLE_RATE, ChosenVoice
from toolbox.state.session import Session
from toolbox.widgets import style
from toolbox.widgets.canvas import EmbeddingMap
from toolbox.widgets.parts import Card, button, faint, paint_icon, row, selectable
from toolbox.widgets.scrolling import FlowLayout

ADAPTED = "adapted"
MAX_REMARKS = 3
PICTURE_PIXELS = 64
ADAPT_TIP = (
    "Make it more like this person: adapt the synthesizer to the recordings of this voice, better a minute or more. "
    "Takes two to three minutes. The model is not changed"
)


@dataclass(frozen=True)
class VoiceActions:
    """What the buttons of the voice card do: ask for files, open the recorder, open the mixer, save the voice."""

    open_files: Callable[[], object]
    record: Callable[[], object]
    mix: Callable[[], object]
    save: Callable[[], object]


class VoiceCard(Card):
    """The voice in use and the ways to choose a different one."""

    def __init__(self, session: Session, actions: VoiceActions, parent: QWidget | None = None) -> None:
        super().__init__("Voice", "1", parent)
        self._session = session
        self.box = VoiceBox(session, "The voice to speak with: a sample, a saved voice, or the recording opened last")
        self.listen_button = button(
            "&Listen", "Play the reference recording, or the selected part of it", self.listen, "play", False, "Ctrl+L"
        )
        self.open_button = button(
            "&Open file...", "Clone the voice in a recording", actions.open_files, "folder", False, "Ctrl+O"
        )
        self.record_button = button("&Record...", "Record a voice", actions.record, "record", False, "Ctrl+R")
        self.mix_button = button("&Mix...", "Mix several voices with sliders", actions.mix)
        self.save_button = button("Sav&e...", "Save this voice in your library, with a consent note", actions.save)
        self.trim_button = button(
            "&Trim", "Make the voice of the part that is selected in the waveform only; Ctrl+Z undoes it", self.trim,
            shortcut="Ctrl+Shift+X",
        )  # fmt: skip
        self.adapt_button = button("&Adapt", ADAPT_TIP, self.adapt, shortcut="Ctrl+Shift+A")
        self._adapt_tip = self.adapt_button.toolTip()
        self._shown: ChosenVoice | None = None
        self.waveform = PlayedWaveform(
            session, "reference", "Waveform of the reference", "The waveform of the reference", side=""
        )
        self.waveform.setFixedHeight(PICTURE_PIXELS)
        self.waveform.axis.selection_changed.connect(self._enable_trim)
        self.embedding = EmbeddingMap("Speaker embedding")
        self.embedding.setFixedSize(PICTURE_PIXELS, PICTURE_PIXELS)
        self.embedding.setToolTip("The speaker embedding as colours: similar voices have similar pictures")
        self.about = selectable()
        self.remarks = QLabel()
        self.remarks.setWordWrap(True)
        self.remarks.setTextInteractionFlags(Qt.TextSelectableByMouse)
        self.remarks.setFocusPolicy(Qt.NoFocus)
        texts = QVBoxLayout()
        texts.setSpacing(2)
        texts.addWidget(self.about)
        texts.addWidget(self.remarks)
        self.column.addLayout(row(self.box, self.listen_button))
        line = row(self.embedding)
        line.addWidget(self.waveform, 1)
        self.column.addLayout(line)
        self.column.addLayout(texts)
        self.column.addLayout(
            FlowLayout(
                self.open_button, self.record_button, self.mix_button, self.save_button, self.trim_button,
                self.adapt_button,
            )
        )  # fmt: skip
        self.column.addWidget(faint("Or drop recordings into this window. Clone a voice only with consent."))
        session.voices.changed.connect(self.refresh)
        session.voices.library_changed.connect(lambda _names: self.refresh())
        session.playing_changed.connect(self._show_playing)
        session.models_changed.connect(self._enable_adapt)
        self.refresh()

    def refresh(self) -> None:
        """Show the voice in use."""
        self._show_chosen()

    def _show_chosen(self) -> None:
        chosen = self._session.voices.chosen
        self.embedding.show_embedding(None if chosen is None else chosen.voice.embedding)
        self.listen_button.setEnabled(chosen is not None and len(chosen.wav) > 0)
        self.save_button.setEnabled(chosen is not None and chosen.kind != "saved")
        if chosen is not self._shown:
            self._shown = chosen
            self.waveform.clear()
            if chosen is not None:
                self.waveform.show_audio(chosen.wav, SAMPLE_RATE)
        self._enable_trim()
        self._enable_adapt()
        if chosen is None:
            self.about.setText("Preparing the voice." if self._session.voices.choosing else "No voice is selected.")
            self.remarks.hide()
            return
        lines = list(chosen.lines[:4])
        if chosen.voice.adapter is not None and lines:
            lines[0] = f"{lines[0]}, {ADAPTED}"
        self.about.setText("\n".join(lines))
        sentences = [remark.sentence for remark in chosen.remarks[:MAX_REMARKS]]
        self.remarks.setText("\n".join(sentences))
        self.remarks.setStyleSheet(f"color: {style.current().warning};")
        self.remarks.setVisible(bool(sentences))

    def listen(self) -> None:
        """Play the reference or the selected part of it, or stop it."""
        self.waveform.play_or_stop()

    def trim(self) -> None:
        """Make the voice of the selected part only."""
        selection = self.waveform.axis.selection
        if selection is None:
            self._session.notify("Nothing is selected: drag over a part of the reference's waveform first.")
        else:
            self._session.voices.trim(*selection)

    def adapt(self) -> None:
        """Adapt the synthesizer to the recordings of the voice."""
        reason = self._cannot_adapt()
        if reason:
            self._session.notify(reason)
        else:
            self._session.voices.adapt()
            self._enable_adapt()

    def _cannot_adapt(self) -> str:
        """Why the voice cannot be adapted now; "" if it can."""
        session, chosen = self._session, self._session.voices.chosen
        if not session.descriptions:
            return "The models are not loaded yet."
        if not session.can_adapt:
            return "This synthesizer has no refiner, so it cannot be adapted: choose another one on the page Models."
        if chosen is None or session.voices.choosing:
            return "The voice is not ready yet."
        return "" if chosen.recordings else "This voice has no recordings to adapt to."

    def _enable_adapt(self) -> None:
        reason = self._cannot_adapt()
        self.adapt_button.setEnabled(not reason)
        self.adapt_button.setToolTip(reason or self._adapt_tip)

    def _enable_trim(self) -> None:
        self.trim_button.setEnabled(self.waveform.axis.selection is not None)

    def _show_playing(self, what: str) -> None:
        playing = what == "reference"
        self.listen_button.setText("&Stop" if playing else "&Listen")
        self.listen_button.setProperty("picture", "stop" if playing else "play")
        paint_icon(self.listen_button)
