"""Sinks for audio that is still being generated: the sound card, and several sinks at once.

A sink takes chunks of float32 in [-1, 1]. `close` waits until everything is played or written. `abort` stops at once
and removes an incomplete file.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from speech.errors import SpeechError, one_line

if TYPE_CHECKING:
    from types import TracebackType


class PlaybackError(SpeechError):
    """Audio cannot be played or recorded; the message says what is missing."""


class Sink(Protocol):
    """A destination of audio."""

    def write(self, wav: np.ndarray) -> None:
        """Take the next samples, float32 [samples] in [-1, 1]. Does not wait until they are played."""
        ...

    def close(self) -> None:
        """Wait until everything is played or written."""
        ...

    def abort(self) -> None:
        """Stop at once."""
        ...


# --- the sound card ---------------------------------------------------------------------------------------------------


Direction = Literal["output", "input"]
NEEDED = {"output": ("Nothing can be played", "output"), "input": ("Nothing can be recorded", "input (a microphone)")}


def load_audio_library(direction: Direction = "output", device: int | str | None = None) -> Any:
    """The module `sounddevice`, after checking that the device exists.

    Args:
        device: index or name; None for the default device.

    Raises:
        PlaybackError: the package, the PortAudio library or the device is missing.
    """
    failure, use = NEEDED[direction]
    library = _import_library(failure)
    try:
        _query(library, direction, device)
    except (library.PortAudioError, ValueError) as error:
        if device is not None:
            raise PlaybackError(f"{failure}: the audio device {device!r} is gone. Choose another one.") from error
        raise PlaybackError(f"{failure}: there is no audio device for {use} here.") from error
    return library


def _import_library(failure: str) -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise PlaybackError(
            f"{failure}: the package sounddevice is not installed. Run: pip install sounddevice."
        ) from error
    except OSError as error:
        raise PlaybackError(
            f"{failure}: the PortAudio library is not installed. On Debian and Ubuntu run: apt install libportaudio2."
        ) from error
    return sounddevice


def _query(library: Any, direction: Direction, device: int | str | None) -> dict[str, Any]:
    if device is None:
        return library.query_devices(kind=direction)
    return library.query_devices(device, direction)


class SoundCard:
    """An output device. It plays silence while no audio is available.

    Args:
        sample_rate: of the audio in Hz; resampled if the device cannot play it.
        library: the module `sounddevice`, or a replacement for tests.
        device: index or name of the device; None for the default device.

    Raises:
        PlaybackError: the device cannot be opened.
    """

    def __init__(self, sample_rate: int, library: Any = None, device: int | str | None = None) -> None:
        library = library or load_audio_library("output", device)
        self._waiting: queue.SimpleQueue[np.ndarray | None] = queue.SimpleQueue()
        self._rest = np.zeros(0, dtype=np.float32)
        self._finished = threading.Event()
        self._stop = library.CallbackStop
        self._request = 0.0, 0, 0  # time of the device's last request, samples played before it, samples returned
        self._all_written = False
        chosen = {} if device is None else {"device": device}
        try:
            self._rate = rate = playable_rate(library, sample_rate, "output", device)
            self._stream = library.OutputStream(
                samplerate=rate,
                channels=1,
                dtype="float32",
                callback=self._fill,
                finished_callback=self._finished.set,
                **chosen,
            )
            self._stream.start()
        except (library.PortAudioError, ValueError) as error:
            raise PlaybackError(f"The audio device cannot play: {one_line(error)}.") from error
        self._latency = float(getattr(self._stream, "latency", 0.0))
        self._resampler = None
        if rate != sample_rate:
            import soxr

            self._resampler = soxr.ResampleStream(sample_rate, rate, 1, dtype="float32")

    def write(self, wav: np.ndarray) -> None:
        self._waiting.put(wav if self._resampler is None else self._resampler.resample_chunk(wav))

    def finish(self) -> None:
        """Mark the end of the audio without waiting; `finished` becomes True once it is played."""
        if self._all_written:
            return
        self._all_written = True
        if self._resampler is not None:
            self._waiting.put(self._resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
        self._waiting.put(None)

    @property
    def finished(self) -> bool:
        """Whether everything is played, or the device is gone."""
        return self._finished.is_set()

    @property
    def position(self) -> float:
        """Seconds of audio played so far, without the silence of waiting."""
        when, before, returned = self._request
        played = before + min(max(0.0, time.monotonic() - when) * self._rate, returned)
        return max(0.0, played / self._rate - (0.0 if self.finished else self._latency))

    def close(self) -> None:
        self.finish()
        while not self._finished.wait(0.1):  # short waits, so that Ctrl-C is handled
            pass
        self._stream.close()

    def abort(self) -> None:
        self._stream.abort()
        self._stream.close()

    def _fill(self, out: np.ndarray, frames: int, _time: Any, _status: Any) -> None:
        """Called by PortAudio on its own thread: out [frames, 1]."""
        parts, size, ended = [self._rest], len(self._rest), False
        while size < frames and not ended:
            try:
                chunk = self._waiting.get_nowait()
            except queue.Empty:
                break
            ended = chunk is None
            if chunk is not None:
                parts.append(chunk)
                size += len(chunk)
        joined = np.concatenate(parts)
        now = joined[:frames]
        out[: len(now), 0] = now
        out[len(now) :, 0] = 0
        self._rest = joined[frames:]
        self._request = time.monotonic(), self._request[1] + self._request[2], len(now)
        if ended:
            raise self._stop


def playable_rate(library: Any, sample_rate: int, direction: Direction, device: int | str | None = None) -> int:
    """The requested rate if the device supports it, else its default rate, in Hz."""
    check = library.check_output_settings if direction == "output" else library.check_input_settings
    chosen = {} if device is None else {"device": device}
    try:
        check(samplerate=sample_rate, channels=1, dtype="float32", **chosen)
    except library.PortAudioError:
        return round(_query(library, direction, device)["default_samplerate"])
    return sample_rate


# --- several sinks ----------------------------------------------------------------------------------------------------


class Sinks:
    """All sinks of a run. As a context manager it closes them at the end, or aborts them after an error.

    Args:
        sample_rate: of the audio, in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._sinks: list[Sink] = []
        self._has_audio = False

    def add(self, sink: Sink) -> None:
        self._sinks.append(sink)

    def __bool__(self) -> bool:
        return bool(self._sinks)

    def write(self, wav: np.ndarray) -> None:
        """The next samples, float32 [samples] in [-1, 1], to every sink."""
        for sink in self._sinks:
            sink.write(wav)
        self._has_audio = True

    def pause(self, seconds: float) -> None:
        """Silence between two texts; none before the first."""
        if self._has_audio:
            self.write(np.zeros(round(seconds * self.sample_rate), dtype=np.float32))

    def __enter__(self) -> Sinks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                while self._sinks:
                    self._sinks[-1].close()
                    self._sinks.pop()
        finally:
            for sink in self._sinks:
                sink.abort()
