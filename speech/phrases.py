"""Phrases of a recording: speech between pauses, of limited length."""

from __future__ import annotations

import numpy as np

from speech.audio import SAMPLE_RATE, volume_gain
from speech.errors import AudioError
from speech.vad import VAD_WINDOW, speech_windows

CELL = SAMPLE_RATE // 10  # samples; phrases begin and end at multiples of 0.1 s
MARGIN_CELLS = 1  # before and after detected speech
PAUSE_CELLS = 5  # a shorter pause does not end a phrase
MOST_CELLS = 80  # of a phrase


def phrases(wav: np.ndarray) -> list[tuple[int, int]]:
    """Where somebody speaks.

    Args:
        wav: float32 [samples] at 16 kHz.

    Returns:
        start and end of each phrase in samples, in order: multiples of 0.1 s, at most 8 s apart. Without a pause a
        phrase is cut where it is quietest.

    Raises:
        AudioError: no speech is detected.
    """
    active = np.flatnonzero(_active_cells(wav))
    if not len(active):
        raise AudioError("No speech was found in this recording: use one in which somebody speaks.")
    breaks = np.flatnonzero(np.diff(active) > PAUSE_CELLS) + 1
    levels = np.square(wav[: len(wav) // CELL * CELL], dtype=np.float64).reshape(-1, CELL).mean(1)
    spans = []
    for run in np.split(active, breaks):
        start, end = int(run[0]), int(run[-1]) + 1
        while end - start > MOST_CELLS:
            earliest = start + MOST_CELLS // 2
            cut = earliest + int(levels[earliest : start + MOST_CELLS].argmin())
            spans.append((start * CELL, cut * CELL))
            start = cut
        spans.append((start * CELL, end * CELL))
    return spans


def _active_cells(wav: np.ndarray) -> np.ndarray:
    """Cells that have speech, or are next to one: bool [samples // CELL]."""
    kept = np.flatnonzero(speech_windows(wav, volume_gain(wav)))
    active = np.zeros(len(wav) // CELL + 1, bool)
    for edge in (kept * VAD_WINDOW, (kept + 1) * VAD_WINDOW - 1):  # a window is shorter than a cell
        active[edge // CELL] = True
    widened = np.convolve(active, np.ones(2 * MARGIN_CELLS + 1), "same") > 0
    return widened[: len(wav) // CELL]
