"""The sample rate and length in the header of an audio file, without decoding it.

A corpus may have a million files, so the headers of the two most frequent formats, WAV and FLAC, are parsed here, in
threads. All others are opened by libsndfile or FFmpeg. A damaged file can hang or crash these libraries, so they run in
worker processes with a time limit.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from corpora.preprocessed import SUFFIX, array_samples
from corpora.workers import Timer, Work, supervise
from speech.audio import SAMPLE_RATE

THREADS = 8
LIMIT_SECONDS = 20.0
BATCH = 32
MAX_CHUNKS = 64  # before the samples of a wav file
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
UNKNOWN_SIZES = (0, 0xFFFFFFFF)  # of files that were written to a pipe
UNREADABLE = "it cannot be read as audio"


class Header(NamedTuple):
    """Sample rate in Hz, samples of each channel, channels."""

    rate: int
    samples: int
    channels: int


class _Unparsed(NamedTuple):
    """A file that a library must open; `key` is its index."""

    key: str
    path: Path


def read_headers(paths: Sequence[Path], jobs: int = 0) -> list[Header | str]:
    """The header of each file, or what is wrong with it.

    Args:
        jobs: worker processes for files that need a decoder library; 0 opens them in this process without a time limit.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        found: list[Header | str | None] = list(pool.map(_plain_header, paths, chunksize=64))
    unparsed = [_Unparsed(str(index), paths[index]) for index, header in enumerate(found) if header is None]
    batches = (unparsed[start : start + BATCH] for start in range(0, len(unparsed), BATCH))
    for items, headers in supervise(batches, _opening, jobs):
        for item, header in zip(items, headers, strict=True):
            found[int(item.key)] = header
    return [UNREADABLE if header is None else header for header in found]


@contextlib.contextmanager
def _opening(worker: str) -> Iterator[Work]:
    def work(items: Sequence[Any], refused: Mapping[str, str], timer: Timer) -> list[Header | str]:
        headers: list[Header | str] = []
        for item in items:
            if item.key in refused:
                headers.append(f"{UNREADABLE} ({refused[item.key]})")
                continue
            with timer(item.key, LIMIT_SECONDS):
                headers.append(_library_header(item.path))
        return headers

    yield work


def _library_header(path: Path) -> Header | str:
    import soundfile

    try:
        info = soundfile.info(path)
        header = Header(info.samplerate, info.frames, info.channels)
    except (soundfile.SoundFileError, RuntimeError, OSError, ValueError):
        header = _container_header(path)
    return header if min(header) > 0 else UNREADABLE


def _container_header(path: Path) -> Header:
    """By PyAV, for formats that libsndfile does not read (m4a, aac, webm); zeros for unreadable files."""
    import av

    from speech.containers import open_container

    try:
        with open_container(path) as container:
            stream = container.streams.audio[0]
            if stream.duration and stream.time_base:
                seconds = float(stream.duration * stream.time_base)
            else:
                seconds = (container.duration or 0) / 1e6
            return Header(stream.rate, round(seconds * stream.rate), stream.channels)
    except (OSError, ValueError, IndexError, AttributeError, av.FFmpegError):  # AttributeError: there is no decoder
        return Header(0, 0, 0)


# ---- WAV and FLAC ----------------------------------------------------------------------------------------------------


def _plain_header(path: Path) -> Header | str | None:
    """The header of an ordinary WAV or FLAC file, what is wrong with the file, or None if a library must open it."""
    try:
        if not path.is_file():
            return "the file is missing"
        size = path.stat().st_size
        if not size:
            return "the file is empty"
        if path.suffix == SUFFIX:
            samples = array_samples(path)
            return Header(SAMPLE_RATE, samples, 1) if samples else "it holds neither a waveform nor mels"
        with open(path, "rb") as file:
            start = file.read(12)
            if start[:4] == b"RIFF" and start[8:] == b"WAVE":
                return _wav_header(file, size)
            if start[:4] == b"fLaC":
                file.seek(4)
                return _flac_header(file.read(38))
    except (OSError, struct.error):
        pass
    return None


def _wav_header(file: BinaryIO, size: int) -> Header | None:
    """The header of a RIFF file, read after its first 12 bytes; None for anything but PCM or float samples."""
    rate = channels = block = 0
    for _ in range(MAX_CHUNKS):
        name, length = struct.unpack("<4sI", file.read(8))
        if name == b"data":
            if not block:
                return None
            there = size - file.tell()
            samples = (there if length in UNKNOWN_SIZES else min(length, there)) // block
            return Header(rate, samples, channels) if rate and samples > 0 else None
        content_end = file.tell() + length + length % 2  # chunks are padded to whole words
        if name == b"fmt ":
            content = file.read(min(length, 40))
            tag, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", content)
            if tag == EXTENSIBLE:
                (tag,) = struct.unpack_from("<H", content, 24)
            if tag not in (PCM, FLOAT) or block != channels * -(-bits // 8):
                return None
        file.seek(content_end)
    return None


def _flac_header(content: bytes) -> Header | None:
    """The first metadata block, STREAMINFO (RFC 9639, section 8.2); None if it does not state the length."""
    if len(content) < 38 or content[0] & 0x7F != 0:
        return None
    packed = int.from_bytes(content[14:22], "big")  # 20 bits of rate, 3 of channels - 1, 5 of width - 1, 36 of samples
    header = Header(packed >> 44, packed & 0xFFFFFFFFF, (packed >> 41 & 7) + 1)
    return header if min(header) > 0 else None
