"""Did the attention read the whole text once, in order? A score for an alignment, in numpy alone.

A Tacotron that fails seldom sounds slightly worse: it skips a word, repeats one, or babbles past the end of the text.
All three can be seen in the alignment without listening:

    tokens ^        .##   good        ##.         skips           #      repeats
           |     .##.             .             words       ##  ##
           |  .##.             .##                        ##  ##
           +------------> steps
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BACKWARD_TOLERANCE = (
    2  # tokens: the peak may tremble on a letter pair or around a blank without anything being repeated
)
FORWARD_TOLERANCE = 3  # tokens: at a reduction factor of 4 one step is 50 ms, and short letters are passed over in it
END_TOLERANCE = 3  # tokens: "!", a blank and the end mark are often left in one step
TOUCHED = 0.05  # a token that some step gives this much weight has been read
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
    """

    coverage: float
    monotonic: bool
    backward_jumps: int
    forward_jumps: int
    reached_end: bool
    focus: float
    stopped: bool
    ok: bool


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
    reached_end = bool(path[-1] >= tokens - 1 - END_TOLERANCE)
    focus = float(attending.max(axis=0).mean())
    monotonic = backward_jumps == 0 and reached_end
    ok = monotonic and bool(stopped) and coverage >= MINIMUM_COVERAGE and focus >= MINIMUM_FOCUS
    return AlignmentReport(
        coverage, monotonic, backward_jumps, forward_jumps, reached_end, focus, bool(stopped), bool(ok)
    )


def _coverage(attending: np.ndarray, furthest: np.ndarray, leaps: np.ndarray) -> float:
    """Share of the tokens that got weight, or that a small step passed over. All arrays over [.., steps]."""
    read = attending.max(axis=1) >= TOUCHED
    for last, leap in zip(furthest, leaps, strict=True):
        if 0 < leap <= FORWARD_TOLERANCE:
            read[last - leap + 1 : last + 1] = True
    return float(read.mean())
