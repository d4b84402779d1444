"""Recording from a microphone: unlimited takes with level meter, pause and retake, and advice on the result.

No call waits for the device. A thread opens it, and PortAudio's thread delivers the audio. The window polls `state`,
`level()` and `remark()`.
"""

from __future__ import annotations

import functools
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cloning.playback import PlaybackError, load_audio_library, playable_rate
from speech.errors import AudioError, one_line
from toolbox.audio.devices import Device, list_devices

if TYPE_CHECKING:
    from speech.quality import ReferenceReport

__all__ = ["Device", "Level", "Recorder", "State", "Take", "list_devices"]

State = Literal["idle", "opening", "recording", "paused", "stopped", "failed"]

SAMPLE_RATE = 16_000  # of the speaker encoder; a device that cannot do that records at its own rate
MAX_SECONDS = 3600.0  # length at which a recording stops by itself
ENOUGH_SECONDS = 600.0  # the encoder ignores the rest (`encoder.enrolment.MAX_SECONDS`)
SILENCE_AFTER = 1.5  # seconds without a signal before a remark
NO_SIGNAL_DBFS = -75.0  # RMS; below the noise of any connected microphone
QUIET_PEAK_DBFS = -30.0
CLIPPED_PEAK = 0.99
FLOOR_DBFS = -100.0


@dataclass(frozen=True)
class Level:
    """Input level in dBFS, at least -100. Attributes: clipped: whether it clipped within the last second."""

    peak: float
    rms: float
    clipped: bool


@dataclass(frozen=True, eq=False)
class Take:
    """A finished recording, in blocks as delivered: float32 [any] each, at the device's rate."""

    blocks: tuple[np.ndarray, ...]
    raw_rate: int

    @functools.cached_property
    def raw(self) -> np.ndarray:
        """float32 [samples] at the device's rate."""
        return np.concatenate(self.blocks) if self.blocks else np.zeros(0, np.float32)

    @property
    def seconds(self) -> float:
        return sum(map(len, self.blocks)) / self.raw_rate

    def wav(self) -> np.ndarray:
        """float32 [samples] at 16 kHz. Raises: AudioError if nothing was recorded."""
        from speech.audio import resample

        if not self.blocks:
            raise AudioError("Nothing was recorded: press Record, speak, then press Stop.")
        return resample(self.raw, self.raw_rate, SAMPLE_RATE)

    def report(self) -> ReferenceReport:
        """The quality check of the take. Slow: not for the GUI thread. Raises: AudioError as `wav`."""
        from speech.quality import check_reference

        return check_reference(self.wav())


@dataclass
class _CurrentTake:
    """The take in progress."""

    blocks: list[np.ndarray] = field(default_factory=list)
    rate: int = SAMPLE_RATE
    samples: int = 0
    level: tuple[float, float] = (0.0, 0.0)  # peak, mean power
    loudest: float = 0.0
    since_signal: int = 0  # samples since the last signal
    clipped_at: float = -1e9


