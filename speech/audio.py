"""Sound in and out: read, write, resample, loudness, silence trimming, emphasis and mu-law.

Everywhere a `wav` is mono float32 [samples]; files are decoded in `speech/decoding.py`.
"""

import io
import logging
import os
import secrets
from pathlib import Path

import numpy as np

from speech.errors import AudioError, SpeechError, StorageError, disk_full_error

logger = logging.getLogger(__name__)

SAMPLE_RATE = 16_000

TARGET_DBFS = -30.0  # root mean square of a clip whose volume was raised

VAD_WINDOW_MS = 30  # the longest that webrtcvad takes
VAD_WINDOW = SAMPLE_RATE * VAD_WINDOW_MS // 1000  # samples at 16 kHz
VAD_MODE = 3  # its strictest
VAD_SMOOTHING_WINDOWS = 8
VAD_MAX_SILENCE_WINDOWS = 6  # speech grows by half of this to either side

BLOCK_SAMPLES = 480_000  # of a long sound worked on at a time, so that temporary copies stay small; whole VAD windows

OUTPUT_FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}


def read_audio(path: str | os.PathLike, sample_rate: int = SAMPLE_RATE, max_seconds: float = 3600) -> np.ndarray:
    """Decode any sound file to mono at `sample_rate`.

    Channels are averaged. What exceeds full scale (float files, codec overshoot) is scaled down as a whole.

    Args:
        sample_rate: Hz wanted, whatever the file's own rate.
        max_seconds: a longer file is refused, before it is decoded in full.
    Returns:
        float32 [samples] in [-1, 1], at least one sample.
    Raises:
        AudioError: the file is missing, empty, no sound file, without an audio stream, damaged beyond use, too long,
            or holds values that are not numbers.
    """
    from speech.decoding import decode_file  # soundfile and soxr take longer to import than this whole module

    wav = decode_file(Path(path), sample_rate, max_seconds)
    peak = float(np.max(np.abs(wav)))
    if peak > 1:
        # Lossy codecs overshoot by a little all the time; more than that deserves a word.
        logger.log(logging.WARNING if peak > 1.5 else logging.DEBUG, "%s peaks at %.3g; scaled down to 1", path, peak)
        wav /= np.float32(peak)
        np.clip(wav, -1, 1, out=wav)
    return wav


def write_audio(
    path: str | os.PathLike, wav: np.ndarray, sample_rate: int = SAMPLE_RATE, overwrite: bool = False
) -> None:
    """Write a wav (16 bit), flac (16 bit) or ogg (Vorbis) file, whole or not at all; values beyond +-1 are clipped.

    Raises:
        AudioError: the wav is empty, not mono or not finite.
        StorageError: the suffix is unknown, the file exists and `overwrite` is not set, or it cannot be written.
    """
    path = Path(path)
    form = OUTPUT_FORMATS.get(path.suffix.lower())
    if form is None:
        raise StorageError(
            f"{path} must end in one of {', '.join(OUTPUT_FORMATS)}, which says in what format to write."
        )
    if path.exists() and not overwrite:
        raise StorageError(f"{path} exists already: choose another name, or allow it to be overwritten.")
    wav = as_wav(wav)
    if len(wav) == 0:
        raise AudioError(f"There is no sound to write to {path}.")
    import soundfile

    # Encoded in memory first: a full disk then shows as an OSError of ours, not as an assertion inside the encoder.
    encoded = io.BytesIO()
    soundfile.write(encoded, np.clip(wav, -1, 1), sample_rate, format=form[0], subtype=form[1])
    _write_whole(path, encoded.getbuffer())


def as_wav(wav: np.ndarray) -> np.ndarray:
    """Check that an array is one channel of finite numbers; float32 view or copy, integers scaled by their range.

    Raises:
        AudioError: it has more than one dimension, or holds NaN or infinity.
    """
    wav = np.asarray(wav)
    if wav.ndim != 1:
        raise AudioError(
            f"Sound must be one channel, [samples], not an array of shape {list(wav.shape)}: mix it first."
        )
    if wav.dtype.kind == "i":
        wav = wav / np.float32(-float(np.iinfo(wav.dtype).min))
    elif wav.dtype.kind != "f":
        raise AudioError(f"Sound must be floating point or signed integers, not {wav.dtype}.")
    wav = wav.astype(np.float32, copy=False)
    if not np.isfinite(wav).all():
        raise AudioError("The sound holds values that are not numbers (NaN or infinity): export it again.")
    return wav


def resample(wav: np.ndarray, source_rate: int, target_rate: int) -> np.ndarray:
    """Band-limited resampling (soxr, high quality): float32 [samples] -> float32 [samples * target / source]."""
    if source_rate == target_rate:
        return wav
    import soxr

    return soxr.resample(wav.astype(np.float32, copy=False), source_rate, target_rate, quality="HQ")


# --- loudness -------------------------------------------------------------------------------------------------------


