"""The dialog for recording a reference, or speech to convert: level meter, pause, retake, and a quality check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QComboBox, QDialog, QFormLayout, QLabel, QVBoxLayout, QWidget

from toolbox.audio.recording import SAMPLE_RATE, Take
from toolbox.panels.devices import fill_devices
from toolbox.panels.played_waveform import PlayedWaveform
from toolbox.state.session import Session
from toolbox.widgets import style
from toolbox.widgets.level_meter import LevelMeter
from toolbox.widgets.parts import button, clock, faint, row, selectable

if TYPE_CHECKING:
    from speech.quality import ReferenceReport

POLL_MILLISECONDS = 40
ENOUGH_SECONDS = 10


@dataclass(frozen=True)
class RecordingPurpose:
    """What a recording is for.

    Attributes:
        title: of the window; instructions: what to say and how.
        use, tip: the button that uses the recording, and its tooltip.
        checked: whether its quality as a reference is checked.
    """

    title: str
    instructions: str
    use: str
    tip: str
    checked: bool


VOICE = RecordingPurpose(
    "Record a voice",
    "Speak normally for ten seconds or longer, close to the microphone, in a quiet room. For example: "
    "“When the rain had stopped we walked down to the river, looked at the boats, and talked about the long way home.”",
    "&Use this voice",
    "Clone the voice in this recording, or in the selected part of it",
    True,
)
SPEECH = RecordingPurpose(
    "Record speech to convert",
    "Speak the text as the result should be spoken: it keeps your tempo and melody. Stay close to the microphone, in a "
    "quiet room.",
    "&Use this speech",
    "Convert this recording, or the selected part of it",
    False,
)
STATES = {
    "idle": "Ready.", "opening": "Opening the microphone...", "recording": "Recording", "paused": "Paused",
    "stopped": "Recorded", "failed": "",
}  # fmt: skip


class RecorderDialog(QDialog):
    """A window beside the main window; closing it ends the recording.

    Args:
        then: called with a name and the samples at 16 kHz, when the recording is to be used.
    """

    def __init__(
        self, session: Session, purpose: RecordingPurpose, then: Callable[[str, np.ndarray], object],
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self._purpose, self._then = purpose, then
        self._session, self._recorder = session, session.recorder
        self.take: Take | None = None
        self._number = 0
        self.setWindowTitle(purpose.title)
        self.resize(620, 420)
        self.device = QComboBox()
        self.device.setAccessibleName("Microphone")
        self.device.setToolTip("The microphone to record from")
        self.device.activated.connect(self._device_chosen)
        self.meter = LevelMeter()
        self.state = QLabel()
        self.state.setObjectName("heading")
        self.remark = selectable()
        self.waveform = PlayedWaveform(session, "recording", "Recording", "The recording appears here after Stop.")
        self.record_button = button("&Record", "Start recording", self.record, "record")
        self.pause_button = button("&Pause", "Pause or resume the recording", self.pause, "pause")
        self.stop_button = button("&Stop", "End the recording", self.stop, "stop")
        self.listen_button = button("&Listen", "Play the recording, or the selected part of it", self.listen, "play")
        self.use_button = button(purpose.use, purpose.tip, self.use, "", True)
        close = button("Close", "Close without using the recording", self.reject)
        form = QFormLayout()
        form.addRow("&Microphone", self.device)
        form.addRow("Level", self.meter)
        column = QVBoxLayout(self)
        column.addWidget(faint(purpose.instructions))
        column.addLayout(form)
        column.addWidget(self.state)
        column.addWidget(self.remark)
        column.addWidget(self.waveform, 1)
        column.addLayout(row(self.record_button, self.pause_button, self.stop_button, None, self.listen_button))
        column.addLayout(row(None, close, self.use_button))
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._poll)
        self._show_state()

    def open_beside(self) -> None:
        """Show the dialog and search for microphones."""
        width = max(self.width(), self.minimumSizeHint().width())
        self.resize(width, max(self.height(), self.layout().totalHeightForWidth(width)))  # at large text
        self.show()
        self.raise_()
        self._timer.start(POLL_MILLISECONDS)
        fill_devices(self._session, "input", self.device, self._show_remark)

    def record(self) -> None:
        """Start a take and discard the previous one."""
        self.take = None
        self._session.stop_playing()
        self.waveform.clear()
        self._show_remark("")
        self._recorder.start()
        self._show_state()

    def pause(self) -> None:
        if self._recorder.state == "paused":
            self._recorder.resume()
        else:
            self._recorder.pause()
        self._show_state()

    def stop(self) -> None:
        """End the take, show it, and check its quality."""
        if self._recorder.state not in ("recording", "paused", "opening", "failed"):
            return
        take = self._recorder.stop()
        self.meter.reset()
        self._show_state()
        if not len(take.raw):
            self._show_remark("Nothing was recorded: press Record, speak, then press Stop.", "warning")
            return
        self.take = take
        self.waveform.show_audio(take.raw, take.raw_rate)
        self._show_state()
        if self._purpose.checked:
            self._show_remark("Checking the recording...")
            self._session.submit(
                "Checking the recording", lambda _context: take.report(), self._show_report, "files", False
            )

    def _show_report(self, report: ReferenceReport) -> None:
        if report.remarks:
            severe = any(remark.severity == "error" for remark in report.remarks)
            self._show_remark(" ".join(remark.sentence for remark in report.remarks), "error" if severe else "warning")
        else:
            seconds = report.speech_seconds
            more = "" if seconds >= ENOUGH_SECONDS else " Ten seconds or more would be better."
            self._show_remark(f"Good recording: {seconds:.1f} s of speech.{more}", "good")

    def listen(self) -> None:
        self.waveform.play_or_stop()

    def use(self) -> None:
        """Use the take, or the selected part of it."""
        take = self.take
        if take is None:
            return
        self._number += 1
        name = f"Recording {self._number}"

        start, end = self.waveform.axis.selection or (0.0, take.seconds)

        def cut(_context: object) -> np.ndarray:
            return take.wav()[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]

        self._session.submit("Using the recording", cut, lambda wav: self._then(name, wav), "files")
        self.reject()

    def reject(self) -> None:
        """End the recording, however the dialog is closed."""
        self._timer.stop()
        self._recorder.discard()
        if self._session.playing == "recording":
            self._session.stop_playing()
        super().reject()

    def _poll(self) -> None:
        recorder = self._recorder
        if recorder.state in ("recording", "paused"):
            level = recorder.level()
            self.meter.show_level(level.peak, level.rms, level.clipped)
        if recorder.state in ("recording", "failed"):
            self._show_remark(recorder.remark(), "error" if recorder.state == "failed" else "warning")
        self._show_state()

    def _show_state(self) -> None:
        state = self._recorder.state
        word = STATES[state]
        if state == "stopped" and self.take is None:
            word = STATES["idle"]
        seconds = self.take.seconds if self.take is not None else self._recorder.seconds
        timed = state in ("recording", "paused") or (state == "stopped" and self.take is not None)
        text = f"{word}: {clock(seconds)}" if timed else word
        if text != self.state.text():
            self.state.setText(text)
        running = state in ("opening", "recording", "paused")
        self.record_button.setText("&Retake" if running or self.take is not None else "&Record")
        self.pause_button.setText("&Resume" if state == "paused" else "&Pause")
        self.pause_button.setEnabled(state in ("recording", "paused"))
        self.stop_button.setEnabled(running)
        self.listen_button.setEnabled(self.take is not None)
        self.use_button.setEnabled(self.take is not None)

    def _show_remark(self, sentence: str, kind: str = "text") -> None:
        if sentence != self.remark.text():
            self.remark.setText(sentence)
            self.remark.setStyleSheet(f"color: {getattr(style.current(), kind)};")

    def _device_chosen(self, row: int) -> None:
        self._recorder.device = self.device.itemData(row)
        self._session.preferences.set("input_device", self.device.itemData(row) or "")
        if self._recorder.state in ("opening", "recording", "paused"):
            self.record()
