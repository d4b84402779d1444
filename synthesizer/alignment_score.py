"""Did the attention read the whole text once, in order? A score for an alignment, in numpy alone.

A Tacotron that fails seldom sounds slightly worse: it skips a word, repeats one, or babbles past the end of the text.
All three can be seen in the alignment without listening:

    tokens ^        .##   good        ##.         skips           #      repeats
           |     .##.             .             words       ##  ##
           |  .##.             .##                        ##  ##
           +------------> steps
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BACKWARD_TOLERANCE = (
    2  # tokens: the peak may tremble on a letter pair or around a blank without anything being repeated
)
FORWARD_TOLERANCE = 3  # tokens: at a reduction factor of 4 one step is 50 ms, and short letters are passed over in it
END_TOLERANCE = 3  # tokens: "!", a blank and the end mark are often left in one step
TOUCHED = 0.05  # a token that some step gives this much weight has been read
WORD_TOUCHED = 0.1  # a word whose tokens some step gives this much weight together has been read
MINIMUM_COVERAGE = 0.9
MINIMUM_FOCUS = 0.15  # below it the decoder hears a blur of the whole text


@dataclass(frozen=True)
class AlignmentReport:
    """How an alignment ran.

    Attributes:
        coverage: share of the tokens that were read, 0 to 1.
        monotonic: the peak ran forward to the end of the text and never went back.
        backward_jumps: how often the peak fell more than two tokens behind the furthest token it had reached.
        forward_jumps: how often it leapt over more than three tokens in one step (a skipped syllable or word).
        reached_end: the last step attends to one of the last four tokens.
        focus: mean over the steps of the largest weight, 0 to 1.
        stopped: the stop token fired (as opposed to the limit on the length).
        ok: all of this is as it should be.
        repeats: tokens that were read again after a backward jump.
        trouble: the token from which the reading first jumped, back or ahead; None if it never did.
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
    trouble: int | None = None


def alignment_report(alignment: np.ndarray, stopped: bool) -> AlignmentReport:
    """Score one alignment.

    Args:
        alignment: [tokens, steps], attention weights, each step sums to 1; steps without any weight (the pauses between
            joined sentences) are passed over.
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
    # A stay behind the furthest token is one jump, however many steps it lasts.
    backward_jumps = int(np.count_nonzero(behind[1:] & ~behind[:-1]))
    # The path starts before the first token: text that is skipped at the start counts too.
    leaps = np.diff(furthest, prepend=-1)
    forward_jumps = int(np.count_nonzero(leaps > FORWARD_TOLERANCE))
    coverage = _coverage(attending, furthest, leaps)
    reached_end = bool(path[-1] >= tokens - 1 - min(END_TOLERANCE, tokens // 3))  # of "a." and its end mark, one
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
        trouble=_trouble(path, behind | (leaps > FORWARD_TOLERANCE)),
    )


def _trouble(path: np.ndarray, jumped: np.ndarray) -> int | None:
    jumps = np.flatnonzero(jumped)
    return int(path[max(jumps[0] - 1, 0)]) if len(jumps) else None


def words_missed(alignment: np.ndarray, words: Sequence[tuple[int, int]]) -> list[int]:
    """The words that no step attends to, whatever steps pass over them.

    Args:
        alignment: [tokens, steps].
        words: first token and the one after the last, of each word.

    Returns:
        Indices of words whose tokens never hold a tenth of a step's weight together. In natural readings a quick "a"
        has 0.18 and any other word 0.39 and more; a skipped one has nearly nothing.
    """
    if not alignment.size:
        return list(range(len(words)))
    weights = np.nan_to_num(alignment)
    return [number for number, (first, last) in enumerate(words) if weights[first:last].sum(0).max() < WORD_TOUCHED]


def _coverage(attending: np.ndarray, furthest: np.ndarray, leaps: np.ndarray) -> float:
    """Share of the tokens that got weight, or that a small step passed over. All arrays over [.., steps]."""
    read = attending.max(axis=1) >= TOUCHED
    for last, leap in zip(furthest, leaps, strict=True):
        if 0 < leap <= FORWARD_TOLERANCE:
            read[last - leap + 1 : last + 1] = True
    return float(read.mean())
