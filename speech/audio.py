"""Audio input and output, resampling, level, pre-emphasis and mu-law.

A `wav` is mono float32 [samples] everywhere. Files are decoded in `speech/decoding.py`.
"""

import io
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from speech.errors import AudioError, StorageError
from speech.files import write_bytes
from speech.wav_header import wav_header

logger = logging.getLogger(__name__)

SAMPLE_RATE = 16_000
INT16_SCALE = 32768.0  # of samples in feature stores

TARGET_DBFS = -30.0  # RMS level of a clip whose volume was raised

# A mean above this fraction of the RMS level without it counts as a DC offset, and the same of the means of blocks as
# drift. Clean corpora stay below 0.004 and 0.031, and clips below the thresholds are left bit-identical.
MAX_OFFSET, MAX_DRIFT = 0.06, 0.06
DRIFT_BLOCK_SECONDS = 0.25
DRIFT_CUTOFF_HZ = 20.0

BLOCK_SAMPLES = 480_000  # samples processed at a time, so that temporary copies stay small; a multiple of a VAD window

OUTPUT_FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}


def read_audio(path: str | os.PathLike, sample_rate: int = SAMPLE_RATE, max_seconds: float = 3600) -> np.ndarray:
    """Decode an audio file to mono at `sample_rate`.

    Channels are averaged, or the loudest is used where they would cancel. DC offset and drift are removed
    (`remove_offset`). A clip that exceeds full scale (float files, codec overshoot) is scaled down as a whole.

    Args:
        path: any format that soundfile or FFmpeg decodes.
        sample_rate: output sample rate in Hz.
        max_seconds: longer files are refused before they are decoded in full.
    Returns:
        float32 [samples] in [-1, 1], at least one sample.
    Raises:
        AudioError: the file is missing, empty, not an audio file, without an audio stream, damaged beyond use, too
            long, or contains NaN or infinity.
    """
    from speech.decoding import decode_file  # imports soundfile and soxr, which are slow to import

    wav = remove_offset(decode_file(Path(path), sample_rate, max_seconds), sample_rate)
    peak = float(np.max(np.abs(wav)))
    if peak > 1:
        # Lossy codecs often overshoot a little; only more than that is worth a warning.
        logger.log(logging.WARNING if peak > 1.5 else logging.DEBUG, "%s peaks at %.3g; scaled down to 1", path, peak)
        wav /= np.float32(peak)
        np.clip(wav, -1, 1, out=wav)
    return wav


