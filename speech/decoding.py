"""Decoding of audio files to mono float32 in blocks: soundfile first, then PyAV (FFmpeg) for the other formats.

A file is untrusted input, and its header may state a wrong rate, length or channel count. Every limit is therefore
checked on the decoded samples, and memory is bounded by the length allowed, not by the length stated.
"""

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from speech.containers import open_container
from speech.errors import AudioError
from speech.files import refuse_special

logger = logging.getLogger(__name__)

BLOCK_VALUES = 2**19  # samples times channels decoded at a time
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
MAX_CHANNELS = 64
MIN_MIX_ENERGY = 0.5  # energy of the mean of the channels, relative to that of the mean of uncorrelated channels

# (offset, bytes) of formats that only FFmpeg decodes. With a suffix such as .mp3, libsndfile would take their content
# for damaged MPEG audio.
FFMPEG_SIGNATURES = (
    (4, b"ftyp"),  # mp4, m4a, mov, 3gp
    (4, b"moov"),
    (4, b"mdat"),
    (0, b"\x1aE\xdf\xa3"),  # matroska, webm
    (0, b"0&\xb2u\x8ef\xcf\x11"),  # asf, wma
    (0, b"#!AMR"),
    (8, b"AVI "),
    (0, b"FLV"),
    (0, b"\x00\x00\x01\xba"),  # mpeg
    (0, b"MAC "),
    (0, b"TTA1"),
    (0, b"wvpk"),
    (0, b"\x0bw"),  # ac3
)
SIGNATURE_BYTES = 12
# A header of a stream that was never closed may state any length. Below a bit per sample it is not believed.
MAX_SAMPLES_PER_BYTE = 8
# (first bytes, position, bytes to put there): headers with which FFmpeg reads such a stream to its end
OPEN_STREAMS = (
    (b".snd", 8, b"\xff\xff\xff\xff"),  # au of unknown size
    (b"RF64", 0, b"RIFF"),  # without the sizes of its ds64 chunk
    (b"BW64", 0, b"RIFF"),
)


class _NotReadable(Exception):
    """One library cannot decode the file; the other one may."""


class _Empty(_NotReadable):
    """The header states no samples. It may be that of a stream that was never closed, which FFmpeg reads to its end."""


class _ChannelsCancel(Exception):
    """The mean of the channels is much weaker than they are; `loudest` is the index of the one to use instead."""

    def __init__(self, loudest: int):
        self.loudest = loudest


class _Energies:
    """Energies about the mean of each channel and of the mean of the channels, over blocks of [samples, channels]."""

    def __init__(self) -> None:
        self.samples = 0
        self.sums = self.squares = np.zeros(1)

    def add(self, block: np.ndarray, mono: np.ndarray) -> None:
        signals = np.column_stack([block, mono])
        if self.samples and signals.shape[1] != len(self.sums):
            return  # a stream that changes its channels
        self.samples += len(block)
        self.sums = self.sums + signals.sum(axis=0, dtype=np.float64)
        self.squares = self.squares + np.square(signals, dtype=np.float64).sum(axis=0)

    def check(self) -> None:
        """Raises: _ChannelsCancel if the mean has less than half the energy of a mean of uncorrelated channels."""
        if self.samples == 0:
            return
        energies = self.squares - np.square(self.sums) / self.samples
        channels, mean = energies[:-1], energies[-1]
        if mean < MIN_MIX_ENERGY * channels.sum() / len(channels) ** 2:
            raise _ChannelsCancel(int(channels.argmax()))


@dataclass(frozen=True)
class _Request:
    """What to decode a file to: sample rate, and one channel only or the mean of all (None)."""

    sample_rate: int
    max_seconds: float
    channel: int | None = None


