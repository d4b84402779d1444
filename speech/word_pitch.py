"""The melody of speech: how far above or below the voice's own pitch each word is spoken, from beginning to end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.signal

from speech.audio import SAMPLE_RATE
from speech.yin import HOP, yin_f0

POINTS = 3  # of a word: means of its first, second and last third
FURTHEST = 0.75  # octaves from the median; what is further off is an octave mistaken, or creaks
LEAST_VOICED = 10  # frames of 10 ms, below which nothing can be told
SMOOTHED = 5  # frames


def word_melody(wav: np.ndarray, times: Sequence[tuple[float, float]]) -> np.ndarray | None:
    """Pitch of words in octaves above the median of the clip; where there is no voice, it goes straight on.

    Args:
        wav: float32 [samples] at 16 kHz.
        times: start and end of each word in seconds.

    Returns:
        float32 [words, 3]; None if next to nothing is voiced.
    """
    frequencies = yin_f0(wav)
    voiced = np.flatnonzero(frequencies)
    if len(voiced) < LEAST_VOICED:
        return None
    octaves = np.log2(frequencies[voiced])
    octaves -= np.median(octaves)
    near = np.abs(octaves) <= FURTHEST
    smooth = scipy.signal.medfilt(octaves[near], SMOOTHED)
    contour = np.interp(np.arange(len(frequencies)), voiced[near], smooth)
    edges = np.stack([np.linspace(start, end, POINTS + 1) for start, end in times]) * (SAMPLE_RATE / HOP)
    first = np.clip(np.floor(edges[:, :-1]), 0, len(contour) - 1).astype(int)
    last = np.maximum(np.clip(np.ceil(edges[:, 1:]), 0, len(contour)).astype(int), first + 1)
    sums = np.concatenate(([0.0], np.cumsum(contour)))
    return ((sums[last] - sums[first]) / (last - first)).astype(np.float32)
