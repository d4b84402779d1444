"""A preview of the selected utterance: its text, its length and its waveform."""

from __future__ import annotations

import numpy as np
from PyQt5.QtWidgets import QWidget

from toolbox.state.session import Session
from toolbox.state.worker import Job
from toolbox.storage.datasets import Utterance
from toolbox.widgets.canvases import Waveform
from toolbox.widgets.parts import Card, faint, selectable

SAMPLE_RATE = 16_000
HEIGHT = 70  # pixels of the waveform


class UtterancePreview(Card):
    """Reads an utterance in the background, shows it, and plays it."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Preview", "", parent)
        self._session = session
        self._utterance: Utterance | None = None
        self._wav = np.zeros(0, np.float32)
        self._job: Job | None = None
        self.text = selectable()
        self.facts = faint()
        self.waveform = Waveform("Waveform of the utterance", "Select an utterance to see and play it here.")
        self.waveform.setFixedHeight(HEIGHT)
        self.waveform.setToolTip("Click to play from there")
        self.waveform.sought.connect(self._play)
        self.head.addWidget(self.facts)
        self.facts.setWordWrap(False)
        self.column.addWidget(self.text)
        self.column.addWidget(self.waveform)
        session.playback_moved.connect(self._move_playhead)
        session.playing_changed.connect(self._show_playing)
        self.show_utterance(None)

    def show_utterance(self, utterance: Utterance | None) -> None:
        """Show an utterance, or nothing. A newer call replaces an older one that is still being read."""
        if utterance is not None and utterance == self._utterance:
            return
        if self._job is not None:
            self._job.cancel()
        self._utterance, self._wav = utterance, np.zeros(0, np.float32)
        self.waveform.clear()
        self.facts.setText("")
        self.text.setText("" if utterance is None else utterance.text or "This utterance has no text.")
        if utterance is not None:
            self._job = self._session.submit(
                "Reading the utterance", lambda _context: utterance.read(), self._show, "files", False
            )

    def _show(self, wav: np.ndarray) -> None:
        self._wav = wav
        self.waveform.show_audio(wav, SAMPLE_RATE)
        self.facts.setText(f"{len(wav) / SAMPLE_RATE:.1f} s")

    def _play(self, seconds: float) -> None:
        self._session.play("utterance", self._wav, SAMPLE_RATE, seconds)

    def _show_playing(self, what: str) -> None:
        if not what:
            self.waveform.set_playhead(None)

    def _move_playhead(self, what: str, seconds: float) -> None:
        if what == "utterance":
            self.waveform.set_playhead(seconds)
