"""A sink that writes a wav stream to a file, a named pipe or standard output."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from speech.audio import pcm16
from speech.errors import StorageError, disk_full_error
from speech.wav_header import wav_header


class WavStream:
    """A 16-bit wav stream that a player can follow while it is written.

    Its header gives no length. `close` writes the length if the target can seek; `abort` removes a regular file.

    Args:
        target: a file or a named pipe, or an open pipe such as standard output, which stays open.
        sample_rate: in Hz.
        tags: of the file, see `speech.wav_header.info_chunk`.

    Raises:
        StorageError: it cannot be opened or written.
    """

    def __init__(self, target: Path | BinaryIO, sample_rate: int, tags: Mapping[str, str] | None = None) -> None:
        self._path = target if isinstance(target, Path) else None
        self._rate, self._size, self._tags = sample_rate, 0, tags
        try:
            self._file: BinaryIO = target.open("wb") if isinstance(target, Path) else target
        except OSError as error:
            raise self._error(error) from error
        try:
            self._write(wav_header(sample_rate, None, tags))
        except BaseException:
            self.abort()
            raise

    def write(self, wav: np.ndarray) -> None:
        samples = pcm16(wav).tobytes()
        self._size += len(samples)
        self._write(samples)

    def close(self) -> None:
        if self._path is None:
            return
        try:
            if self._file.seekable():
                self._file.seek(0)
                self._file.write(wav_header(self._rate, self._size, self._tags))
            self._file.close()
        except OSError as error:
            raise self._error(error) from error

    def abort(self) -> None:
        if self._path is None:
            return
        regular = self._path.is_file()
        with contextlib.suppress(OSError):  # data that could not be written cannot be flushed either
            self._file.close()
        if regular:
            self._path.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
            self._file.flush()
        except BrokenPipeError:  # the reader has closed the pipe
            raise
        except OSError as error:
            raise self._error(error) from error

    def _error(self, error: OSError) -> StorageError:
        where = self._path or "standard output"
        return disk_full_error(error) or StorageError(
            f"The audio cannot be streamed to {where} ({error.strerror or error}): choose another target."
        )


def check_stream_target(target: str, terminal: bool, overwrite: bool) -> None:
    """Check that audio can be streamed to a file, a named pipe, or "-" for standard output.

    Args:
        terminal: whether standard output is a terminal.
        overwrite: whether an existing regular file may be replaced.

    Raises:
        StorageError: it cannot.
    """
    if target == "-":
        if terminal:
            raise StorageError("A terminal cannot play a wav stream: pipe it into a player (`--stream - | aplay`).")
        return
    path = Path(target)
    if not path.parent.is_dir():
        raise StorageError(f"There is no folder {path.parent}: make it first, or choose another one.")
    if not path.exists():
        if path.suffix.lower() != ".wav":
            raise StorageError(f"{path} must end in .wav, the format of the stream.")
        return
    mode = path.stat().st_mode
    if stat.S_ISFIFO(mode):
        return
    if not stat.S_ISREG(mode):
        raise StorageError(f"{path} is neither a regular file nor a named pipe: choose another name.")
    if not overwrite:
        raise StorageError(f"{path} exists already: choose another name, or give --force to overwrite it.")
