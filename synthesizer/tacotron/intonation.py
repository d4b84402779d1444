"""Final rise of yes/no questions.

Read corpora hold too few questions to train on. The postfilter takes an explicit F0 contour, so the rise is added to
it. Wh-questions fall like statements (Wells, "English Intonation", 2006).
"""

from __future__ import annotations

import numpy as np

from synthesizer.text.transcript import Transcript

WH_WORDS = frozenset(("who", "whom", "whose", "what", "when", "where", "which", "why", "how"))
WORDS_CHECKED = 2  # "and what", "so why"
RISE_SECONDS, RISE_OCTAVES = 0.35, 0.4  # to 5 semitones above the mean, over the end of the voiced frames


def rises(transcript: Transcript) -> bool:
    """Whether a sentence is a yes/no question."""
    if not transcript.text.rstrip("\"') ").endswith("?"):
        return False
    words = [token.spelling.lower() for token in transcript.tokens if any(map(str.isalpha, token.spelling))]
    return not any(word.split("'")[0] in WH_WORDS for word in words[:WORDS_CHECKED])


def raise_end(pitch: np.ndarray, frames_per_second: float, pitch_range: float = 1.0) -> np.ndarray:
    """Replace the end of an F0 contour with a rise towards its last voiced frame.

    Args:
        pitch: [frames] in Hz, 0 where unvoiced.
        pitch_range: factor on RISE_OCTAVES.
    """
    voiced = np.flatnonzero(pitch)
    if not len(voiced):
        return pitch
    target = np.log2(pitch[voiced]).mean() + pitch_range * RISE_OCTAVES
    distance = (voiced[-1] - voiced) / (RISE_SECONDS * frames_per_second)
    weight = np.clip(1 - distance, 0, 1)
    raised = pitch.copy()
    raised[voiced] = pitch[voiced] ** (1 - weight) * 2.0 ** (weight * target)
    return raised
