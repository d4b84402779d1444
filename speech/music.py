"""Detection of music in a clip, alone or behind a voice, by sustained tones.

A note of an instrument stays on one frequency for 0.3 s and longer, and often several partials do. In speech, even of a
monotone reader, the partials move by more than 0.5 % in that time. Spectral peaks are tracked from frame to frame
(McAulay and Quatieri, "Speech analysis/synthesis based on a sinusoidal representation", 1986), and peaks that stay near
the frequency they began with are counted. A tone that never stops counts as mains or machine hum, not as music.
Limits: singing with vibrato and drums alone are not detected.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from speech.audio import SAMPLE_RATE, raise_volume

WINDOW = SAMPLE_RATE * 64 // 1000
HOP = SAMPLE_RATE * 16 // 1000
N_FFT = 2 * WINDOW  # zero padding refines the peak frequencies
BLOCK_FRAMES = 20 * SAMPLE_RATE // HOP  # processed at a time, which bounds the memory
HZ_PER_BIN = SAMPLE_RATE / N_FFT
MIN_HZ, MAX_HZ = 200, 5000

PEAK_ABOVE_SURROUNDINGS_DB = 7.0
SURROUNDINGS_HZ = 200
PEAK_BELOW_LOUDEST_DB = 45.0
MIN_TONE_SECONDS = 0.3
TONE_TOLERANCE = 0.006  # of the frequency: a tenth of a semitone
TONE_TOLERANCE_HZ = 2.5
# (simultaneous tones, fraction of the time in which they must be present). Of 800 clips of clean speech, three have two
# simultaneous tones, for 0.3 s each.
MIN_FRACTIONS = ((2, 0.04), (1, 0.2))
MIN_MUSIC_SECONDS = 0.7  # in total: one bell or one long vowel is not music

HUM_PERCENTILE = 25  # of the level over time; what exceeds its surroundings even there is a hum
HUM_ABOVE_SURROUNDINGS_DB = 4.0


@dataclass(frozen=True)
class Music:
    """Result of `detect_music`; all values are 0 or empty if there is no music.

    Attributes:
        fraction: of the time with sustained tones, 0 to 1.
        energy: of those tones relative to the clip's between 200 and 5000 Hz, 0 to 1.
        spans: (start, end) in seconds of the segments with sustained tones; gaps of less than a second are joined.
    """

    fraction: float = 0.0
    energy: float = 0.0
    spans: tuple[tuple[float, float], ...] = ()


def detect_music(wav: np.ndarray) -> Music:
    """Detect sustained tones as of musical instruments.

    Args:
        wav: float32 [samples] at 16 kHz.
    """
    if len(wav) < WINDOW:
        return Music()
    frames = sliding_window_view(raise_volume(wav), WINDOW)[::HOP]
    counts, tone_energy = np.zeros(len(frames), np.int64), np.zeros(len(frames), np.float32)
    energy = 0.0
    for start in range(0, len(frames), BLOCK_FRAMES):
        block = slice(start, start + BLOCK_FRAMES)
        power = _power(frames[block])
        sustained = _sustained_peaks(power)
        counts[block] = np.count_nonzero(sustained, axis=1)
        # The main lobe of a Hann window is four bins wide, and eight with zero padding to twice the length.
        lobes = maximum_filter1d(sustained.astype(np.uint8), 9, axis=1).astype(bool)
        tone_energy[block] = np.where(lobes, power, 0).sum(axis=1)
        energy += float(power.sum())
    for tones, min_fraction in MIN_FRACTIONS:
        music = counts >= tones
        if music.sum() * HOP >= max(min_fraction * len(music) * HOP, MIN_MUSIC_SECONDS * SAMPLE_RATE):
            return Music(float(music.mean()), float(tone_energy[music].sum()) / max(energy, 1e-12), _spans(music))
    return Music()


def _power(frames: np.ndarray) -> np.ndarray:
    """Power spectrum from `MIN_HZ` to `MAX_HZ`: float32 [frames, bins]."""
    window = np.hanning(WINDOW).astype(np.float32)
    bins = slice(round(MIN_HZ / HZ_PER_BIN), round(MAX_HZ / HZ_PER_BIN))
    spectrum = scipy.fft.rfft(frames * window, N_FFT, axis=1)[:, bins]
    return spectrum.real**2 + spectrum.imag**2


def _sustained_peaks(power: np.ndarray) -> np.ndarray:
    """Peaks that belong to a sustained tone: bool [frames, bins]."""
    levels = 10 * np.log10(power + 1e-7)
    above = levels - _local_mean(levels)
    peaks = np.zeros(levels.shape, dtype=bool)
    centre, lower, upper = levels[:, 1:-1], levels[:, :-2], levels[:, 2:]
    peaks[:, 1:-1] = (centre > lower) & (centre >= upper)
    peaks &= above > PEAK_ABOVE_SURROUNDINGS_DB
    peaks &= levels > np.percentile(levels.max(axis=1), 95) - PEAK_BELOW_LOUDEST_DB
    background = np.percentile(levels, HUM_PERCENTILE, axis=0)
    hum = background - _local_mean(background) > HUM_ABOVE_SURROUNDINGS_DB
    peaks &= ~hum
    return _long_tracks(peaks, _frequencies(levels, peaks))


def _local_mean(levels: np.ndarray) -> np.ndarray:
    """Mean level of the neighbouring frequencies: same shape."""
    return uniform_filter1d(levels, round(SURROUNDINGS_HZ / HZ_PER_BIN), axis=-1)


def _frequencies(levels: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """Peak frequencies in Hz by parabolic interpolation: float32 [frames, bins], 0 where there is no peak."""
    frequencies = np.zeros(levels.shape, dtype=np.float32)
    frame, bin_ = np.nonzero(peaks)
    lower, centre, upper = levels[frame, bin_ - 1], levels[frame, bin_], levels[frame, bin_ + 1]
    offset = (lower - upper) / (2 * np.minimum(lower - 2 * centre + upper, -1e-6))
    frequencies[frame, bin_] = (bin_ + offset) * HZ_PER_BIN + MIN_HZ
    return frequencies


def _long_tracks(peaks: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Peaks on tracks of at least `MIN_TONE_SECONDS` that stay near their first frequency: bool [frames, bins]."""
    count, bins = peaks.shape
    length = np.zeros(peaks.shape, dtype=np.int32)  # frames of the track so far
    origin = np.zeros(peaks.shape, dtype=np.float32)  # first frequency of the track, Hz
    previous = np.full(peaks.shape, -1, dtype=np.int32)  # bin of the track in the frame before
    for frame in range(count):
        at = np.flatnonzero(peaks[frame])
        hz = frequencies[frame, at]
        length[frame, at], origin[frame, at] = 1, hz
        if not frame:
            continue
        allowed = np.maximum(TONE_TOLERANCE_HZ, TONE_TOLERANCE * hz)
        for step in (-1, 0, 1):
            source = np.clip(at + step, 0, bins - 1)
            grown = length[frame - 1, source] + 1
            better = (np.abs(hz - origin[frame - 1, source]) < allowed) & (grown > length[frame, at])
            better &= peaks[frame - 1, source]
            length[frame, at[better]] = grown[better]
            origin[frame, at[better]] = origin[frame - 1, source[better]]
            previous[frame, at[better]] = source[better]
    for frame in range(count - 1, 0, -1):  # propagate the final length back to the start of a track
        at = np.flatnonzero(previous[frame] >= 0)
        np.maximum.at(length[frame - 1], previous[frame, at], length[frame, at])
    return length >= MIN_TONE_SECONDS * SAMPLE_RATE / HOP


def _spans(music: np.ndarray) -> tuple[tuple[float, float], ...]:
    seconds = HOP / SAMPLE_RATE
    edges = np.flatnonzero(np.diff(np.concatenate([[False], music, [False]]).astype(np.int8)))
    spans: list[tuple[float, float]] = []
    for start, end in zip(edges[::2] * seconds, edges[1::2] * seconds, strict=True):
        if spans and start - spans[-1][1] < 1:
            spans[-1] = (spans[-1][0], float(end))
        else:
            spans.append((float(start), float(end)))
    return tuple(spans)
