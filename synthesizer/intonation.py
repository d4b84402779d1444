"""How a sentence ends: questions that can be answered by yes or no rise.

Read corpora hold hardly a question mark, so that no model learns this from them; but where the pitch is told, a rise
can be told too. Questions that ask who, what or why fall as statements do (Wells, "English Intonation", 2006).
"""

from __future__ import annotations

import numpy as np

from synthesizer.text.transcript import Transcript

ASKING = frozenset(("who", "whom", "whose", "what", "when", "where", "which", "why", "how"))
LOOKED_AT = 2  # words: "and what", "so why"
RISE_SECONDS, RISE_OCTAVES = 0.35, 0.45  # over the end of what is voiced; 5 semitones


def rises(transcript: Transcript) -> bool:
    """Whether a sentence is a question that rises at its end."""
    if not transcript.text.rstrip("\"') ").endswith("?"):
        return False
    words = [token.spelling.lower() for token in transcript.tokens if any(map(str.isalpha, token.spelling))]
    return not any(word.split("'")[0] in ASKING for word in words[:LOOKED_AT])


def raise_end(pitch: np.ndarray, frames_per_second: float, expression: float = 1.0) -> np.ndarray:
    """A pitch [frames] in Hz, 0 for none, that rises towards its last voiced frame."""
    voiced = np.flatnonzero(pitch)
    if not len(voiced):
        return pitch
    distance = (voiced[-1] - np.arange(len(pitch))) / (RISE_SECONDS * frames_per_second)
    return pitch * 2.0 ** (expression * RISE_OCTAVES * np.clip(1 - distance, 0, 1))
