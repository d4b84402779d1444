"""Errors of a copy's F0 against its recording's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from speech.yin import yin_f0

MIN_VOICED_FRAMES = 5  # voiced in both; with fewer, no F0 error is reported


@dataclass(frozen=True)
class F0Errors:
    """Differences of two F0 contours.

    Attributes:
        cents: mean absolute difference over the frames that are voiced in both, in hundredths of a semitone; None if
            there are too few of them.
        voicing: fraction of the frames that are voiced in only one of the two.
    """

    cents: float | None
    voicing: float


def f0_errors(wav: np.ndarray, reference: np.ndarray) -> F0Errors:
    """F0 errors of a copy. Args: wav, reference: float32 [samples] at 16 kHz, aligned."""
    samples = min(len(wav), len(reference))
    copy, original = yin_f0(wav[:samples]), yin_f0(reference[:samples])
    both = (copy > 0) & (original > 0)
    voicing = float(((copy > 0) != (original > 0)).mean()) if len(copy) else 0.0
    if both.sum() < MIN_VOICED_FRAMES:
        return F0Errors(None, voicing)
    return F0Errors(float(np.abs(1200 * np.log2(copy[both] / original[both])).mean()), voicing)
