"""F0 of the tokens of a text from that of its words."""

from __future__ import annotations

import numpy as np

UNKNOWN = float("nan")


def token_pitch(word_pitch: np.ndarray, words: np.ndarray) -> np.ndarray:
    """F0 of each token, interpolated between the beginning, middle and end of its word.

    Args:
        word_pitch: float32 [words, points] in octaves, see `speech.word_pitch`.
        words: index of the word of each token, [tokens], rising.

    Returns:
        float32 [tokens]; all NaN if the numbers of words differ.
    """
    count, points = word_pitch.shape
    if words[-1] + 1 != count:
        return np.full(len(words), UNKNOWN, np.float32)
    sizes = np.bincount(words, minlength=count)
    firsts = np.cumsum(sizes) - sizes
    within = (np.arange(len(words)) - firsts[words] + 0.5) / sizes[words]
    position = np.clip(within * points - 0.5, 0, points - 1)
    before = np.minimum(position.astype(int), points - 2)
    fraction = position - before
    return ((1 - fraction) * word_pitch[words, before] + fraction * word_pitch[words, before + 1]).astype(np.float32)
