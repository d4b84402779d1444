"""F0 at the rate of units: what a prior from units is conditioned on beside them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speech.word_pitch import MAX_DEVIATION
from speech.yin import HOP, yin_f0

YIN_RATE = 16_000 // HOP  # frames per second


def unit_pitch(wav: np.ndarray, count: int, unit_rate: int = 50) -> NDArray[np.float32]:
    """F0 at the centre of each unit of a recording.

    Args:
        wav: float32 [samples] at 16 kHz.
        count: number of units; unit_rate: of them per second.

    Returns:
        float32 [count] in Hz; 0 where it is unvoiced, or further from the median than speech moves.
    """
    frames = yin_f0(wav)
    if not len(frames):
        return np.zeros(count, np.float32)
    centres = ((np.arange(count) + 0.5) * YIN_RATE / unit_rate).astype(np.int64)
    pitch = frames[np.minimum(centres, len(frames) - 1)]
    voiced = pitch > 0
    if voiced.any():
        octaves = np.log2(np.where(voiced, pitch, 1) / np.median(pitch[voiced]))
        pitch = np.where(voiced & (np.abs(octaves) <= MAX_DEVIATION), pitch, 0)
    return pitch.astype(np.float32)


def moved_pitch(
    pitch: NDArray[np.float32], median: float, target: float, pitch_range: float = 1.0
) -> NDArray[np.float32]:
    """An F0 contour around another median.

    Args:
        pitch: float32 [units] in Hz, 0 where it is unvoiced.
        median: of the speaker of the contour, in Hz; target: the one it gets.
        pitch_range: factor of the distance to the median in octaves.
    """
    voiced = pitch > 0
    octaves = np.log2(np.where(voiced, pitch, median) / median)
    return np.where(voiced, target * 2 ** (pitch_range * octaves), 0).astype(np.float32)
