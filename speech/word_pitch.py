"""Pitch contours of words, relative to the median F0 of the recording."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.signal

from speech.audio import SAMPLE_RATE
from speech.yin import HOP, yin_f0

POINTS = 3  # per word: means of its first, second and last third
MAX_DEVIATION = 0.75  # octaves from the median; frames beyond are octave errors or creaky voice
MIN_VOICED_FRAMES = 10  # frames of 10 ms
SMOOTHING_FRAMES = 5


def word_pitch_contours(wav: np.ndarray, times: Sequence[tuple[float, float]]) -> np.ndarray | None:
    """Pitch of each word in octaves relative to the median F0 of the clip, interpolated over unvoiced frames.

    Args:
        wav: float32 [samples] at 16 kHz.
        times: start and end of each word in seconds.

    Returns:
        float32 [words, 3]; None if less than 0.1 s is voiced.
    """
    frequencies = yin_f0(wav)
    voiced = np.flatnonzero(frequencies)
    if len(voiced) < MIN_VOICED_FRAMES:
        return None
    octaves = np.log2(frequencies[voiced])
    octaves -= np.median(octaves)
    valid = np.abs(octaves) <= MAX_DEVIATION
    smooth = scipy.signal.medfilt(octaves[valid], SMOOTHING_FRAMES)
    contour = np.interp(np.arange(len(frequencies)), voiced[valid], smooth)
    edges = np.stack([np.linspace(start, end, POINTS + 1) for start, end in times]) * (SAMPLE_RATE / HOP)
    first = np.clip(np.floor(edges[:, :-1]), 0, len(contour) - 1).astype(int)
    last = np.maximum(np.clip(np.ceil(edges[:, 1:]), 0, len(contour)).astype(int), first + 1)
    sums = np.concatenate(([0.0], np.cumsum(contour)))
    return ((sums[last] - sums[first]) / (last - first)).astype(np.float32)
