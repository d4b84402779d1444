"""Media containers opened with PyAV (FFmpeg), restricted to audio and video formats and to the file itself."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

# FFmpeg also reads playlists that name other files and URLs; those formats are left out.
FFMPEG_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac,mp3,ogg,flac,wav,w64,aiff,au,caf,"
    "asf,avi,flv,amr,ac3,eac3,ape,wv,tta,mpegts,mpeg"
)
FFMPEG_OPTIONS = {"format_whitelist": FFMPEG_FORMATS, "protocol_whitelist": "file"}


class _PatchedFile:
    """A file opened for reading whose first bytes are replaced."""

    def __init__(self, file: BinaryIO, first: bytes):
        self._file, self._first = file, first
        self.tell = file.tell

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError):  # a damaged index; PyAV would print the traceback of an exception
            return -1

    def read(self, size: int = -1) -> bytes:
        at = self._file.tell()
        data = self._file.read(size)
        patch = self._first[at : at + len(data)]
        return patch + data[len(patch) :]


@contextmanager
def open_container(path: Path, first: bytes = b"") -> Iterator[Any]:
    """Open a media file with PyAV, restricted to audio and video containers and to the file itself.

    Playlists and other formats that refer to further files or URLs are refused (`FFMPEG_FORMATS`).

    Args:
        first: bytes to read instead of the first ones of the file.

    Yields:
        An `av.container.InputContainer`.
    Raises:
        OSError: the file cannot be opened.
        av.FFmpegError: the file is damaged or in none of the allowed formats.
    """
    import av

    # Pass an open file, not a name: FFmpeg would interpret "concat:a|b" or "http://..." in a name.
    with (
        open(path, "rb") as stream,
        av.open(_PatchedFile(stream, first), mode="r", options=FFMPEG_OPTIONS, metadata_errors="ignore") as container,
    ):
        yield container


@contextmanager
def in_memory(file: BinaryIO, mode: Literal["r", "w"], form: str) -> Iterator[Any]:
    """Open a container of this program's own making in memory: to write one, or to read it again.

    Args:
        form: name of the container in FFmpeg.

    Yields:
        An `av.container.OutputContainer` or `InputContainer`.
    """
    import av

    with av.open(file, mode=mode, format=form) as container:
        yield container
