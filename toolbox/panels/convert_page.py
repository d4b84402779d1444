"""The page Convert: speech that is recorded or opened, the voice, and the result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PyQt5.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from toolbox.panels.dialogs import RECORDINGS, RESULTS, ask_for_files
from toolbox.panels.played_waveform import PlayedWaveform
from toolbox.panels.voice_box import VoiceBox
from toolbox.state.chosen_voice import SAMPLE_RATE
from toolbox.state.conversions import Conversions
from toolbox.state.requests import TextRequest
from toolbox.state.session import Session
from toolbox.storage.result_files import proposed_name
from toolbox.widgets import style
from toolbox.widgets.parts import Card, button, faint, paint_icon, row, selectable
from toolbox.widgets.scrolling import FlowLayout

WAVEFORM_PIXELS = 84
ABOUT = (
    "The result has the words, the timing and the melody of the speech, in the chosen voice. Loudness, watermark and "
    "fixed seed are those of the page Speak. Convert speech to a voice only with the consent of its speaker."
)
KEEP_TIP = "Keep the pitch of the speech instead of moving it to the median of the voice"


class ConvertPage(QWidget):
    """Three steps, as on the page Speak.

    Args:
        request: what is set on the page Speak.
        record: opens the recorder; it is given what takes the samples at 16 kHz.
    """

    def __init__(
        self,
        session: Session,
        request: Callable[[], TextRequest],
        record: Callable[[Callable[[np.ndarray], object]], object],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._request = session, request
        self.conversions = conversions = Conversions(session, self)
        self.trouble = selectable()
        self.open_button = button("&Open file...", "Open a recording of speech", self.ask_for_speech, "folder")
        self.record_button = button("&Record...", "Record speech", lambda: record(conversions.open), "record")
        self.listen_button = button(
            "&Listen", "Play the speech, or the selected part of it", lambda: self.source.play_or_stop(), "play"
        )
        self.source = PlayedWaveform(session, "speech", "Waveform of the speech", "Open or record speech.")
        self.about_source = selectable()
        self.box = VoiceBox(session, "The voice that the speech gets; make others on the page Speak")
        self.keep = QCheckBox("&Keep the pitch of the speech")
        self.keep.setToolTip(KEEP_TIP)
        self.convert_button = button("&Convert", "Convert the speech", self.convert_or_stop, "play", True)
        self.play_button = button(
            "&Play", "Play the result, or the selected part of it", lambda: self.result.play_or_stop(), "play"
        )
        self.save_button = button("&Save...", "Save the audio as wav, flac or ogg", self.ask_to_save)
        self.result = PlayedWaveform(session, "converted", "Waveform of the result", "The result appears here.")
        self.about_result = selectable()
        self._lay_out()
        conversions.changed.connect(self.refresh)
        conversions.audio_added.connect(self._add_audio)
        session.voices.changed.connect(self.refresh)
        session.playing_changed.connect(self._show_playing)
        self.refresh()

    def _lay_out(self) -> None:
        for waveform in (self.source, self.result):
            waveform.setMinimumHeight(WAVEFORM_PIXELS)
        speech, voice, result = Card("Speech", "1"), Card("Voice", "2"), Card("Result", "3")
        speech.column.addLayout(FlowLayout(self.open_button, self.record_button, self.listen_button))
        speech.column.addWidget(self.source, 1)
        speech.column.addWidget(self.about_source)
        voice.column.addWidget(self.box)
        voice.column.addWidget(self.keep)
        voice.column.addWidget(self.convert_button)
        result.head.addLayout(row(self.play_button, self.save_button))
        result.column.addWidget(self.result, 1)
        result.column.addWidget(self.about_result)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 8, 0, 0)
        column.addWidget(self.trouble)
        column.addWidget(speech, 1)
        column.addWidget(voice)
        column.addWidget(result, 1)
        column.addWidget(faint(ABOUT))

    def refresh(self) -> None:
        """Show the recording and the result, and enable what can be done."""
        conversions = self.conversions
        self.trouble.setText(conversions.trouble)
        self.trouble.setStyleSheet(f"color: {style.current().warning};")
        self.trouble.setVisible(bool(conversions.trouble))
        usable, speech, made = not conversions.trouble, conversions.speech, conversions.result
        for widget in (self.open_button, self.record_button, self.keep, self.box):
            widget.setEnabled(usable)
        self.listen_button.setEnabled(speech is not None)
        self.convert_button.setEnabled(
            conversions.busy or (usable and speech is not None and self._session.voices.chosen is not None)
        )
        self.convert_button.setText("Stop" if conversions.busy else "&Convert")
        self.convert_button.setProperty("picture", "stop" if conversions.busy else "play")
        paint_icon(self.convert_button)
        for one in (self.play_button, self.save_button):
            one.setEnabled(made is not None)
        self._show_audio()

    def _show_audio(self) -> None:
        speech, made = self.conversions.speech, self.conversions.result
        if speech is None:
            self.source.clear()
            self.about_source.setText("")
        elif not self.source.shows(speech.wav):
            self.source.show_audio(speech.wav, SAMPLE_RATE)
            self.about_source.setText(", ".join([speech.name, f"{speech.seconds:.1f} s", *_hertz(speech.pitch)]))
        if made is None and not self.conversions.busy:
            self.result.clear()
            self.about_result.setText("")
        elif made is not None and not self.result.shows(made.conversion.wav):
            conversion = made.conversion
            similarity = "not measurable" if made.similarity is None else f"{made.similarity:.2f}"
            facts = [f"{conversion.seconds:.1f} s", *_hertz(conversion.pitch), f"similarity to the voice {similarity}",
                     f"seed {conversion.seed}", f"made in {made.seconds_taken:.1f} s"]  # fmt: skip
            self.result.show_audio(conversion.wav, conversion.sample_rate)
            self.about_result.setText("\n".join([", ".join(facts), *conversion.remarks]))

    def _add_audio(self, wav: np.ndarray, sample_rate: int) -> None:
        if not self.result.has_picture():
            self.result.clear(sample_rate)
        self.result.append(wav)

    def ask_for_speech(self) -> None:
        ask_for_files(
            self, self._session.preferences, "Speech to convert", "open",
            lambda paths: self.conversions.open(paths[0]), RECORDINGS,
        )  # fmt: skip

    def convert_or_stop(self) -> None:
        if self.conversions.busy:
            self.conversions.cancel()
        else:
            request = self._request()
            self.result.clear()
            self.about_result.setText("")
            self.conversions.convert(request.settings, request.seed, self.keep.isChecked())

    def ask_to_save(self) -> None:
        made = self.conversions.result
        if made is None:
            return
        origin = made.conversion.provenance
        name = proposed_name(origin.voice, Path(origin.source).stem)
        ask_for_files(
            self, self._session.preferences, "Save the conversion", "save",
            lambda paths: self.conversions.save(paths[0]), RESULTS, f"{name}.wav",
        )  # fmt: skip

    def _show_playing(self, what: str) -> None:
        for one, name, text in ((self.listen_button, "speech", "&Listen"), (self.play_button, "converted", "&Play")):
            playing = what == name
            one.setText("&Stop" if playing else text)
            one.setProperty("picture", "stop" if playing else "play")
            paint_icon(one)


def _hertz(pitch: float | None) -> list[str]:
    return [] if pitch is None else [f"median pitch {pitch:.0f} Hz"]
