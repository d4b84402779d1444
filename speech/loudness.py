"""Loudness by ITU-R BS.1770-4, true peak, and a limiter. Imports scipy.signal and pyloudnorm on first use."""

import numpy as np

BLOCK_SECONDS = 0.4  # of the measurement; a shorter clip is measured as one block
FAINTEST_LUFS = -50.0  # a fainter clip is amplified as if it had this loudness: noise stays faint
CEILING = 10 ** (-1.5 / 20)  # true peak of a levelled clip; half a decibel is left for lossy codecs and other meters
OVERSAMPLING = 4
LIMITER_SECONDS = 0.02  # of look-ahead, and of the release: longer than a pitch period, so that the gain is smooth
MAX_PASSES = 10  # of the limiter; each makes up for the loudness that the one before took away
TOLERANCE_LU = 0.05


def load_meter() -> None:
    """Import what the measurements need, which takes up to a second."""
    import pyloudnorm
    import scipy.signal  # noqa: F401

    assert pyloudnorm.Meter


def integrated_loudness(wav: np.ndarray, sample_rate: int) -> float:
    """Gated loudness in LUFS, by ITU-R BS.1770-4.

    Args:
        wav: float32 [samples].
        sample_rate: in Hz.

    Returns:
        LUFS; minus infinity for silence and for no samples. A clip below 0.4 s is measured as one block, so that it is
        not rated as quieter for being short.
    """
    from pyloudnorm import Meter

    if not wav.any():
        return -np.inf
    block = min(BLOCK_SECONDS, (len(wav) - 0.5) / sample_rate)  # half a sample less, so that rounding does not matter
    return float(Meter(sample_rate, block_size=block).integrated_loudness(wav.astype(np.float64)))


def true_peak(wav: np.ndarray) -> float:
    """Largest absolute value of the signal between and at the samples, by oversampling: float32 [samples] -> linear."""
    return float(_peaks(wav).max(initial=0.0))


def level(wav: np.ndarray, sample_rate: int, loudness: float) -> np.ndarray:
    """A clip at a loudness, with a true peak of -1.5 dB at most.

    Args:
        wav: float32 [samples].
        sample_rate: in Hz.
        loudness: in LUFS. Peaks that would exceed the ceiling are limited, and the rest is raised to make up for it.

    Returns:
        float32 [samples].
    """
    gain = 10 ** ((loudness - max(integrated_loudness(wav, sample_rate), FAINTEST_LUFS)) / 20)
    levelled = wav * np.float32(gain)
    if true_peak(levelled) <= CEILING:
        return levelled
    wanted = integrated_loudness(levelled, sample_rate)
    for _ in range(MAX_PASSES):
        limited = limit(levelled, sample_rate)
        missing = wanted - integrated_loudness(limited, sample_rate)
        if abs(missing) < TOLERANCE_LU:
            break
        levelled = levelled * np.float32(10 ** (1.5 * missing / 20))  # the limiter takes part of it away
    return limited


def limit(wav: np.ndarray, sample_rate: int, ceiling: float = CEILING) -> np.ndarray:
    """Lower the gain smoothly around peaks that exceed a ceiling; the rest is unchanged.

    The gain is the smallest that any peak within 20 ms needs, smoothed by a Hann window of the same reach. So it is low
    enough at every peak, and reaches it without a step.

    Args:
        wav: float32 [samples].
        sample_rate: in Hz.
        ceiling: largest true peak, linear.

    Returns:
        float32 [samples].
    """
    from scipy.ndimage import minimum_filter1d
    from scipy.signal import oaconvolve

    peaks = _peaks(wav)
    if not (peaks > ceiling).any():
        return wav
    reach = round(LIMITER_SECONDS * sample_rate)
    needed = minimum_filter1d(ceiling / np.maximum(peaks, ceiling), 2 * reach + 1, mode="nearest")
    window = np.hanning(2 * reach + 3)[1:-1]
    gain = oaconvolve(np.pad(needed, reach, mode="edge"), window / window.sum(), mode="valid")
    return (wav * gain).astype(np.float32)


def _peaks(wav: np.ndarray) -> np.ndarray:
    """Largest absolute value of the signal around each sample, up to the neighbouring samples: [samples]."""
    from scipy.ndimage import maximum_filter1d
    from scipy.signal import resample_poly

    if not len(wav):
        return np.zeros(0)
    between = np.abs(resample_poly(wav.astype(np.float64), OVERSAMPLING, 1))
    around = maximum_filter1d(between, 2 * OVERSAMPLING - 1, mode="nearest")[::OVERSAMPLING]
    return np.maximum(around, np.abs(wav))
