"""How far a copy's pitch is from its recording's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from speech.yin import yin_f0

LEAST_FRAMES = 5  # voiced in both, below which there is no error to speak of


@dataclass(frozen=True)
class PitchError:
    """How two voices differ.

    Attributes:
        cents: mean absolute difference over the frames that are voiced in both, in hundredths of a semitone; None where
            these are too few.
        voicing: share of the frames that are voiced in one only.
    """

    cents: float | None
    voicing: float


def pitch_error(wav: np.ndarray, reference: np.ndarray) -> PitchError:
    """How far the pitch of a copy is from the recording's. Args: float32 [samples] at 16 kHz, aligned."""
    samples = min(len(wav), len(reference))
    ours, theirs = yin_f0(wav[:samples]), yin_f0(reference[:samples])
    both = (ours > 0) & (theirs > 0)
    voicing = float(((ours > 0) != (theirs > 0)).mean()) if len(ours) else 0.0
    if both.sum() < LEAST_FRAMES:
        return PitchError(None, voicing)
    return PitchError(float(np.abs(1200 * np.log2(ours[both] / theirs[both])).mean()), voicing)
