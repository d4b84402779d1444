"""Non-blocking playback with a position: of complete audio, or of audio that is still being generated.

All calls return at once. A thread opens the device, which may be slow, and feeds it.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

import numpy as np

from cloning.playback import PlaybackError, SoundCard
from speech.errors import one_line

POLL_SECONDS = 0.02


class _Playback:
    """One audio that is played: the samples still to be passed to the device, and the position."""

    def __init__(self, sample_rate: int, start: float) -> None:
        self.sample_rate = sample_rate
        self.start = start  # seconds that are skipped
        self.parts: queue.SimpleQueue[np.ndarray | None] = queue.SimpleQueue()
        self.samples = 0
        self.stopped = threading.Event()
        self.ended = threading.Event()
        self.card: SoundCard | None = None
        self.last = start


class Player:
    """Plays one audio at a time; a new one replaces the previous one.

    Args:
        device: index or name of the output device, None for the system default; a change applies to the next call.
        library: the module `sounddevice`, or a replacement.

    Attributes:
        error: a sentence if the last audio could not be played, else "". Playing never raises.
    """

    def __init__(self, device: int | str | None = None, library: Any = None) -> None:
        self.device = device
        self.error = ""
        self._library = library
        self._playback: _Playback | None = None

    def play(self, wav: np.ndarray, sample_rate: int, start: float = 0.0, end: float | None = None) -> None:
        """Play complete audio, float32 [samples] in [-1, 1], or the part between two positions in seconds."""
        self.begin(sample_rate, start)
        last = None if end is None else round(end * sample_rate)
        self.append(np.asarray(wav, np.float32)[round(start * sample_rate) : last])
        self.finish()

    def begin(self, sample_rate: int, start: float = 0.0) -> None:
        """Start playback of audio that `append` will provide. Args: start: offset of `position`."""
        self.stop()
        self.error = ""
        self._playback = playback = _Playback(sample_rate, start)
        threading.Thread(target=self._feed, args=(playback, self.device), name="player", daemon=True).start()

    def append(self, wav: np.ndarray) -> None:
        """The next samples, float32 [samples]; ignored if playback was not begun."""
        if self._playback is not None and len(wav):
            self._playback.samples += len(wav)
            self._playback.parts.put(np.ascontiguousarray(wav, np.float32))

    def finish(self) -> None:
        """Nothing more will be appended: playback ends with the last sample."""
        if self._playback is not None:
            self._playback.parts.put(None)

    def stop(self) -> None:
        """Stop at once."""
        if self._playback is not None:
            self._playback.last = self.position()
            self._playback.stopped.set()

    @property
    def playing(self) -> bool:
        """Whether playback has begun and not ended."""
        playback = self._playback
        return playback is not None and not playback.ended.is_set() and not playback.stopped.is_set()

    def position(self) -> float:
        """Position in seconds; after playback, where it stopped."""
        playback = self._playback
        if playback is None:
            return 0.0
        if playback.card is not None and self.playing:
            playback.last = max(playback.last, playback.start + playback.card.position)
        return min(playback.last, self.duration())

    def duration(self) -> float:
        """Seconds of the audio so far."""
        playback = self._playback
        return 0.0 if playback is None else playback.start + playback.samples / playback.sample_rate

    # --- the player's thread

    def _feed(self, playback: _Playback, device: int | str | None) -> None:
        try:
            card = SoundCard(playback.sample_rate, self._library, device)
        except PlaybackError as error:
            self._fail(playback, one_line(error))
            return
        except Exception as error:  # errors of drivers
            self._fail(playback, f"The audio device cannot play: {one_line(error)}.")
            return
        playback.card = card
        ended = False
        while not playback.stopped.is_set() and not card.finished:
            try:
                part = playback.parts.get(timeout=POLL_SECONDS) if not ended else _pause()
            except queue.Empty:
                continue
            if part is None:
                ended = True
                card.finish()
            elif not ended:
                card.write(part)
        if playback.stopped.is_set():
            card.abort()
        else:
            playback.last = playback.start + card.position
            if not ended:
                self.error = "The audio device stopped playing: choose a different one."
            card.abort()
        playback.ended.set()

    def _fail(self, playback: _Playback, sentence: str) -> None:
        if playback is self._playback:
            self.error = sentence
        playback.ended.set()


def _pause() -> np.ndarray:
    """Wait before the device is polled again, after all samples were passed to it."""
    time.sleep(POLL_SECONDS)
    return np.zeros(0, np.float32)
