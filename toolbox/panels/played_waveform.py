"""A waveform that plays: by click, by key, or the selected part of it."""

from __future__ import annotations

import numpy as np

from toolbox.state.session import Session
from toolbox.widgets.waveform import Waveform


class PlayedWaveform(Waveform):
    """Args: what: name of its audio in `Session.play`; name, empty, side: see `Waveform`."""

    def __init__(self, session: Session, what: str, name: str, empty: str = "", side: str = "audio") -> None:
        super().__init__(name, empty, side)
        self._session, self._what = session, what
        self._wav, self._rate = np.zeros(0, np.float32), 1
        self.sought.connect(self._play)
        self.play_pressed.connect(lambda: self.play_or_stop(self.axis.cursor))
        session.playback_moved.connect(self._follow)
        session.playing_changed.connect(self._show_playing)

    def show_audio(self, wav: np.ndarray, sample_rate: int) -> None:
        super().show_audio(wav, sample_rate)
        self._wav, self._rate = wav, sample_rate

    def shows(self, wav: np.ndarray) -> bool:
        """Whether this array is on display."""
        return self._wav is wav

    def clear(self, sample_rate: int = 16_000) -> None:
        self.set_playhead(None)
        super().clear(sample_rate)
        self._wav = np.zeros(0, np.float32)

    def play_or_stop(self, start: float = 0.0) -> None:
        """Play the selected part, or from `start` if nothing is selected; or stop playback."""
        if self._session.playing == self._what:
            self._session.stop_playing()
        else:
            self._play(*(self.axis.selection or (start, None)))

    def _play(self, start: float, end: float | None = None) -> None:
        if len(self._wav):
            self._session.play(self._what, self._wav, self._rate, start, end)

    def _follow(self, what: str, seconds: float) -> None:
        if what == self._what and self.has_picture():
            self.set_playhead(seconds)

    def _show_playing(self, what: str) -> None:
        if what != self._what:
            self.set_playhead(None)
