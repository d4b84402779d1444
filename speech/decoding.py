"""Sound files to mono float32, block by block: soundfile first, PyAV (FFmpeg's libraries) for what it refuses.

A file is untrusted input. Its header may lie about rate, length and channels, so that every limit is checked on the
samples that really come out, and memory stays bounded by the length allowed rather than by what the file claims.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from speech.errors import AudioError

logger = logging.getLogger(__name__)

BLOCK_VALUES = 2**19  # samples times channels decoded at a time
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
MAX_CHANNELS = 64

# FFmpeg also reads playlists that name other files and addresses; none of those are let in.
FFMPEG_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac,mp3,ogg,flac,wav,w64,aiff,au,caf,"
    "asf,avi,flv,amr,ac3,eac3,ape,wv,tta,mpegts,mpeg"
)
# Containers that libsndfile can mistake for damaged MPEG audio.
FFMPEG_SUFFIXES = {".m4a", ".m4b", ".aac", ".mp4", ".mov", ".webm", ".mkv", ".mka", ".3gp", ".wma", ".amr"}


class _NotReadable(Exception):
    """This library cannot make anything of the file; the other one may."""


class _Collector:
    """Blocks of [samples, channels] -> one mono wav at the wanted rate, within the length allowed."""

    def __init__(self, path: Path, source_rate: int, target_rate: int, max_seconds: float):
        if not LOWEST_RATE <= source_rate <= HIGHEST_RATE:
            raise AudioError(
                f"{path} says that it has {source_rate} samples a second, which no sound file has: export it again."
            )
        self.path, self.max_seconds = path, max_seconds
        self.max_samples = max_seconds * source_rate
        self.seen = 0
        self.parts: list[np.ndarray] = []
        self.resampler = None
        if source_rate != target_rate:
            self.resampler = soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32", quality="HQ")

    def add(self, block: np.ndarray) -> None:
        self.seen += len(block)
        if self.seen > self.max_samples:
            raise _too_long(self.path, self.max_seconds)
        mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)
        if not np.isfinite(mono).all():
            raise AudioError(
                f"{self.path} holds values that are not numbers (NaN or infinity): export it again from its source."
            )
        if self.resampler is not None:
            mono = self.resampler.resample_chunk(np.ascontiguousarray(mono))
        self.parts.append(np.array(mono, dtype=np.float32))

    def wav(self) -> np.ndarray:
        if self.resampler is not None:
            self.parts.append(self.resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
        wav = np.concatenate(self.parts) if self.parts else np.zeros(0, dtype=np.float32)
        if len(wav) == 0:
            raise AudioError(f"{self.path} holds no sound: use a recording with speech in it.")
        if not np.isfinite(wav).all():  # finite but absurd values overflow while they are resampled
            raise AudioError(f"{self.path} holds values far beyond full scale: export it again from its source.")
        return wav


def decode_file(path: Path, sample_rate: int, max_seconds: float) -> np.ndarray:
    """Decode to mono at `sample_rate`, unscaled; see `speech.audio.read_audio` for the contract."""
    _check_readable(path)
    decoders = [_decode_with_soundfile, _decode_with_ffmpeg]
    if path.suffix.lower() in FFMPEG_SUFFIXES:
        decoders.reverse()
    reasons = []
    for decode in decoders:
        try:
            return decode(path, sample_rate, max_seconds)
        except _NotReadable as error:
            reasons.append(str(error))
    logger.debug("%s: %s", path, "; ".join(reasons))
    raise AudioError(
        f"{path} is not a sound file that can be read, or it is damaged: "
        f"convert it to wav, flac, ogg, mp3 or m4a, or copy it again from its source."
    )


def _check_readable(path: Path) -> None:
    try:
        if path.is_dir():
            raise AudioError(f"{path} is a folder: name the sound file inside it.")
        with open(path, "rb") as stream:
            if not stream.read(1):
                raise AudioError(f"{path} is empty (0 bytes): record or copy it again.")
    except FileNotFoundError:
        raise AudioError(f"There is no file {path}: check the path.") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise AudioError(f"{path} cannot be opened ({getattr(error, 'strerror', None) or error}).") from error


def _too_long(path: Path, max_seconds: float) -> AudioError:
    return AudioError(f"{path} is longer than the {max_seconds:g} seconds allowed: cut out a shorter piece of it.")


def _decode_with_soundfile(path: Path, sample_rate: int, max_seconds: float) -> np.ndarray:
    import soundfile

    try:
        # By name, not as an open file: the library's own reading spares a call into Python for every few samples.
        with soundfile.SoundFile(path if os.name == "nt" else os.fsencode(path)) as sound:
            collector = _Collector(path, sound.samplerate, sample_rate, max_seconds)
            if sound.frames > collector.max_samples:
                raise _too_long(path, max_seconds)
            # A stream of ogg or mp3 may not know its length; then frames says 0 or nonsense, and we simply read on.
            frames_per_block = max(1, BLOCK_VALUES // sound.channels)
            while len(block := sound.read(frames_per_block, dtype="float32", always_2d=True)):
                collector.add(block)
            if collector.seen < sound.frames:
                logger.warning("%s ends early: %d of %d samples", path, collector.seen, sound.frames)
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError, OverflowError) as error:
        raise _NotReadable(f"soundfile: {error}") from error
    if collector.seen == 0 and sound.frames > 0:
        raise _NotReadable("soundfile: the header promises sound, but none can be decoded")
    return collector.wav()


def _decode_with_ffmpeg(path: Path, sample_rate: int, max_seconds: float) -> np.ndarray:
    import av

    collector = None
    try:
        # An open file rather than a name: FFmpeg would take "concat:a|b" or "http://..." as an instruction.
        with (
            open(path, "rb") as stream,
            av.open(
                stream, mode="r", options={"format_whitelist": FFMPEG_FORMATS}, metadata_errors="ignore"
            ) as container,
        ):
            if not container.streams.audio:
                raise AudioError(f"{path} has no audio stream: use a recording with sound.")
            # Some containers only guess their duration from the bit rate: twice too long is refused unheard, the
            # rest as soon as too much has come out.
            if container.duration and container.duration / av.time_base > 2 * max_seconds:
                raise _too_long(path, max_seconds)
            for rate, block in _ffmpeg_blocks(container):
                if collector is None:
                    collector = _Collector(path, rate, sample_rate, max_seconds)
                    first_rate = rate
                if rate != first_rate:
                    raise AudioError(f"{path} changes its sample rate half-way: convert it to wav first.")
                collector.add(block)
    except (av.FFmpegError, OSError, ValueError, TypeError, OverflowError, UnicodeError, NotImplementedError) as error:
        # OSError: a damaged index makes FFmpeg seek to where no file can be. What came out before the damage is kept:
        # half a truncated recording is still a recording.
        if collector is None or collector.seen == 0:
            raise _NotReadable(f"PyAV: {error}") from error
        logger.warning("%s is damaged after %.1f s: %s", path, collector.seen / first_rate, error)
    if collector is None:
        raise _NotReadable("PyAV: no sound comes out of it")
    return collector.wav()


def _ffmpeg_blocks(container: Any) -> Iterator[tuple[int, np.ndarray]]:
    """(rate, float32 [samples, channels]) of the first audio stream, frame by frame; damaged packets are left out."""
    import av

    audio = container.streams.audio[0]
    to_float = None
    for packet in container.demux(audio):
        try:
            frames = packet.decode()
        except av.EOFError:
            return
        except av.FFmpegError as error:
            logger.debug("a damaged packet is left out: %s", error)
            continue
        for frame in frames:
            if not 0 < frame.layout.nb_channels <= MAX_CHANNELS:
                raise AudioError(f"The sound has {frame.layout.nb_channels} channels: mix it to one or two first.")
            if to_float is None:
                to_float = av.AudioResampler(format="fltp")
            for converted in to_float.resample(frame):
                yield frame.sample_rate, converted.to_ndarray().T
