"""Playing without waiting: whole sounds, or sounds that grow while they are made, with a playhead.

All calls return at once; a thread of the player's own opens the device, which may take long, and feeds it.
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


class _Sound:
    """One sound that is played: what is still to be handed to the device, and what became of it."""

    def __init__(self, sample_rate: int, start: float) -> None:
        self.sample_rate = sample_rate
        self.start = start  # seconds of the sound that are skipped
        self.parts: queue.SimpleQueue[np.ndarray | None] = queue.SimpleQueue()
        self.samples = 0
        self.stopped = threading.Event()
        self.ended = threading.Event()
        self.card: SoundCard | None = None
        self.last = start


class Player:
    """Plays one sound at a time; a new one ends the one before.

    Args:
        device: index or name of the output device, None for the usual one; may be changed at any time, for the next
            sound.
        library: the module `sounddevice`, or what stands in for it.

    Attributes:
        error: a sentence if the last sound could not be heard, else "". Playing never raises.
    """

    def __init__(self, device: int | str | None = None, library: Any = None) -> None:
        self.device = device
        self.error = ""
        self._library = library
        self._sound: _Sound | None = None

    def play(self, wav: np.ndarray, sample_rate: int, start: float = 0.0) -> None:
        """Play a whole sound, float32 [samples] in [-1, 1], from `start` seconds on."""
        self.begin(sample_rate, start)
        self.append(np.asarray(wav, np.float32)[round(start * sample_rate) :])
        self.finish()

    def begin(self, sample_rate: int, start: float = 0.0) -> None:
        """Begin a sound of which nothing is there yet. `start` only counts for `position`."""
        self.stop()
        self.error = ""
        self._sound = sound = _Sound(sample_rate, start)
        threading.Thread(target=self._feed, args=(sound, self.device), name="player", daemon=True).start()

    def append(self, wav: np.ndarray) -> None:
        """The next samples, float32 [samples]; nothing happens if nothing is begun or it was stopped."""
        if self._sound is not None and len(wav):
            self._sound.samples += len(wav)
            self._sound.parts.put(np.ascontiguousarray(wav, np.float32))

    def finish(self) -> None:
        """Nothing more is appended: the sound ends when all is heard."""
        if self._sound is not None:
            self._sound.parts.put(None)

    def stop(self) -> None:
        """Silence, now."""
        if self._sound is not None:
            self._sound.last = self.position()
            self._sound.stopped.set()

    @property
    def playing(self) -> bool:
        """Whether a sound is begun and not yet heard to its end."""
        sound = self._sound
        return sound is not None and not sound.ended.is_set() and not sound.stopped.is_set()

    def position(self) -> float:
        """Seconds into the sound that is heard now; where it was stopped, or its end, when it no longer plays."""
        sound = self._sound
        if sound is None:
            return 0.0
        if sound.card is not None and self.playing:
            sound.last = max(sound.last, sound.start + sound.card.position)
        return min(sound.last, self.duration())

    def duration(self) -> float:
        """Seconds of the sound as far as it is there."""
        return 0.0 if self._sound is None else self._sound.start + self._sound.samples / self._sound.sample_rate

    def wait(self, timeout_seconds: float) -> bool:
        """Until the sound has ended, for those who have nothing else to do; whether it has."""
        return self._sound is None or self._sound.ended.wait(timeout_seconds)

    # --- the player's thread

    def _feed(self, sound: _Sound, device: int | str | None) -> None:
        try:
            card = SoundCard(sound.sample_rate, self._library, device)
        except PlaybackError as error:
            self._fail(sound, one_line(error))
            return
        except Exception as error:  # a driver's own way to fail
            self._fail(sound, f"The sound device cannot play: {one_line(error)}.")
            return
        sound.card = card
        ended = False
        while not sound.stopped.is_set() and not card.finished:
            try:
                part = sound.parts.get(timeout=POLL_SECONDS) if not ended else _rest()
            except queue.Empty:
                continue
            if part is None:
                ended = True
                card.finish()
            elif not ended:
                card.write(part)
        if sound.stopped.is_set():
            card.abort()
        else:
            sound.last = sound.start + card.position
            if not ended:
                self.error = "The sound device has stopped playing: choose another one."
            card.abort()
        sound.ended.set()

    def _fail(self, sound: _Sound, sentence: str) -> None:
        if sound is self._sound:
            self.error = sentence
        sound.ended.set()


def _rest() -> np.ndarray:
    """All is handed over: nothing to do but to look again in a while."""
    time.sleep(POLL_SECONDS)
    return np.zeros(0, np.float32)
