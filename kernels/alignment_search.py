"""Monotonic alignment search (Kim et al. 2020, Glow-TTS, arXiv 2005.11129, section 3.2): the most likely durations.

Each frame belongs to one token, the tokens follow in order, and each has a frame at least. Of these alignments the
search finds the one with the highest sum of scores, by dynamic programming.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kernels.machine_code import Library, functions_of
from speech.errors import one_line

logger = logging.getLogger(__name__)

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

UNREACHABLE = -1e30  # sum of a token that no alignment reaches in that frame
LIBRARY = Library(
    "alignment",
    "kernels.alignment_search_kernels",
    ("kernels.parts", "kernels.alignment_search", "kernels.alignment_search_kernels"),
    subject="alignment search",
)


def search_alignment(scores: Floats, tokens: Integers, frames: Integers) -> Integers:
    """The durations with the highest sum of scores, in compiled code where there is some for this processor.

    Args:
        scores: float32 [batch, frames, tokens], log likelihood of each frame given each token. It is overwritten.
        tokens, frames: int64 [batch], valid tokens and frames of each row.

    Returns:
        int64 [batch, tokens], frames of each token; 0 for padding.

    Raises:
        ValueError: a row has fewer frames than tokens, or no token.
    """
    if (frames < tokens).any() or (tokens < 1).any():
        raise ValueError("each row needs a token, and as many frames as tokens")
    search = _compiled()
    if search is None:
        return search_with_numpy(scores, tokens, frames)
    scores = np.ascontiguousarray(scores, np.float32)
    durations = np.zeros((scores.shape[0], scores.shape[2]), np.int64)
    lengths = [np.ascontiguousarray(given, np.int64) for given in (tokens, frames)]
    search(scores, *lengths, durations, *scores.shape)
    return durations


@functools.cache
def _compiled() -> Callable[..., None] | None:
    try:
        return functions_of(LIBRARY)["search"]
    except Exception as error:  # no numba, or no code for this processor: numpy does the same
        logger.warning("The alignment search cannot be compiled here (%s), so it takes longer.", one_line(error))
        return None


def search_with_numpy(scores: Floats, tokens: Integers, frames: Integers) -> Integers:
    """The reference implementation of `search_alignment`, which does not change its arguments."""
    durations = np.zeros((scores.shape[0], scores.shape[2]), np.int64)
    for row, (last_token, length) in enumerate(zip(tokens, frames, strict=True)):
        sums = scores[row, :length, :last_token].astype(np.float32)
        sums[0, 1:] = UNREACHABLE
        for frame in range(1, length):
            before = sums[frame - 1]
            sums[frame] += np.maximum(before, np.concatenate(([np.float32(UNREACHABLE)], before[:-1])))
        token = last_token - 1
        for frame in range(length - 1, -1, -1):
            durations[row, token] += 1
            if token and frame and (token == frame or sums[frame - 1, token - 1] > sums[frame - 1, token]):
                token -= 1
    return durations
