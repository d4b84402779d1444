"""Recording a reference: a level to look at, pause, retake, and what the quality gate has to say of it."""

from __future__ import annotations

from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QComboBox, QDialog, QFormLayout, QLabel, QVBoxLayout, QWidget

from toolbox.audio.recording import Take
from toolbox.panels.devices import fill_devices
from toolbox.state.session import Session
from toolbox.window import style
from toolbox.window.canvases import Waveform
from toolbox.window.level_meter import LevelMeter
from toolbox.window.widgets import button, clock, faint, row, selectable

POLL_MILLISECONDS = 40
ENOUGH_SECONDS = 10
TO_READ = (
    "Speak as you always do, ten seconds or longer, close to the microphone and in a quiet room. For instance: "
    "“When the rain had stopped we walked down to the river, looked at the boats, and talked about the long way home.”"
)
STATES = {
    "idle": "Ready.", "opening": "Opening the microphone...", "recording": "Recording", "paused": "Paused",
    "stopped": "Recorded", "failed": "",
}  # fmt: skip


class RecorderDialog(QDialog):
    """Stands beside the window; closing it ends the recording."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._recorder = session, session.recorder
        self.take: Take | None = None
        self._number = 0
        self.setWindowTitle("Record a voice")
        self.resize(620, 420)
        self.device = QComboBox()
        self.device.setAccessibleName("Microphone")
        self.device.setToolTip("The microphone to record from")
        self.device.activated.connect(self._device_chosen)
        self.meter = LevelMeter()
        self.state = QLabel()
        self.state.setObjectName("heading")
        self.remark = selectable()
        self.waveform = Waveform("Recording", "The recording appears here when it is stopped.")
        self.record_button = button("&Record", "Begin to record", self.record, "record")
        self.pause_button = button("&Pause", "Stop for a moment, or go on", self.pause, "pause")
        self.stop_button = button("&Stop", "End the recording", self.stop, "stop")
        self.listen_button = button("&Listen", "Hear the recording", self.listen, "play")
        self.use_button = button("&Use this voice", "Clone the voice in this recording", self.use, "", True)
        close = button("Close", "Close without using the recording", self.reject)
        form = QFormLayout()
        form.addRow("&Microphone", self.device)
        form.addRow("Level", self.meter)
        column = QVBoxLayout(self)
        column.addWidget(faint(TO_READ))
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
        """Show the dialog and look for microphones."""
        self.show()
        self.raise_()
        self._timer.start(POLL_MILLISECONDS)
        fill_devices(self._session, "input", self.device, self._say)

    def record(self) -> None:
        """Begin a take; one that is there is thrown away."""
        self.take = None
        self._session.stop_playing()
        self.waveform.clear()
        self._say("")
        self._recorder.start()
        self._show_state()

    def pause(self) -> None:
        if self._recorder.state == "paused":
            self._recorder.resume()
        else:
            self._recorder.pause()
        self._show_state()

    def stop(self) -> None:
        """End the take, show it, and have it judged."""
        if self._recorder.state not in ("recording", "paused", "opening", "failed"):
            return
        take = self._recorder.stop()
        self.meter.rest()
        self._show_state()
        if not len(take.raw):
            self._say("Nothing was recorded: press Record, speak, and then Stop.", "warning")
            return
        self.take = take
        self.waveform.show_sound(take.raw, take.raw_rate)
        self._say("Listening to it...")
        self._session.submit("Judging the recording", lambda _context: take.report(), self._judged, "files", False)
        self._show_state()

    def _judged(self, report: object) -> None:
        remarks = report.remarks  # type: ignore[attr-defined]
        if remarks:
            grave = any(remark.severity == "error" for remark in remarks)
            self._say(" ".join(remark.sentence for remark in remarks), "error" if grave else "warning")
        else:
            seconds = report.speech_seconds  # type: ignore[attr-defined]
            more = "" if seconds >= ENOUGH_SECONDS else " Ten seconds or more would be better still."
            self._say(f"A good recording: {seconds:.1f} s of speech.{more}", "good")

    def listen(self) -> None:
        if self._session.playing == "recording":
            self._session.stop_playing()
        elif self.take is not None:
            self._session.play("recording", self.take.raw, self.take.raw_rate)

    def use(self) -> None:
        """Make a voice of the take."""
        take = self.take
        if take is None:
            return
        self._number += 1
        name = f"Recording {self._number}"

        def converted(wav: object) -> None:
            self._session.voices.use_clips([(name, wav)], name)

        self._session.submit("Taking the recording", lambda _context: take.wav(), converted, "files")
        self.reject()

    def reject(self) -> None:
        """However the dialog is left, the recording ends."""
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
            self._say(recorder.remark(), "error" if recorder.state == "failed" else "warning")
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
        self.pause_button.setText("&Go on" if state == "paused" else "&Pause")
        self.pause_button.setEnabled(state in ("recording", "paused"))
        self.stop_button.setEnabled(running)
        self.listen_button.setEnabled(self.take is not None)
        self.use_button.setEnabled(self.take is not None)

    def _say(self, sentence: str, kind: str = "text") -> None:
        if sentence != self.remark.text():
            self.remark.setText(sentence)
            self.remark.setStyleSheet(f"color: {getattr(style.current(), kind)};")

    def _device_chosen(self, place: int) -> None:
        self._recorder.device = self.device.itemData(place)
        self._session.preferences.set("input_device", self.device.itemData(place) or "")
        if self._recorder.state in ("opening", "recording", "paused"):
            self.record()
