"""How a sentence ends: questions that can be answered by yes or no rise.

Read corpora hold hardly a question mark, so that no model learns this from them; but where the pitch is told, a rise
can be told too. Questions that ask who, what or why fall as statements do (Wells, "English Intonation", 2006).
"""

from __future__ import annotations

import numpy as np

from synthesizer.text.transcript import Transcript

ASKING = frozenset(("who", "whom", "whose", "what", "when", "where", "which", "why", "how"))
LOOKED_AT = 2  # words: "and what", "so why"
RISE_SECONDS, RISE_OCTAVES = 0.35, 0.4  # over the end of what is voiced, to 5 semitones above the sentence's mean


def rises(transcript: Transcript) -> bool:
    """Whether a sentence is a question that rises at its end."""
    if not transcript.text.rstrip("\"') ").endswith("?"):
        return False
    words = [token.spelling.lower() for token in transcript.tokens if any(map(str.isalpha, token.spelling))]
    return not any(word.split("'")[0] in ASKING for word in words[:LOOKED_AT])


def raise_end(pitch: np.ndarray, frames_per_second: float, pitch_range: float = 1.0) -> np.ndarray:
    """A pitch that rises towards its last voiced frame, wherever it would have gone.

    Args:
        pitch: [frames] in Hz, 0 for none.
        pitch_range: times RISE_OCTAVES.
    """
    voiced = np.flatnonzero(pitch)
    if not len(voiced):
        return pitch
    aim = np.log2(pitch[voiced]).mean() + pitch_range * RISE_OCTAVES
    distance = (voiced[-1] - voiced) / (RISE_SECONDS * frames_per_second)
    share = np.clip(1 - distance, 0, 1)
    raised = pitch.copy()
    raised[voiced] = pitch[voiced] ** (1 - share) * 2.0 ** (share * aim)
    return raised
