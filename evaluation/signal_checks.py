"""Checks of a waveform that need no recogniser: length, clipping, dead air, level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from speech.audio import SAMPLE_RATE, rms_dbfs

CHARACTERS_PER_SECOND = 14.0  # of read English
PLAUSIBLE_LENGTH = (0.5, 2.0)  # times what the characters would take
FULL_SCALE = 0.999
CLIPPED_RUN = 3  # samples; one or two at full scale may be a peak, more are clipping
WINDOW_SECONDS = 0.02
QUIET_BELOW_PEAK_DB = 50.0
MAX_DEAD_AIR_SECONDS = 0.5


@dataclass(frozen=True)
class SignalReport:
    """Checks of one waveform.

    Attributes:
        seconds: length.
        length_ratio: length relative to that of the text at 14 characters per second; None without a text.
        clipped_samples: samples in runs of three or more at full scale.
        dead_air_seconds: longest pause inside the speech, 50 dB or more below its loudest 20 ms.
        rms_dbfs: root mean square level in dB relative to full scale.
        peak: largest absolute sample.
    """

    seconds: float
    length_ratio: float | None
    clipped_samples: int
    dead_air_seconds: float
    rms_dbfs: float
    peak: float

    @property
    def plausible_length(self) -> bool:
        low, high = PLAUSIBLE_LENGTH
        return self.length_ratio is None or low <= self.length_ratio <= high

    @property
    def clipped(self) -> bool:
        return self.clipped_samples > 0

    @property
    def dead_air(self) -> bool:
        return self.dead_air_seconds >= MAX_DEAD_AIR_SECONDS

    @property
    def ok(self) -> bool:
        return self.plausible_length and not self.clipped and not self.dead_air and self.peak > 0


def check_signal(wav: np.ndarray, text: str = "", sample_rate: int = SAMPLE_RATE) -> SignalReport:
    """Check one waveform.

    Args:
        wav: float32 [samples] in [-1, 1].
        text: what is spoken; the number of its characters gives the expected length.
    """
    seconds = len(wav) / sample_rate
    expected = len(" ".join(text.split())) / CHARACTERS_PER_SECOND
    return SignalReport(
        seconds=seconds,
        length_ratio=seconds / expected if expected else None,
        clipped_samples=clipped_samples(wav),
        dead_air_seconds=longest_dead_air(wav, sample_rate),
        rms_dbfs=rms_dbfs(wav),
        peak=float(np.abs(wav).max(initial=0.0)),
    )


def clipped_samples(wav: np.ndarray) -> int:
    """Number of samples in runs of at least three at full scale, on the same side."""
    count = 0
    for side in (wav >= FULL_SCALE, wav <= -FULL_SCALE):
        lengths = _run_lengths(side)
        count += int(lengths[lengths >= CLIPPED_RUN].sum())
    return count


def longest_dead_air(wav: np.ndarray, sample_rate: int = SAMPLE_RATE) -> float:
    """Seconds of the longest pause; silence at the ends does not count."""
    size = round(WINDOW_SECONDS * sample_rate)
    windows = wav[: len(wav) // size * size].reshape(-1, size)
    if not len(windows):
        return 0.0
    level = np.sqrt(np.mean(np.square(windows, dtype=np.float64), axis=1))
    quiet = level <= level.max() * 10 ** (-QUIET_BELOW_PEAK_DB / 20)
    loud = np.flatnonzero(~quiet)
    if not len(loud):
        return 0.0
    inside = quiet[loud[0] : loud[-1] + 1]
    return float(_run_lengths(inside).max(initial=0) * WINDOW_SECONDS)


def _run_lengths(flags: np.ndarray) -> np.ndarray:
    """Lengths of the runs of true values: bool [n] -> int [runs]."""
    edges = np.diff(np.concatenate(([False], flags, [False])).astype(np.int8))
    return np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)