def rms_dbfs(wav: np.ndarray) -> float:
    """Root mean square level in dB below full scale; minus infinity for silence or no samples."""
    blocks = (wav[at : at + BLOCK_SAMPLES] for at in range(0, len(wav), BLOCK_SAMPLES))
    power = sum(float(np.sum(np.square(block, dtype=np.float64))) for block in blocks) / max(len(wav), 1)
    return 10 * float(np.log10(power)) if power > 0 else -float("inf")


def raise_volume(wav: np.ndarray, target_dbfs: float = TARGET_DBFS) -> np.ndarray:
    """Scale up to `target_dbfs` (root mean square over the whole clip); louder clips and silence stay as they are.

    Peaks of a quiet clip may end beyond 1: nothing is clipped here.
    """
    gain = raising_gain(wav, target_dbfs)
    return wav if gain == 1 else wav * np.float32(gain)


def raising_gain(wav: np.ndarray, target_dbfs: float = TARGET_DBFS) -> float:
    """The factor that `raise_volume` applies, at least 1."""
    gain_db = target_dbfs - rms_dbfs(wav)
    return 10 ** (gain_db / 20) if 0 < gain_db < float("inf") else 1.0


def normalize_peak(wav: np.ndarray, peak: float = 0.9) -> np.ndarray:
    """Scale so that the largest absolute value is `peak`; silence stays silence."""
    largest = float(np.max(np.abs(wav), initial=0.0))
    return wav * np.float32(peak / largest) if largest > 0 else wav


# --- silences -------------------------------------------------------------------------------------------------------


def voice_flags(wav: np.ndarray, sample_rate: int = SAMPLE_RATE, gain: float = 1.0) -> np.ndarray:
    """webrtcvad's verdict for each whole window of 30 ms: bool [samples // window].

    Args:
        sample_rate: 8000, 16000, 32000 or 48000, what webrtcvad knows.
        gain: how much louder the detector hears it.
    """
    import webrtcvad

    window = sample_rate * VAD_WINDOW_MS // 1000
    step = 2 * window  # bytes
    vad = webrtcvad.Vad(VAD_MODE)
    whole = len(wav) // window * window
    flags: list[bool] = []
    for start in range(0, whole, BLOCK_SAMPLES):
        # Clipped before the conversion: values beyond full scale would wrap around into noise that looks like speech.
        scaled = wav[start : min(start + BLOCK_SAMPLES, whole)] * np.float32(gain)
        scaled *= np.float32(32767)
        np.clip(np.rint(scaled, out=scaled), -32767, 32767, out=scaled)
        pcm = scaled.astype("<i2").tobytes()
        flags += [vad.is_speech(pcm[at : at + step], sample_rate) for at in range(0, len(pcm), step)]
    return np.array(flags, dtype=bool)


