"""The two mel front ends: power mels for the speaker encoder, log mels for the synthesizer and the vocoder.

Both use numpy and scipy in float32 and the Slaney mel filter bank (Slaney, "Auditory Toolbox", 1998): linear below
1 kHz, logarithmic above, each triangle scaled to unit area. The settings of the log mels are a `MelConfig`; those of
the power mels are fixed but for the number of bands, because public speaker encoders depend on them.
"""

import functools
from collections.abc import Callable

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from speech.audio import SAMPLE_RATE, preemphasis
from speech.errors import AudioError
from speech.mel_config import MelConfig

ENCODER_N_MELS = 40
ENCODER_WINDOW = SAMPLE_RATE * 25 // 1000  # 25 ms
ENCODER_HOP = SAMPLE_RATE * 10 // 1000  # 10 ms

FRAMES_PER_BLOCK = 256  # a block's spectra stay in the processor's cache

SLANEY_LINEAR_HZ = 200 / 3  # width of one mel below the break
SLANEY_BREAK_HZ = 1000.0
SLANEY_LOG_STEP = np.log(6.4) / 27  # above the break 27 mels span a factor of 6.4


def encoder_mel(wav: np.ndarray, frames: int | None = None, n_mels: int = ENCODER_N_MELS) -> np.ndarray:
    """Power mels for the speaker encoder.

    Args:
        wav: float32 [samples] at 16 kHz, volume raised and long silences trimmed.
        frames: number of frames wanted; the wav is padded with zeros for those after its end.
    Returns:
        float32 [frames, n_mels], power (no logarithm); frames = samples // 160 + 1 unless given.
    Raises:
        AudioError: the wav is empty or not mono.
    """
    filters = _filters_transposed(SAMPLE_RATE, ENCODER_WINDOW, n_mels, 0.0, SAMPLE_RATE / 2)
    return _mel_frames(wav, ENCODER_WINDOW, ENCODER_HOP, ENCODER_WINDOW, filters, _power, frames)


def synthesis_mel(wav: np.ndarray, config: MelConfig | None = None) -> np.ndarray:
    """Log mels for the synthesizer and the vocoder.

    Args:
        wav: float32 [samples] at `config.sample_rate`, peak-normalised to 0.9; pre-emphasis happens here.
    Returns:
        float32 [n_mels, frames], frames = samples // hop_length + 1, dB scaled and clipped to
        [-max_abs_value, max_abs_value]. Frame k is centred on sample k * hop_length.
    Raises:
        AudioError: the wav is empty or not mono.
    """
    config = config or MelConfig()
    filters = _filters_transposed(config.sample_rate, config.n_fft, config.n_mels, config.fmin, config.fmax)
    emphasised = preemphasis(wav, config.preemphasis)
    mel = _mel_frames(emphasised, config.n_fft, config.hop_length, config.win_length, filters, np.abs)
    return log_mel(mel.T, config)


def mel_to_magnitude(mel: np.ndarray, config: MelConfig | None = None, iterations: int = 8) -> np.ndarray:
    """A linear magnitude spectrogram that has this mel, as Griffin-Lim needs it (still pre-emphasised).

    The filter bank has no inverse. The clipped least-squares solution is inaccurate, so it is refined by multiplicative
    updates (Lee & Seung, 2001), which keep it non-negative and lower the error at every step.

    Args:
        mel: [n_mels, frames], dB scaled to [-max_abs_value, max_abs_value].
    Returns:
        float32 [n_fft // 2 + 1, frames], at least 0.
    """
    config = config or MelConfig()
    if mel.ndim != 2 or mel.shape[0] != config.n_mels:
        raise AudioError(f"A mel must have the shape [{config.n_mels}, frames], not {list(mel.shape)}.")
    filters, inverse = filters_and_inverse(config)
    target = mel_amplitudes(mel, config)
    magnitude = np.maximum(inverse @ target, 1e-7)
    wanted = filters.T @ target
    for _ in range(iterations):
        magnitude *= wanted / np.maximum(filters.T @ (filters @ magnitude), 1e-12)
    return magnitude


def code_mel(mel: np.ndarray, max_abs_value: float = MelConfig.max_abs_value) -> np.ndarray:
    """Quantise a normalised mel for a feature store: any shape in [-max_abs_value, max_abs_value] -> uint8.

    The step is 0.4 dB with the default settings. Values out of range are clipped.
    """
    scaled = (np.asarray(mel, dtype=np.float32) + max_abs_value) * (255 / (2 * max_abs_value))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def decode_mel(coded: np.ndarray, max_abs_value: float = MelConfig.max_abs_value) -> np.ndarray:
    """The float32 mel that `code_mel` quantised as uint8, to within half a step."""
    return coded.astype(np.float32) * np.float32(2 * max_abs_value / 255) - np.float32(max_abs_value)


