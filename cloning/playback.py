"""Where a sound goes while it is being made: to the sound card, or as a wav stream into a file or pipe.

A sink takes chunks of float32 in [-1, 1]. `close` ends it when all is heard or written; `abort` at once, and leaves
nothing half done.
"""

from __future__ import annotations

import contextlib
import queue
import stat
import struct
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol

import numpy as np

from speech.errors import SpeechError, StorageError, disk_full_error, one_line

if TYPE_CHECKING:
    from types import TracebackType

UNKNOWN_SIZE = 0xFFFFFFFF  # what readers of wav take for "until the end"


class PlaybackError(SpeechError):
    """Nothing can be heard here; the sentence says what is missing."""


class Sink(Protocol):
    """Somewhere for a sound to go."""

    def write(self, wav: np.ndarray) -> None:
        """Take the next samples, float32 [samples] in [-1, 1]. Does not wait until they are heard."""
        ...

    def close(self) -> None:
        """Wait until all is heard or written."""
        ...

    def abort(self) -> None:
        """Stop at once."""
        ...


# --- the sound card ---------------------------------------------------------------------------------------------------


Direction = Literal["output", "input"]
NEEDED = {"output": ("Nothing can be played", "output"), "input": ("Nothing can be recorded", "input (a microphone)")}


def load_sound_library(direction: Direction = "output", device: int | str | None = None) -> Any:
    """The module `sounddevice`, with a device to play on or to record from.

    Args:
        device: index or name of one; None for the usual one.
    Raises:
        PlaybackError: the package, the PortAudio library or the device is missing.
    """
    nothing, use = NEEDED[direction]
    library = _import_library(nothing)
    try:
        _query(library, direction, device)
    except (library.PortAudioError, ValueError) as error:
        if device is not None:
            raise PlaybackError(
                f"{nothing}, because the sound device {device!r} is gone: choose another one."
            ) from error
        raise PlaybackError(f"{nothing}, because there is no sound device for {use} here.") from error
    return library


def _import_library(nothing: str) -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise PlaybackError(
            f"{nothing}, because the package sounddevice is not installed: pip install sounddevice."
        ) from error
    except OSError as error:
        raise PlaybackError(
            f"{nothing}, because the PortAudio library is not installed: "
            "install it (on Debian and Ubuntu, apt install libportaudio2)."
        ) from error
    return sounddevice


def _query(library: Any, direction: Direction, device: int | str | None) -> dict[str, Any]:
    if device is None:
        return library.query_devices(kind=direction)
    return library.query_devices(device, direction)