def kept_windows(wav: np.ndarray, gain: float = 1.0) -> np.ndarray:
    """Which windows of 30 ms are left when silences of more than about 0.2 s are cut out.

    The detector's flags are averaged over 8 windows, and what is voiced then grows by 3 windows to either side.

    Args:
        wav: float32 [samples] at 16 kHz.
        gain: as of `voice_flags`.
    Returns:
        bool [samples // 480].
    """
    flags = voice_flags(wav, gain=gain)
    if not flags.any():
        return flags
    # An even width has no middle: it looks one window further ahead than back.
    totals = _sums_around(flags, VAD_SMOOTHING_WINDOWS // 2 - 1, VAD_SMOOTHING_WINDOWS // 2)
    voiced = 2 * totals > VAD_SMOOTHING_WINDOWS
    return _sums_around(voiced, VAD_MAX_SILENCE_WINDOWS // 2, VAD_MAX_SILENCE_WINDOWS // 2) > 0


def _sums_around(flags: np.ndarray, behind: int, ahead: int) -> np.ndarray:
    """How many flags are set from `behind` before each to `ahead` after it; beyond the ends none is."""
    sums = np.concatenate([np.zeros(behind + 1, np.int64), np.cumsum(flags), np.full(ahead, np.count_nonzero(flags))])
    return sums[behind + ahead + 1 :] - sums[: -behind - ahead - 1]


def trim_long_silences(wav: np.ndarray) -> np.ndarray:
    """Cut out silences of more than about 0.2 s, as the speaker encoder's training data has them cut out.

    Args:
        wav: float32 [samples] at 16 kHz.
    Returns:
        float32 [kept samples], whole windows of 30 ms only (`kept_windows`); empty where there is no speech.
    """
    return _cut_out(wav, kept_windows(wav))


def _cut_out(wav: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return wav[: len(kept) * VAD_WINDOW].reshape(-1, VAD_WINDOW)[kept].reshape(-1)


def prepare_reference(wav: np.ndarray) -> np.ndarray:
    """What the speaker encoder hears: volume raised to -30 dBFS, long silences cut out.

    Args:
        wav: [samples] at 16 kHz.
    Returns:
        float32 [kept samples], never empty.
    Raises:
        AudioError: the wav is not one channel of finite numbers, is silent, or holds no speech.
    """
    return prepare_with_windows(wav)[0]


def prepare_with_windows(wav: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`prepare_reference`, and where in the clip its result comes from.

    Returns:
        float32 [480 * windows], what the encoder hears; int64 [windows], the numbers of the clip's windows of 30 ms
        that it consists of.
    Raises:
        AudioError: as `prepare_reference`.
    """
    wav = as_wav(wav)
    gain = raising_gain(wav)
    kept = kept_windows(wav, gain)
    if not kept.any():
        raise AudioError("No speech was found in this clip: use a recording in which somebody speaks.")
    prepared = _cut_out(wav, kept)
    prepared *= np.float32(gain)
    return prepared, np.flatnonzero(kept)


def trim_edges(
    wav: np.ndarray, sample_rate: int = SAMPLE_RATE, below_db: float = 40.0, margin_seconds: float = 0.05
) -> np.ndarray:
    """A view of `wav` without the silence at its ends (see `sound_bounds`); empty where the clip is silent."""
    start, end = sound_bounds(wav, sample_rate, below_db, margin_seconds)
    return wav[start:end]


def sound_bounds(
    wav: np.ndarray, sample_rate: int = SAMPLE_RATE, below_db: float = 40.0, margin_seconds: float = 0.05
) -> tuple[int, int]:
    """Where the sound begins and ends, by energy; inner pauses stay.

    A frame of 25 ms counts as sound when it is within `below_db` of the clip's loud frames, or, in a noisy clip, 6 dB
    above its quietest ones (but never less than 25 dB below the loud ones, so that soft final consonants survive).

    Returns:
        first sample and the one after the last, with `margin_seconds` left at either end; (0, 0) for a silent clip.
    """
    window, hop = sample_rate // 40, sample_rate // 100
    if len(wav) < window:
        return (0, len(wav)) if np.any(wav) else (0, 0)
    frames = np.lib.stride_tricks.sliding_window_view(wav, window)[::hop]
    levels = 10 * np.log10(np.einsum("ij,ij->i", frames, frames) / window + 1e-12)
    loud, floor = np.percentile(levels, [95, 5])
    if loud < -100:
        return 0, 0
    threshold = min(max(loud - below_db, floor + 6), loud - 25)
    sounding = np.flatnonzero(levels > threshold)
    margin = int(margin_seconds * sample_rate)
    return max(0, int(sounding[0]) * hop - margin), min(len(wav), int(sounding[-1]) * hop + window + margin)


# --- emphasis and mu-law --------------------------------------------------------------------------------------------


def preemphasis(wav: np.ndarray, coefficient: float = 0.97) -> np.ndarray:
    """y[t] = x[t] - coefficient * x[t - 1], which lifts high frequencies; [samples], same type."""
    emphasised = np.array(wav)
    emphasised[1:] -= wav.dtype.type(coefficient) * wav[:-1]
    return emphasised


def deemphasis(wav: np.ndarray, coefficient: float = 0.97) -> np.ndarray:
    """y[t] = x[t] + coefficient * y[t - 1], which undoes `preemphasis`; [samples], same type."""
    from scipy.signal import lfilter

    return lfilter([1.0], [1.0, -coefficient], wav.astype(np.float64)).astype(wav.dtype)


def mu_law_encode(wav: np.ndarray, bits: int = 9) -> np.ndarray:
    """Quantise [-1, 1] to 2**bits levels, finer around zero (ITU-T G.711's curve): any shape -> int64 labels."""
    mu = 2**bits - 1
    curved = np.sign(wav) * np.log1p(mu * np.abs(np.clip(wav, -1, 1))) / np.log1p(mu)
    return np.floor((curved + 1) / 2 * mu + 0.5).astype(np.int64)


def mu_law_decode(labels: np.ndarray, bits: int = 9) -> np.ndarray:
    """The values in [-1, 1] in the middle of each level: labels in [0, 2**bits - 1], any shape -> float32."""
    mu = 2**bits - 1
    curved = 2 * np.asarray(labels, dtype=np.float64) / mu - 1
    return (np.sign(curved) * np.expm1(np.abs(curved) * np.log1p(mu)) / mu).astype(np.float32)


# --- files ----------------------------------------------------------------------------------------------------------


def _write_whole(path: Path, content: memoryview) -> None:
    """Write to a sibling, flush it to the disk, rename: a crash leaves the old file or the new one, never a half."""
    sibling = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(sibling, "xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        sibling.replace(path)
    except OSError as error:
        sibling.unlink(missing_ok=True)
        raise _storage_error(path, error) from error
    except BaseException:
        sibling.unlink(missing_ok=True)
        raise


def _storage_error(path: Path, error: OSError) -> SpeechError:
    full = disk_full_error(error)
    if full is not None:
        return full
    return StorageError(f"{path} cannot be written ({error.strerror or error}): check the folder and its permissions.")