def write_audio(
    path: str | os.PathLike,
    wav: np.ndarray,
    sample_rate: int = SAMPLE_RATE,
    overwrite: bool = False,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write a wav (16 bit), flac (16 bit) or ogg (Vorbis) file atomically. Values beyond +-1 are clipped.

    Args:
        path: its suffix selects the format: .wav, .flac or .ogg.
        wav: float32 [samples] in [-1, 1].
        sample_rate: of `wav`, in Hz.
        overwrite: replace an existing file.
        tags: texts by name, as in `speech.wav_header.INFO_NAMES`.
    Raises:
        AudioError: the wav is empty, not mono or not finite.
        StorageError: the suffix is unknown, the file exists and `overwrite` is false, or it cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in OUTPUT_FORMATS:
        raise StorageError(f"{path} must end in one of {', '.join(OUTPUT_FORMATS)}, which selects the format.")
    if path.exists() and not overwrite:
        raise StorageError(f"{path} exists already: choose another name, or allow overwriting it.")
    wav = as_wav(wav)
    if len(wav) == 0:
        raise AudioError(f"There is no audio to write to {path}.")
    # Encode in memory first: a full disk then raises an OSError here, not an assertion inside the encoder.
    write_bytes(path, encode_audio(wav, sample_rate, suffix, tags), make_folder=False, overwrite=overwrite)


def encode_audio(wav: np.ndarray, sample_rate: int, suffix: str, tags: Mapping[str, str] | None = None) -> bytes:
    """The content of an audio file; arguments as for `write_audio`, with a suffix of `OUTPUT_FORMATS`."""
    if suffix == ".wav":
        samples = pcm16(wav).tobytes()
        return wav_header(sample_rate, len(samples), tags) + samples
    import soundfile

    form, subtype = OUTPUT_FORMATS[suffix]
    content = io.BytesIO()
    with soundfile.SoundFile(content, "w", sample_rate, 1, subtype, format=form) as file:
        for name, text in (tags or {}).items():
            setattr(file, name, text)
        file.write(pcm16(wav) if subtype == "PCM_16" else np.clip(wav, -1, 1))
    return content.getvalue()


def pcm16(wav: np.ndarray) -> np.ndarray:
    """Round to 16-bit samples; values beyond +-1 are clipped: float32 [samples] -> int16 [samples]."""
    return np.clip(np.rint(wav * np.float32(32768)), -32768, 32767).astype("<i2")


def as_wav(wav: np.ndarray) -> np.ndarray:
    """Check that an array is one channel of finite numbers and convert it to float32.

    Args:
        wav: [samples], floating point or signed integers. Integers are scaled by their range.
    Returns:
        float32 [samples], a view where possible.
    Raises:
        AudioError: it has more than one dimension or a different type, or contains NaN or infinity.
    """
    wav = np.asarray(wav)
    if wav.ndim != 1:
        raise AudioError(
            f"Audio must be one channel, [samples], not an array of shape {list(wav.shape)}: mix it down first."
        )
    if wav.dtype.kind == "i":
        wav = wav / np.float32(-float(np.iinfo(wav.dtype).min))
    elif wav.dtype.kind != "f":
        raise AudioError(f"Audio must be floating point or signed integers, not {wav.dtype}.")
    wav = wav.astype(np.float32, copy=False)
    if not np.isfinite(wav).all():
        raise AudioError("The audio contains NaN or infinity: export it again.")
    return wav


def resample(wav: np.ndarray, source_rate: int, target_rate: int) -> np.ndarray:
    """Band-limited resampling (soxr, high quality): float32 [samples] -> float32 [samples * target / source]."""
    if source_rate == target_rate:
        return wav
    import soxr

    return soxr.resample(wav.astype(np.float32, copy=False), source_rate, target_rate, quality="HQ")


# --- level ----------------------------------------------------------------------------------------------------------


def rms_dbfs(wav: np.ndarray) -> float:
    """Root mean square (RMS) level in dB relative to full scale; minus infinity for silence or no samples."""
    blocks = (wav[at : at + BLOCK_SAMPLES] for at in range(0, len(wav), BLOCK_SAMPLES))
    power = sum(float(np.sum(np.square(block, dtype=np.float64))) for block in blocks) / max(len(wav), 1)
    return 10 * float(np.log10(power)) if power > 0 else -float("inf")


def raise_volume(wav: np.ndarray, target_dbfs: float = TARGET_DBFS) -> np.ndarray:
    """Scale up to an RMS level of `target_dbfs`. Louder clips and silence are returned unchanged.

    Nothing is clipped: peaks of a quiet clip may exceed 1.
    """
    gain = volume_gain(wav, target_dbfs)
    return wav if gain == 1 else wav * np.float32(gain)


def volume_gain(wav: np.ndarray, target_dbfs: float = TARGET_DBFS) -> float:
    """Factor that `raise_volume` applies, at least 1."""
    gain_db = target_dbfs - rms_dbfs(wav)
    return 10 ** (gain_db / 20) if 0 < gain_db < float("inf") else 1.0


def remove_offset(wav: np.ndarray, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Remove a DC offset by subtracting the mean, and drift by a zero-phase high-pass filter at 20 Hz.

    Args:
        wav: float32 [samples].
        sample_rate: of `wav`, in Hz.
    Returns:
        float32 [samples]; `wav` itself where offset and drift are below `MAX_OFFSET` and `MAX_DRIFT`, or where it is
        shorter than a block.
    """
    block = int(DRIFT_BLOCK_SECONDS * sample_rate)
    whole = len(wav) // block * block
    if whole == 0:
        return wav
    mean = float(np.mean(wav, dtype=np.float64))
    level = float(np.std(wav, dtype=np.float64))
    block_means = wav[:whole].reshape(-1, block).mean(axis=1, dtype=np.float64)
    if float(np.std(block_means)) > MAX_DRIFT * level:
        from scipy.signal import butter, sosfiltfilt

        filter_ = butter(2, DRIFT_CUTOFF_HZ, "highpass", fs=sample_rate, output="sos")
        padding = min(block, len(wav) - 1)
        return sosfiltfilt(filter_, wav.astype(np.float64) - mean, padlen=padding).astype(np.float32)
    return wav - np.float32(mean) if abs(mean) > MAX_OFFSET * level else wav


def normalize_peak(wav: np.ndarray, peak: float = 0.9) -> np.ndarray:
    """Scale so that the largest absolute value is `peak`. Silence is returned unchanged."""
    largest = float(np.max(np.abs(wav), initial=0.0))
    return wav * np.float32(peak / largest) if largest > 0 else wav


# --- pre-emphasis and mu-law ----------------------------------------------------------------------------------------


def preemphasis(wav: np.ndarray, coefficient: float = 0.97) -> np.ndarray:
    """High-pass filter y[t] = x[t] - coefficient * x[t - 1]: [samples], same type."""
    emphasised = np.array(wav)
    emphasised[1:] -= wav.dtype.type(coefficient) * wav[:-1]
    return emphasised


def mu_law_encode(wav: np.ndarray, bits: int = 9) -> np.ndarray:
    """Quantise [-1, 1] to 2**bits mu-law levels (the curve of ITU-T G.711): any shape -> int64 labels."""
    mu = 2**bits - 1
    curved = np.sign(wav) * np.log1p(mu * np.abs(np.clip(wav, -1, 1))) / np.log1p(mu)
    return np.floor((curved + 1) / 2 * mu + 0.5).astype(np.int64)


def mu_law_decode(labels: np.ndarray, bits: int = 9) -> np.ndarray:
    """Inverse of `mu_law_encode`: labels in [0, 2**bits - 1], any shape -> float32 in [-1, 1]."""
    mu = 2**bits - 1
    curved = 2 * np.asarray(labels, dtype=np.float64) / mu - 1
    return (np.sign(curved) * np.expm1(np.abs(curved) * np.log1p(mu)) / mu).astype(np.float32)