@functools.lru_cache(maxsize=8)
def mel_filters(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> np.ndarray:
    """Slaney's triangular filters, each of unit area in Hz: float32 [n_mels, n_fft // 2 + 1], read-only."""
    edges = _mel_to_hz(np.linspace(_hz_to_mel(fmin), _hz_to_mel(fmax), n_mels + 2))
    frequencies = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    distance = edges[:, None] - frequencies[None, :]
    widths = np.diff(edges)[:, None]
    rising, falling = -distance[:-2] / widths[:-1], distance[2:] / widths[1:]
    filters = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    filters = filters.astype(np.float32)
    filters.flags.writeable = False
    return filters


def _hz_to_mel(hz: float) -> float:
    if hz < SLANEY_BREAK_HZ:
        return hz / SLANEY_LINEAR_HZ
    return SLANEY_BREAK_HZ / SLANEY_LINEAR_HZ + float(np.log(hz / SLANEY_BREAK_HZ)) / SLANEY_LOG_STEP


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    above = mel - SLANEY_BREAK_HZ / SLANEY_LINEAR_HZ
    return np.where(above < 0, mel * SLANEY_LINEAR_HZ, SLANEY_BREAK_HZ * np.exp(SLANEY_LOG_STEP * above))


@functools.lru_cache(maxsize=8)
def _filters_transposed(*settings) -> np.ndarray:
    """The transposed filters as one contiguous matrix, [frequencies, n_mels], for a plain matrix product."""
    return np.ascontiguousarray(mel_filters(*settings).T)


@functools.lru_cache(maxsize=4)
def filters_and_inverse(config: MelConfig) -> tuple[np.ndarray, np.ndarray]:
    """The filters [n_mels, frequencies] and their pseudo-inverse [frequencies, n_mels], float32."""
    filters = mel_filters(config.sample_rate, config.n_fft, config.n_mels, config.fmin, config.fmax)
    return filters, np.linalg.pinv(filters).astype(np.float32)


@functools.lru_cache(maxsize=8)
def hann_window(win_length: int, n_fft: int) -> np.ndarray:
    """Periodic Hann window, centred in n_fft samples."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(win_length) / win_length)
    left = (n_fft - win_length) // 2
    return np.pad(window, (left, n_fft - win_length - left)).astype(np.float32)


def _power(spectrum: np.ndarray) -> np.ndarray:
    return spectrum.real**2 + spectrum.imag**2


def _mel_frames(
    wav: np.ndarray,
    n_fft: int,
    hop: int,
    win_length: int,
    filters: np.ndarray,
    amplitude: Callable[[np.ndarray], np.ndarray],
    count: int | None = None,
) -> np.ndarray:
    """Centred short-time spectra through `amplitude` and the filters: float32 [frames, n_mels].

    Only the first and the last block are padded, so the whole wav is never copied.
    """
    if wav.ndim != 1 or len(wav) == 0:
        raise AudioError(f"A mel needs one channel with at least one sample, not an array of shape {list(wav.shape)}.")
    window = hann_window(win_length, n_fft)
    wav = wav.astype(np.float32, copy=False)
    count = len(wav) // hop + 1 if count is None else count
    mel = np.empty((count, filters.shape[1]), dtype=np.float32)
    for first in range(0, count, FRAMES_PER_BLOCK):
        last = min(first + FRAMES_PER_BLOCK, count) - 1
        block = _padded_slice(wav, first * hop - n_fft // 2, last * hop - n_fft // 2 + n_fft)
        frames = sliding_window_view(block, n_fft)[::hop]
        spectrum = scipy.fft.rfft(frames * window, axis=1, workers=1)
        np.matmul(amplitude(spectrum), filters, out=mel[first : last + 1])
    return mel


def _padded_slice(wav: np.ndarray, start: int, end: int) -> np.ndarray:
    """wav[start:end], with zeros for samples before its start and after its end; a view if none are needed."""
    inside = wav[max(start, 0) : max(end, 0)]
    before = min(max(-start, 0), end - start)
    return np.pad(inside, (before, end - start - before - len(inside))) if len(inside) < end - start else inside


def _amplitude_to_db(amplitude: np.ndarray, min_level_db: float) -> np.ndarray:
    return 20 * np.log10(np.maximum(np.float32(10 ** (min_level_db / 20)), amplitude))


def _normalise_db(decibels: np.ndarray, config: MelConfig) -> np.ndarray:
    top = config.max_abs_value
    scaled = (decibels - config.min_level_db) * (2 * top / -config.min_level_db) - top
    return np.clip(scaled, -top, top, dtype=np.float32)


def log_mel(amplitudes: np.ndarray, config: MelConfig) -> np.ndarray:
    """Linear mel amplitudes of any shape in dB, float32, scaled and clipped to [-max_abs_value, max_abs_value]."""
    return _normalise_db(_amplitude_to_db(amplitudes, config.min_level_db) - config.ref_level_db, config)


def mel_amplitudes(mel: np.ndarray, config: MelConfig) -> np.ndarray:
    """Linear mel amplitudes, float32, from dB scaled to [-max_abs_value, max_abs_value], of any shape."""
    mel, top = mel.astype(np.float32), config.max_abs_value
    decibels = (np.clip(mel, -top, top) + top) * (-config.min_level_db / (2 * top)) + config.min_level_db
    return np.power(10, (decibels + config.ref_level_db) / 20, dtype=np.float32)
