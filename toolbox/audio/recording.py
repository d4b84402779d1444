"""Recording a voice: as long as one likes, with a level to look at, pauses and retakes, and advice afterwards.

No call waits for the device: a thread of the recorder's own opens it, and PortAudio's thread delivers the sound. The
window asks for `state`, `level()` and `remark()` as often as it draws.
"""

from __future__ import annotations

import functools
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cloning.playback import PlaybackError, load_sound_library, playable_rate
from speech.errors import AudioError, one_line
from toolbox.audio.devices import Device, list_devices

if TYPE_CHECKING:
    from speech.quality import ReferenceReport

__all__ = ["Device", "Level", "Recorder", "State", "Take", "list_devices"]

State = Literal["idle", "opening", "recording", "paused", "stopped", "failed"]

SAMPLE_RATE = 16_000  # what the speaker encoder hears; a device that cannot gives its own
MAX_SECONDS = 3600.0  # after that it stops by itself
ENOUGH_SECONDS = 600.0  # more is not listened to (`encoder.enrolment.MAX_SECONDS`)
SILENCE_AFTER = 1.5  # seconds without any signal before it is said
NO_SIGNAL_DBFS = -75.0  # RMS; microphones in the quietest rooms give more
QUIET_PEAK_DBFS = -30.0
CLIPPED_PEAK = 0.99
FLOOR_DBFS = -100.0


@dataclass(frozen=True)
class Level:
    """How loud it is now, in dB below full scale, -100 at least; `clipped`: it was too loud within the last second."""

    peak: float
    rms: float
    clipped: bool


@dataclass(frozen=True, eq=False)
class Take:
    """A finished recording, in the blocks in which it came: float32 [any] each, at the device's rate."""

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
            raise AudioError("Nothing was recorded: press record, speak, and then stop.")
        return resample(self.raw, self.raw_rate, SAMPLE_RATE)

    def report(self) -> ReferenceReport:
        """What the quality gate says of it; takes a moment, not for the GUI thread. Raises: AudioError as `wav`."""
        from speech.quality import check_reference

        return check_reference(self.wav())


@dataclass
class _Growing:
    """The take that is being made."""

    blocks: list[np.ndarray] = field(default_factory=list)
    rate: int = SAMPLE_RATE
    samples: int = 0
    level: tuple[float, float] = (0.0, 0.0)  # peak, mean power
    loudest: float = 0.0
    since_signal: int = 0  # samples without any
    clipped_at: float = -1e9


class Recorder:
    """Records one take at a time from an input device.

    Args:
        device: index or name, None for the usual one; may be changed at any time, for the next take.
        library: the module `sounddevice`, or what stands in for it.

    Attributes:
        state: "idle", "opening", "recording", "paused", "stopped" or "failed".
        error: a sentence if it failed, else "".
    """

    def __init__(self, device: int | str | None = None, library: Any = None) -> None:
        self.device = device
        self.state: State = "idle"
        self.error = ""
        self._library = library
        self._lock = threading.Lock()
        self._stream: Any = None
        self._number = 0  # of the take: what an old stream still delivers is not heard
        self._now = _Growing()

    def start(self) -> None:
        """Begin a new take; what was recorded before is dropped. Returns at once: watch `state`."""
        self._release()
        with self._lock:
            self._now = _Growing()
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

    def retake(self) -> None:
        """Throw the take away and begin again."""
        self.start()

    def stop(self) -> Take:
        """End the take and hand it out; empty if nothing came. After a failure, what came before it."""
        with self._lock:
            if self.state in ("opening", "recording", "paused"):
                self.state = "stopped"
            self._number += 1
            take = Take(tuple(self._now.blocks), self._now.rate)
            self._now.blocks = []
        self._release()
        return take

    def discard(self) -> None:
        """End the take and throw it away."""
        self.stop()
        with self._lock:
            self._now = _Growing()
            self.state = "idle"

    @property
    def seconds(self) -> float:
        """Length of the take so far, without pauses."""
        return self._now.samples / self._now.rate

    def level(self) -> Level:
        """The level of the last tenth of a second, also while paused."""
        peak, power = self._now.level
        if self.state not in ("recording", "paused"):
            return Level(FLOOR_DBFS, FLOOR_DBFS, False)
        clipped = time.monotonic() - self._now.clipped_at < 1.0
        return Level(_dbfs(peak), _dbfs(float(np.sqrt(power))), clipped)

    def remark(self) -> str:
        """What to say about the take while it is made: one sentence, or ""."""
        if self.state == "failed":
            return self.error
        if self.state != "recording":
            return ""
        if self._now.since_signal > SILENCE_AFTER * self._now.rate:
            return (
                "The microphone gives no signal: check that it is plugged in, not muted, and the right one is chosen."
            )
        if time.monotonic() - self._now.clipped_at < 1.0:
            return "That was too loud: turn the microphone down or move away from it."
        if self.seconds > 4.0 and _dbfs(self._now.loudest) < QUIET_PEAK_DBFS:
            return "That is very quiet: turn the microphone up or move nearer to it."
        if self.seconds > ENOUGH_SECONDS:
            return "Ten minutes are more than enough: a voice gains nothing from more."
        return ""

    # --- the recorder's thread

    def _open(self, number: int, device: int | str | None) -> None:
        try:
            library = self._library or load_sound_library("input", device)
            rate = playable_rate(library, SAMPLE_RATE, "input", device)
            chosen = {} if device is None else {"device": device}
            stream = library.InputStream(
                samplerate=rate,
                channels=1,
                dtype="float32",
                callback=lambda block, frames, when, status: self._hear(number, block),
                finished_callback=lambda: self._gone(number),
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
        except Exception as error:  # PortAudio's errors, and a driver's own ways to fail
            self._fail(number, f"The microphone cannot be opened: {one_line(error).rstrip('.')}. Choose another one.")

    def _fail(self, number: int, sentence: str) -> None:
        with self._lock:
            if number == self._number:
                self.state, self.error = "failed", sentence

    def _release(self) -> None:
        """Close the stream, elsewhere: some drivers take their time."""
        with self._lock:
            stream, self._stream = self._stream, None
        if stream is not None:
            threading.Thread(target=_close, args=(stream,), name="recorder closing", daemon=True).start()

    # --- PortAudio's thread

    def _hear(self, number: int, block: np.ndarray) -> None:
        """block: float32 [frames, 1]."""
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
        fall = float(np.exp(-samples / (0.1 * self._now.rate)))  # the meter sinks as fast as one can follow
        self._now.level = max(peak, self._now.level[0] * fall), power + (self._now.level[1] - power) * fall
        if peak >= CLIPPED_PEAK:
            self._now.clipped_at = time.monotonic()

    def _gone(self, number: int) -> None:
        self._fail(number, "The microphone has stopped: what came before is kept, check that it is still plugged in.")


def _close(stream: Any) -> None:
    try:
        stream.abort()
        stream.close()
    except Exception:  # a device that is gone cannot be closed either
        pass


def _dbfs(amplitude: float) -> float:
    return max(FLOOR_DBFS, 20 * float(np.log10(max(amplitude, 1e-9))))