class SoundCard:
    """An output device. What it lacks when it wants to play is silence.

    Args:
        sample_rate: of what is written, in Hz; a device that cannot play it gets it at its own rate.
        library: the module `sounddevice`, or what stands in for it.
        device: index or name of the device; None for the usual one.

    Raises:
        PlaybackError: the device cannot be opened.
    """

    def __init__(self, sample_rate: int, library: Any = None, device: int | str | None = None) -> None:
        library = library or load_sound_library("output", device)
        self._waiting: queue.SimpleQueue[np.ndarray | None] = queue.SimpleQueue()
        self._rest = np.zeros(0, dtype=np.float32)
        self._finished = threading.Event()
        self._stop = library.CallbackStop
        self._asked = 0.0, 0, 0  # when the device asked last, samples it had got before, and what it got then
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
            raise PlaybackError(f"The sound device cannot play: {one_line(error)}.") from error
        self._latency = float(getattr(self._stream, "latency", 0.0))
        self._resampler = None
        if rate != sample_rate:
            import soxr

            self._resampler = soxr.ResampleStream(sample_rate, rate, 1, dtype="float32")

    def write(self, wav: np.ndarray) -> None:
        self._waiting.put(wav if self._resampler is None else self._resampler.resample_chunk(wav))

    def finish(self) -> None:
        """Nothing more will be written; does not wait. `finished` tells when all is heard."""
        if self._all_written:
            return
        self._all_written = True
        if self._resampler is not None:
            self._waiting.put(self._resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
        self._waiting.put(None)

    @property
    def finished(self) -> bool:
        """All is heard, or the device has gone."""
        return self._finished.is_set()

    @property
    def position(self) -> float:
        """Seconds of what was written that are heard by now; the silence of waiting does not count."""
        when, before, got = self._asked
        heard = before + min(max(0.0, time.monotonic() - when) * self._rate, got)
        return max(0.0, heard / self._rate - (0.0 if self.finished else self._latency))

    def close(self) -> None:
        self.finish()
        while not self._finished.wait(0.1):  # in short turns, so that Ctrl-C is heard
            pass
        self._stream.close()

    def abort(self) -> None:
        self._stream.abort()
        self._stream.close()

    def _fill(self, out: np.ndarray, frames: int, _time: Any, _status: Any) -> None:
        """Called by PortAudio in a thread of its own: out [frames, 1]."""
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
        self._asked = time.monotonic(), self._asked[1] + self._asked[2], len(now)
        if ended:
            raise self._stop


def playable_rate(library: Any, sample_rate: int, direction: Direction, device: int | str | None = None) -> int:
    """The rate asked for if the device can do it, else its own, in Hz."""
    check = library.check_output_settings if direction == "output" else library.check_input_settings
    chosen = {} if device is None else {"device": device}
    try:
        check(samplerate=sample_rate, channels=1, dtype="float32", **chosen)
    except library.PortAudioError:
        return round(_query(library, direction, device)["default_samplerate"])
    return sample_rate


# --- a wav stream -----------------------------------------------------------------------------------------------------


class WavStream:
    """A 16-bit wav that grows while it is made, so that a player can follow it.

    Its header says that the length is not known; once it is, it is written into what can be rewound. What comes to
    nothing is removed again, if it is a file.

    Args:
        target: a file or a named pipe, or an open pipe such as standard output, which is left open.
        sample_rate: in Hz.

    Raises:
        StorageError: it cannot be opened or written.
    """

    def __init__(self, target: Path | BinaryIO, sample_rate: int) -> None:
        self._path = target if isinstance(target, Path) else None
        self._rate, self._size = sample_rate, 0
        try:
            self._file: BinaryIO = target.open("wb") if isinstance(target, Path) else target
        except OSError as error:
            raise self._error(error) from error
        try:
            self._write(wav_header(sample_rate, None))
        except BaseException:
            self.abort()
            raise

    def write(self, wav: np.ndarray) -> None:
        samples = np.clip(np.rint(wav * np.float32(32767)), -32767, 32767).astype("<i2").tobytes()
        self._size += len(samples)
        self._write(samples)

    def close(self) -> None:
        if self._path is None:
            return
        try:
            if self._file.seekable():
                self._file.seek(0)
                self._file.write(wav_header(self._rate, self._size))
            self._file.close()
        except OSError as error:
            raise self._error(error) from error

    def abort(self) -> None:
        if self._path is None:
            return
        ordinary = self._path.is_file()
        with contextlib.suppress(OSError):  # what could not be written cannot be flushed either
            self._file.close()
        if ordinary:
            self._path.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
            self._file.flush()
        except BrokenPipeError:  # the reader has heard enough
            raise
        except OSError as error:
            raise self._error(error) from error

    def _error(self, error: OSError) -> StorageError:
        where = self._path or "standard output"
        return disk_full_error(error) or StorageError(
            f"The sound cannot be streamed to {where} ({error.strerror or error}): choose another place."
        )


def wav_header(sample_rate: int, size: int | None) -> bytes:
    """The 44 bytes before 16-bit mono samples of `size` bytes in all; None where that is not known yet."""
    size = UNKNOWN_SIZE if size is None else min(size, UNKNOWN_SIZE)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", min(size + 36, UNKNOWN_SIZE), b"WAVE")
        + form
        + struct.pack("<4sI", b"data", size)
    )


def check_stream_target(target: str, terminal: bool, overwrite: bool) -> None:
    """See whether a sound can be streamed to a file, a named pipe, or "-", standard output.

    Args:
        terminal: standard output is one.
        overwrite: an ordinary file may be there already.

    Raises:
        StorageError: it cannot.
    """
    if target == "-":
        if terminal:
            raise StorageError("A terminal cannot play a wav stream: send it on, as in `--stream - | aplay`.")
        return
    path = Path(target)
    if not path.parent.is_dir():
        raise StorageError(f"There is no folder {path.parent}: make it first, or choose another place.")
    if not path.exists():
        if path.suffix.lower() != ".wav":
            raise StorageError(f"{path} must end in .wav: that is what is streamed.")
        return
    mode = path.stat().st_mode
    if stat.S_ISFIFO(mode):
        return
    if not stat.S_ISREG(mode):
        raise StorageError(f"{path} is neither an ordinary file nor a named pipe: choose another name.")
    if not overwrite:
        raise StorageError(f"{path} exists already: choose another name, or give --force to overwrite it.")


# --- several at once --------------------------------------------------------------------------------------------------


class Outlets:
    """All the sinks of a run; as a context it closes them at the end, or aborts them where the run is broken off.

    Args:
        sample_rate: of the sound, in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._sinks: list[Sink] = []
        self._sounded = False

    def add(self, sink: Sink) -> None:
        self._sinks.append(sink)

    def __bool__(self) -> bool:
        return bool(self._sinks)

    def write(self, wav: np.ndarray) -> None:
        """The next samples, float32 [samples] in [-1, 1], to every sink."""
        for sink in self._sinks:
            sink.write(wav)
        self._sounded = True

    def pause(self, seconds: float) -> None:
        """Silence between two texts; none before the first."""
        if self._sounded:
            self.write(np.zeros(round(seconds * self.sample_rate), dtype=np.float32))

    def __enter__(self) -> Outlets:
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