class _Collector:
    """Collects blocks of [samples, channels] into one mono wav at the output rate, up to the length allowed."""

    def __init__(self, path: Path, source_rate: int, request: _Request):
        if not LOWEST_RATE <= source_rate <= HIGHEST_RATE:
            raise AudioError(
                f"{path} states an implausible sample rate ({source_rate} Hz): export it again from its source."
            )
        self.path, self.request = path, request
        self.max_samples = request.max_seconds * source_rate
        self.samples_read = 0
        self.parts: list[np.ndarray] = []
        self.resampler = None
        self.energies = _Energies()
        if source_rate != request.sample_rate:
            self.resampler = soxr.ResampleStream(source_rate, request.sample_rate, 1, dtype="float32", quality="HQ")

    def add(self, block: np.ndarray) -> None:
        self.samples_read += len(block)
        if self.samples_read > self.max_samples:
            raise _too_long(self.path, self.request.max_seconds)
        channels = block.shape[1]
        is_mean = channels > 1 and self.request.channel is None
        channel = min(self.request.channel or 0, channels - 1)
        mono = block.mean(axis=1, dtype=np.float32) if is_mean else block[:, channel]
        if not np.isfinite(mono).all():
            raise AudioError(f"{self.path} contains values that are NaN or infinity: export it again from its source.")
        if is_mean:
            self.energies.add(block, mono)
        if self.resampler is not None:
            mono = self.resampler.resample_chunk(np.ascontiguousarray(mono))
        self.parts.append(np.array(mono, dtype=np.float32))

    def wav(self) -> np.ndarray:
        self.energies.check()
        if self.resampler is not None:
            self.parts.append(self.resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
        wav = np.concatenate(self.parts) if self.parts else np.zeros(0, dtype=np.float32)
        if len(wav) == 0:
            raise AudioError(f"{self.path} contains no audio: use a recording with speech.")
        if not np.isfinite(wav).all():  # finite but huge values overflow in the resampler
            raise AudioError(f"{self.path} contains values far beyond full scale: export it again from its source.")
        return wav


def decode_file(path: Path, sample_rate: int, max_seconds: float) -> np.ndarray:
    """Decode a file to mono at `sample_rate`, unscaled: float32 [samples].

    Channels are averaged. Where they would cancel (left and right in antiphase), the loudest is used.

    Raises:
        AudioError: as `speech.audio.read_audio`.
    """
    _check_readable(path)
    decoders: list[Callable[[Path, _Request], np.ndarray]] = [_decode_with_soundfile, _decode_with_ffmpeg]
    first = _first_bytes(path)
    if _is_for_ffmpeg(first):
        decoders.reverse()
    for start, position, patch in OPEN_STREAMS:
        if first.startswith(start):
            decoders.append(partial(_decode_with_ffmpeg, first=first[:position] + patch))
    request = _Request(sample_rate, max_seconds)
    reasons: list[str] = []
    empty = False
    for decode in decoders:
        try:
            try:
                return decode(path, request)
            except _ChannelsCancel as cancellation:
                logger.debug("%s: its channels cancel; channel %d is used", path, cancellation.loudest)
                return decode(path, replace(request, channel=cancellation.loudest))
        except _NotReadable as error:
            reasons.append(str(error))
            empty = empty or isinstance(error, _Empty)
    if empty:
        raise AudioError(f"{path} contains no audio: use a recording with speech.")
    logger.debug("%s: %s", path, "; ".join(reasons))
    raise AudioError(
        f"{path} is not an audio file that can be decoded, or it is damaged: "
        f"convert it to wav, flac, ogg, mp3 or m4a, or copy it again from its source."
    )


def _check_readable(path: Path) -> None:
    try:
        if path.is_dir():
            raise AudioError(f"{path} is a folder: name the audio file inside it.")
        refuse_special(path)
        with open(path, "rb") as stream:
            if not stream.read(1):
                raise AudioError(f"{path} is empty (0 bytes): record or copy it again.")
    except FileNotFoundError:
        raise AudioError(f"There is no file {path}: check the path.") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise AudioError(f"{path} cannot be opened ({getattr(error, 'strerror', None) or error}).") from error


def _first_bytes(path: Path) -> bytes:
    """The first bytes after ID3v2 tags, which may precede several formats."""
    with open(path, "rb") as stream:
        while len(header := stream.read(10)) == 10 and header.startswith(b"ID3"):
            size = sum((byte & 0x7F) << shift for byte, shift in zip(header[6:], (21, 14, 7, 0), strict=True))
            stream.seek(size, os.SEEK_CUR)
        return header + stream.read(SIGNATURE_BYTES - len(header))


def _is_for_ffmpeg(first: bytes) -> bool:
    """Whether a file starts as a format that only FFmpeg decodes."""
    is_adts = len(first) > 1 and first[0] == 0xFF and first[1] & 0xF6 == 0xF0  # raw AAC: MPEG sync, layer 0
    return is_adts or any(first.startswith(signature, offset) for offset, signature in FFMPEG_SIGNATURES)


def _too_long(path: Path, max_seconds: float) -> AudioError:
    return AudioError(f"{path} is longer than the {max_seconds:g} seconds allowed: cut a shorter clip from it.")


def _is_plausible(path: Path, samples: float) -> bool:
    """Whether a file can hold the samples that its header states."""
    return samples <= MAX_SAMPLES_PER_BYTE * path.stat().st_size


def _decode_with_soundfile(path: Path, request: _Request) -> np.ndarray:
    import soundfile

    try:
        # Open by name: given a Python file object, libsndfile would call back into Python every few samples.
        with soundfile.SoundFile(path if os.name == "nt" else os.fsencode(path)) as file:
            collector = _Collector(path, file.samplerate, request)
            frames = file.frames if _is_plausible(path, file.frames) else 0
            if frames > collector.max_samples:
                raise _too_long(path, request.max_seconds)
            # An ogg or mp3 stream may not state its length: frames is then 0 or wrong, so read to the end.
            frames_per_block = max(1, BLOCK_VALUES // file.channels)
            while len(block := file.read(frames_per_block, dtype="float32", always_2d=True)):
                collector.add(block)
            if collector.samples_read < frames:
                logger.warning("%s ends early: %d of %d samples", path, collector.samples_read, frames)
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError, OverflowError) as error:
        raise _NotReadable(f"soundfile: {error}") from error
    if collector.samples_read == 0:
        if frames > 0:
            raise _NotReadable("soundfile: the header states samples, but none can be decoded")
        raise _Empty("soundfile: the header states no samples")
    return collector.wav()


def _decode_with_ffmpeg(path: Path, request: _Request, first: bytes = b"") -> np.ndarray:
    import av

    collector = None
    try:
        with open_container(path, first) as container:
            if not container.streams.audio:
                raise AudioError(f"{path} has no audio stream: use a recording with sound.")
            # Some containers estimate their duration from the bit rate. Refuse files that state twice the limit at
            # once, and others as soon as too much has been decoded.
            stated = (container.duration or 0) / av.time_base
            if stated > 2 * request.max_seconds and _is_plausible(path, stated * container.streams.audio[0].rate):
                raise _too_long(path, request.max_seconds)
            for rate, block in _ffmpeg_blocks(container):
                if collector is None:
                    collector = _Collector(path, rate, request)
                    first_rate = rate
                if rate != first_rate:
                    raise AudioError(f"{path} changes its sample rate in the middle: convert it to wav first.")
                collector.add(block)
    except (
        av.FFmpegError,
        OSError,
        ValueError,
        TypeError,
        OverflowError,
        NotImplementedError,
        AttributeError,
    ) as error:
        # OSError: with a damaged index FFmpeg seeks beyond the file. Keep what was decoded before the damage: half of
        # a truncated recording is still usable.
        if collector is None or collector.samples_read == 0:
            raise _NotReadable(f"PyAV: {error}") from error
        logger.warning("%s is damaged after %.1f s: %s", path, collector.samples_read / first_rate, error)
    if collector is None:
        raise _NotReadable("PyAV: no audio was decoded")
    return collector.wav()


def _ffmpeg_blocks(container: Any) -> Iterator[tuple[int, np.ndarray]]:
    """(sample rate, float32 [samples, channels]) of each frame of the first audio stream; damaged packets are skipped.

    Raises:
        AudioError: the stream has too many channels.
    """
    import av

    audio = container.streams.audio[0]
    to_float = None
    for packet in container.demux(audio):
        try:
            frames = packet.decode()
        except av.EOFError:
            return
        except av.FFmpegError as error:
            logger.debug("skipping a damaged packet: %s", error)
            continue
        for frame in frames:
            if not 0 < frame.layout.nb_channels <= MAX_CHANNELS:
                raise AudioError(f"The audio has {frame.layout.nb_channels} channels: mix it down to one or two first.")
            if to_float is None:
                to_float = av.AudioResampler(format="flt")  # interleaved: PyAV crashes on 8 planes or more
            for converted in to_float.resample(frame):
                yield frame.sample_rate, converted.to_ndarray().reshape(-1, converted.layout.nb_channels)
