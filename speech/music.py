"""Is there music in a clip, alone or behind a voice?

Music holds its tones: a note stays on one frequency for a third of a second and longer, and mostly two or more of its
partials do. A voice glides: over such a time the partials of even a monotone reader move by more than half a percent.
So spectral peaks are followed from frame to frame (McAulay & Quatieri, "Speech analysis/synthesis based on a sinusoidal
representation", 1986), and those that stay where they began are counted. A tone that never stops is a machine's hum,
and left out. Singing with vibrato and drums alone hold no tones and are not found.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from speech.audio import SAMPLE_RATE, raise_volume

WINDOW = SAMPLE_RATE * 64 // 1000
HOP = SAMPLE_RATE * 16 // 1000
N_FFT = 2 * WINDOW  # zeros make the peaks' frequencies finer
BLOCK_FRAMES = 20 * SAMPLE_RATE // HOP  # followed at a time, which bounds the memory
HZ_PER_BIN = SAMPLE_RATE / N_FFT
LOWEST_HZ, HIGHEST_HZ = 200, 5000

PEAK_ABOVE_SURROUNDINGS_DB = 7.0
SURROUNDINGS_HZ = 200
PEAK_BELOW_LOUDEST_DB = 45.0
HELD_SECONDS = 0.3
HELD_WITHIN = 0.006  # of the frequency: a tenth of a semitone
HELD_WITHIN_HZ = 2.5
# Share of the time in which so many tones at once must be held to be music. Of 800 clips of clean speech three hold two
# tones, for a third of a second each.
LEAST_SHARE_OF_TWO, LEAST_SHARE_OF_ONE = 0.04, 0.2
LEAST_SECONDS = 0.7  # of held tones altogether: one ring of a bell, or one long vowel, is no music

HUM_PERCENTILE = 25  # in time: what is there even then, never stops
HUM_ABOVE_SURROUNDINGS_DB = 4.0


@dataclass(frozen=True)
class HeldTones:
    """What `find_held_tones` found; all 0 and empty where it is no music.

    Attributes:
        share: of the time in which tones are held, 0 to 1.
        energy: of those tones in the clip's, between 200 and 5000 Hz, 0 to 1.
        spans: (start, end) in seconds of the stretches with held tones, those less than a second apart joined.
    """

    share: float = 0.0
    energy: float = 0.0
    spans: tuple[tuple[float, float], ...] = ()


def find_held_tones(wav: np.ndarray) -> HeldTones:
    """Look for tones held as musical instruments hold them.

    Args:
        wav: float32 [samples] at 16 kHz.
    """
    if len(wav) < WINDOW:
        return HeldTones()
    frames = sliding_window_view(raise_volume(wav), WINDOW)[::HOP]
    counts, held_energy = np.zeros(len(frames), np.int64), np.zeros(len(frames), np.float32)
    energy = 0.0
    for start in range(0, len(frames), BLOCK_FRAMES):
        block = slice(start, start + BLOCK_FRAMES)
        power = _power(frames[block])
        held = _held(power)
        counts[block] = np.count_nonzero(held, axis=1)
        # A Hann window spreads a tone over four bins of a transform of its own length, eight of this one.
        lobes = maximum_filter1d(held.astype(np.uint8), 9, axis=1).astype(bool)
        held_energy[block] = np.where(lobes, power, 0).sum(axis=1)
        energy += float(power.sum())
    for tones, least_share in ((2, LEAST_SHARE_OF_TWO), (1, LEAST_SHARE_OF_ONE)):
        music = counts >= tones
        if music.sum() * HOP >= max(least_share * len(music) * HOP, LEAST_SECONDS * SAMPLE_RATE):
            return HeldTones(float(music.mean()), float(held_energy[music].sum()) / max(energy, 1e-12), _spans(music))
    return HeldTones()


def _power(frames: np.ndarray) -> np.ndarray:
    """float32 [frames, bins], from `LOWEST_HZ` to `HIGHEST_HZ`."""
    window = np.hanning(WINDOW).astype(np.float32)
    bins = slice(round(LOWEST_HZ / HZ_PER_BIN), round(HIGHEST_HZ / HZ_PER_BIN))
    spectrum = scipy.fft.rfft(frames * window, N_FFT, axis=1)[:, bins]
    return spectrum.real**2 + spectrum.imag**2


def _held(power: np.ndarray) -> np.ndarray:
    """Where a peak belongs to a tone that is held long enough: bool [frames, bins]."""
    levels = 10 * np.log10(power + 1e-7)
    above = levels - _around(levels)
    peaks = np.zeros(levels.shape, dtype=bool)
    middle, below, higher = levels[:, 1:-1], levels[:, :-2], levels[:, 2:]
    peaks[:, 1:-1] = (middle > below) & (middle >= higher)
    peaks &= above > PEAK_ABOVE_SURROUNDINGS_DB
    peaks &= levels > np.percentile(levels.max(axis=1), 95) - PEAK_BELOW_LOUDEST_DB
    lasting = np.percentile(levels, HUM_PERCENTILE, axis=0)
    hum = lasting - _around(lasting) > HUM_ABOVE_SURROUNDINGS_DB
    peaks &= ~hum
    return _long_tracks(peaks, _frequencies(levels, peaks))


def _around(levels: np.ndarray) -> np.ndarray:
    """Mean level of the neighbouring frequencies."""
    return uniform_filter1d(levels, round(SURROUNDINGS_HZ / HZ_PER_BIN), axis=-1)


def _frequencies(levels: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """Hz of each peak, by the parabola through it and its neighbours: float32 [frames, bins], 0 where there is none."""
    frequencies = np.zeros(levels.shape, dtype=np.float32)
    frame, bin_ = np.nonzero(peaks)
    below, middle, higher = levels[frame, bin_ - 1], levels[frame, bin_], levels[frame, bin_ + 1]
    offset = (below - higher) / (2 * np.minimum(below - 2 * middle + higher, -1e-6))
    frequencies[frame, bin_] = (bin_ + offset) * HZ_PER_BIN + LOWEST_HZ
    return frequencies


def _long_tracks(peaks: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """The peaks that belong to a track of `HELD_SECONDS` or more, all of it near the frequency it began with."""
    count, bins = peaks.shape
    length = np.zeros(peaks.shape, dtype=np.int32)  # of the track up to here, in frames
    origin = np.zeros(peaks.shape, dtype=np.float32)  # Hz it began with
    before = np.full(peaks.shape, -1, dtype=np.int32)  # bin of the frame before that it comes from
    for frame in range(count):
        at = np.flatnonzero(peaks[frame])
        hz = frequencies[frame, at]
        length[frame, at], origin[frame, at] = 1, hz
        if not frame:
            continue
        allowed = np.maximum(HELD_WITHIN_HZ, HELD_WITHIN * hz)
        for step in (-1, 0, 1):
            source = np.clip(at + step, 0, bins - 1)
            grown = length[frame - 1, source] + 1
            better = (np.abs(hz - origin[frame - 1, source]) < allowed) & (grown > length[frame, at])
            better &= peaks[frame - 1, source]
            length[frame, at[better]] = grown[better]
            origin[frame, at[better]] = origin[frame - 1, source[better]]
            before[frame, at[better]] = source[better]
    for frame in range(count - 1, 0, -1):  # what a track became is handed back to its beginning
        at = np.flatnonzero(before[frame] >= 0)
        np.maximum.at(length[frame - 1], before[frame, at], length[frame, at])
    return length >= HELD_SECONDS * SAMPLE_RATE / HOP


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
