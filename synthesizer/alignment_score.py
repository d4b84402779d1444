"""Score an alignment: did attention cover the whole text once, in order? Needs numpy only.

A Tacotron fails by skipping words, repeating them, or continuing past the end of the text. All three show in the
alignment:

    tokens ^        .##   good        ##.         skips           #      repeats
           |     .##.             .             words       ##  ##
           |  .##.             .##                        ##  ##
           +------------> steps
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BACKWARD_TOLERANCE = 2  # tokens; the peak may move back on a letter pair or a space without a repetition
FORWARD_TOLERANCE = 3  # tokens; at a reduction factor of 4 a step is 50 ms and can cover several short letters
END_TOLERANCE = 3  # tokens; "!", a space and the end symbol are often covered in one step
COVERED = 0.05  # least weight at any step of a token that counts as covered
WORD_COVERED = 0.1  # the same for the summed weight of a word's tokens
MINIMUM_COVERAGE = 0.9
MINIMUM_FOCUS = 0.15  # below it attention is spread over the whole text


@dataclass(frozen=True)
class AlignmentReport:
    """Properties of an alignment. The peak is the token with the largest weight at a step.

    Attributes:
        coverage: fraction of the tokens that were covered, 0 to 1.
        monotonic: the peak reached the end of the text and never went back.
        backward_jumps: how often the peak fell more than two tokens behind the furthest token reached.
        forward_jumps: how often it jumped over more than three tokens in one step (a skipped syllable or word).
        reached_end: the last step attends to one of the last four tokens.
        focus: mean over the steps of the largest weight, 0 to 1.
        stopped: the stop token fired (as opposed to the limit on the length).
        ok: monotonic, stopped, and coverage and focus above their minimum.
        repeats: tokens that were covered again after a backward jump.
        first_jump: the token before the first jump, backward or forward; None without a jump.
    """

    coverage: float
    monotonic: bool
    backward_jumps: int
    forward_jumps: int
    reached_end: bool
    focus: float
    stopped: bool
    ok: bool
    repeats: int = 0
    first_jump: int | None = None


def alignment_report(alignment: np.ndarray, stopped: bool) -> AlignmentReport:
    """Score one alignment.

    Args:
        alignment: [tokens, steps], attention weights; each step sums to 1. Steps without weight (pauses between joined
            sentences) are ignored.
        stopped: whether the stop token ended the decoding.

    Raises:
        ValueError: if the array is not two-dimensional.
    """
    alignment = np.asarray(alignment, dtype=np.float64)
    if alignment.ndim != 2:
        raise ValueError(f"an alignment is [tokens, steps], not of shape {alignment.shape}")
    alignment = np.nan_to_num(alignment)
    tokens = alignment.shape[0]
    attending = alignment[:, alignment.sum(axis=0) > 1e-3] if tokens else alignment
    if attending.size == 0:
        return AlignmentReport(0.0, False, 0, 0, False, 0.0, bool(stopped), False)

    path = attending.argmax(axis=0)
    furthest = np.maximum.accumulate(path)
    behind = furthest - path > BACKWARD_TOLERANCE
    # Staying behind the furthest token counts as one jump, for any number of steps.
    backward_jumps = int(np.count_nonzero(behind[1:] & ~behind[:-1]))
    # The path starts before the first token, so that text skipped at the start counts.
    leaps = np.diff(furthest, prepend=-1)
    forward_jumps = int(np.count_nonzero(leaps > FORWARD_TOLERANCE))
    coverage = _coverage(attending, furthest, leaps)
    reached_end = bool(
        path[-1] >= tokens - 1 - min(END_TOLERANCE, tokens // 3)
    )  # one token for "a." with its end symbol
    focus = float(attending.max(axis=0).mean())
    monotonic = backward_jumps == 0 and reached_end
    ok = monotonic and bool(stopped) and coverage >= MINIMUM_COVERAGE and focus >= MINIMUM_FOCUS
    return AlignmentReport(
        coverage,
        monotonic,
        backward_jumps,
        forward_jumps,
        reached_end,
        focus,
        bool(stopped),
        bool(ok),
        repeats=len(np.unique(path[behind])),
        first_jump=_first_jump(path, behind | (leaps > FORWARD_TOLERANCE)),
    )


def _first_jump(path: np.ndarray, jumped: np.ndarray) -> int | None:
    jumps = np.flatnonzero(jumped)
    return int(path[max(jumps[0] - 1, 0)]) if len(jumps) else None


def words_missed(alignment: np.ndarray, words: Sequence[tuple[int, int]]) -> list[int]:
    """The words that no step attends to.

    Args:
        alignment: [tokens, steps].
        words: first token of each word and the one after its last.

    Returns:
        Indices of words whose tokens have less than WORD_COVERED of the weight at every step. In natural speech a
        quick "a" has 0.18 and any other word at least 0.39; a skipped word has nearly nothing.
    """
    if not alignment.size:
        return list(range(len(words)))
    weights = np.nan_to_num(alignment)
    return [number for number, (first, last) in enumerate(words) if weights[first:last].sum(0).max() < WORD_COVERED]


def _coverage(attending: np.ndarray, furthest: np.ndarray, leaps: np.ndarray) -> float:
    """Fraction of the tokens that got weight, or that a small step passed over. All arrays are [.., steps]."""
    covered = attending.max(axis=1) >= COVERED
    for last, leap in zip(furthest, leaps, strict=True):
        if 0 < leap <= FORWARD_TOLERANCE:
            covered[last - leap + 1 : last + 1] = True
    return float(covered.mean())
