"""A preview of the selected utterance: its text, its length and its waveform."""

from __future__ import annotations

import numpy as np
from PyQt5.QtWidgets import QWidget

from toolbox.panels.played_waveform import PlayedWaveform
from toolbox.state.session import Session
from toolbox.state.worker import Job
from toolbox.storage.datasets import Utterance
from toolbox.widgets.parts import Card, faint, selectable

SAMPLE_RATE = 16_000
HEIGHT = 70  # pixels of the waveform


class UtterancePreview(Card):
    """Reads an utterance in the background, shows it, and plays it."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Preview", "", parent)
        self._session = session
        self._utterance: Utterance | None = None
        self._job: Job | None = None
        self._play_when_read = False
        self.text = selectable()
        self.facts = faint()
        self.waveform = PlayedWaveform(
            session, "utterance", "Waveform of the utterance", "Select an utterance to see and play it here."
        )
        self.waveform.setFixedHeight(HEIGHT)
        self.head.addWidget(self.facts)
        self.facts.setWordWrap(False)
        self.column.addWidget(self.text)
        self.column.addWidget(self.waveform)
        self.show_utterance(None)

    def show_utterance(self, utterance: Utterance | None) -> None:
        """Show an utterance, or nothing. A newer call replaces an older one that is still being read."""
        if utterance is not None and utterance == self._utterance:
            return
        if self._job is not None:
            self._job.cancel()
        self._utterance, self._play_when_read = utterance, False
        self.waveform.clear()
        self.facts.setText("")
        self.text.setText("" if utterance is None else utterance.text or "This utterance has no text.")
        if utterance is not None:
            self._job = self._session.submit(
                "Reading the utterance", lambda _context: utterance.read(), self._show, "files", False
            )

    def _show(self, wav: np.ndarray) -> None:
        self.waveform.show_audio(wav, SAMPLE_RATE)
        self.facts.setText(f"{len(wav) / SAMPLE_RATE:.1f} s")
        if self._play_when_read:
            self._play_when_read = False
            self.waveform.play_or_stop()

    def play_or_stop(self) -> None:
        """Play the utterance or the selected part of it, as soon as it is read; or stop playback."""
        if self.waveform.has_picture() or self._session.playing == "utterance":
            self.waveform.play_or_stop()
        else:
            self._play_when_read = self._utterance is not None