class Recorder:
    """Records one take at a time from an input device.

    Args:
        device: index or name, None for the system default; a change applies to the next take.
        library: the module `sounddevice`, or a replacement.

    Attributes:
        state: "idle", "opening", "recording", "paused", "stopped" or "failed".
        error: a sentence after a failure, else "".
    """

    def __init__(self, device: int | str | None = None, library: Any = None) -> None:
        self.device = device
        self.state: State = "idle"
        self.error = ""
        self._library = library
        self._lock = threading.Lock()
        self._stream: Any = None
        self._number = 0  # of the take: audio from an earlier stream is ignored
        self._now = _CurrentTake()

    def start(self) -> None:
        """Start a new take and discard the previous one. Returns at once: watch `state`."""
        self._release()
        with self._lock:
            self._now = _CurrentTake()
            self._number += 1
            self.state, self.error = "opening", ""
            number = self._number
        threading.Thread(target=self._open, args=(number, self.device), name="recorder", daemon=True).start()

    def pause(self) -> None:
        with self._lock:
            if self.state == "recording":
                self.state = "paused"

    def resume(self) -> None:
        with self._lock:
            if self.state == "paused":
                self.state = "recording"

    def stop(self) -> Take:
        """End the take and return it; empty if nothing was recorded. After a failure: what was recorded before it."""
        with self._lock:
            if self.state in ("opening", "recording", "paused"):
                self.state = "stopped"
            self._number += 1
            take = Take(tuple(self._now.blocks), self._now.rate)
            self._now.blocks = []
        self._release()
        return take

    def discard(self) -> None:
        """End the take and drop it."""
        self.stop()
        with self._lock:
            self._now = _CurrentTake()
            self.state = "idle"

    @property
    def seconds(self) -> float:
        """Length of the take so far, excluding pauses."""
        return self._now.samples / self._now.rate

    def level(self) -> Level:
        """The level over the last tenth of a second, also while paused."""
        peak, power = self._now.level
        if self.state not in ("recording", "paused"):
            return Level(FLOOR_DBFS, FLOOR_DBFS, False)
        clipped = time.monotonic() - self._now.clipped_at < 1.0
        return Level(_dbfs(peak), _dbfs(float(np.sqrt(power))), clipped)

    def remark(self) -> str:
        """Advice during the take: one sentence, or ""."""
        if self.state == "failed":
            return self.error
        if self.state != "recording":
            return ""
        if self._now.since_signal > SILENCE_AFTER * self._now.rate:
            return (
                "The microphone gives no signal: check that it is connected, not muted, and the right one is selected."
            )
        if time.monotonic() - self._now.clipped_at < 1.0:
            return "The recording is clipping: turn the microphone down or move away from it."
        if self.seconds > 4.0 and _dbfs(self._now.loudest) < QUIET_PEAK_DBFS:
            return "The recording is very quiet: turn the microphone up or move closer to it."
        if self.seconds > ENOUGH_SECONDS:
            return "Ten minutes are enough: a longer recording does not improve the voice."
        return ""

    # --- the recorder's thread

    def _open(self, number: int, device: int | str | None) -> None:
        try:
            library = self._library or load_audio_library("input", device)
            rate = playable_rate(library, SAMPLE_RATE, "input", device)
            chosen = {} if device is None else {"device": device}
            stream = library.InputStream(
                samplerate=rate,
                channels=1,
                dtype="float32",
                callback=lambda block, frames, when, status: self._add(number, block),
                finished_callback=lambda: self._device_stopped(number),
                **chosen,
            )
            with self._lock:
                wanted = number == self._number
                if wanted:
                    self._stream, self._now.rate, self.state = stream, rate, "recording"
            if wanted:
                stream.start()
            else:
                stream.close()
        except PlaybackError as error:
            self._fail(number, one_line(error))
        except Exception as error:  # PortAudio errors, and errors of drivers
            self._fail(
                number, f"The microphone cannot be opened: {one_line(error).rstrip('.')}. Choose a different one."
            )

    def _fail(self, number: int, sentence: str) -> None:
        with self._lock:
            if number == self._number:
                self.state, self.error = "failed", sentence

    def _release(self) -> None:
        """Close the stream in another thread, because some drivers are slow."""
        with self._lock:
            stream, self._stream = self._stream, None
        if stream is not None:
            threading.Thread(target=_close, args=(stream,), name="recorder closing", daemon=True).start()

    # --- PortAudio's thread

    def _add(self, number: int, block: np.ndarray) -> None:
        """Store the next audio. Args: block: float32 [frames, 1]."""
        wav = np.array(block[:, 0], np.float32)
        peak, power = float(np.max(np.abs(wav), initial=0.0)), float(np.mean(np.square(wav))) if len(wav) else 0.0
        with self._lock:
            if number != self._number:
                return
            self._note_level(peak, power, len(wav))
            if self.state != "recording":
                return
            self._now.blocks.append(wav)
            self._now.samples += len(wav)
            self._now.loudest = max(self._now.loudest, peak)
            signal = power > 10 ** (NO_SIGNAL_DBFS / 10)
            self._now.since_signal = 0 if signal else self._now.since_signal + len(wav)
            if self._now.samples >= MAX_SECONDS * self._now.rate:
                self.state = "stopped"

    def _note_level(self, peak: float, power: float, samples: int) -> None:
        fall = float(np.exp(-samples / (0.1 * self._now.rate)))  # the meter falls slowly enough to be read
        self._now.level = max(peak, self._now.level[0] * fall), power + (self._now.level[1] - power) * fall
        if peak >= CLIPPED_PEAK:
            self._now.clipped_at = time.monotonic()

    def _device_stopped(self, number: int) -> None:
        self._fail(number, "The microphone stopped: what was recorded before is kept. Check that it is connected.")


def _close(stream: Any) -> None:
    try:
        stream.abort()
        stream.close()
    except Exception:  # a device that is gone cannot be closed
        pass


def _dbfs(amplitude: float) -> float:
    return max(FLOOR_DBFS, 20 * float(np.log10(max(amplitude, 1e-9))))
