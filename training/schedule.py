"""Schedules as pure functions of the step, so that a resumed run needs no schedule state. The first step is 0."""

import bisect
import itertools
import math
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def warmup_constant(step: int, *, peak: float, warmup_steps: int = 0) -> float:
    """`peak` after a linear increase over `warmup_steps`. The first step has `peak / warmup_steps`, not 0."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return peak


def warmup_exponential(
    step: int, *, peak: float, final: float, warmup_steps: int = 0, decay_start: int = 0, decay_steps: int
) -> float:
    """Linear increase to `peak`, plateau to `decay_start`, exponential decay over `decay_steps`, then `final`.

    Args:
        peak, final: learning rates, both above 0.
        decay_start: first step of the decay; not before the end of the warm-up.
        decay_steps: length of the decay in steps.
    """
    if step < warmup_steps:
        return warmup_constant(step, peak=peak, warmup_steps=warmup_steps)
    return peak * (final / peak) ** _progress(step, max(decay_start, warmup_steps), decay_steps)


def warmup_cosine(
    step: int, *, peak: float, final: float = 0.0, warmup_steps: int = 0, decay_start: int = 0, decay_steps: int
) -> float:
    """Linear increase to `peak`, plateau to `decay_start`, half-cosine decay over `decay_steps`, then `final`."""
    if step < warmup_steps:
        return warmup_constant(step, peak=peak, warmup_steps=warmup_steps)
    return cosine(step, start=peak, end=final, first=max(decay_start, warmup_steps), steps=decay_steps)


def cosine(step: int, *, start: float, end: float, first: int = 0, steps: int) -> float:
    """`start` up to the step `first`, half a cosine over `steps`, then `end`, which may be higher or lower."""
    progress = _progress(step, first, steps)
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * progress))


def staircase(step: int, stairs: Sequence[tuple[int, T]]) -> T:
    """The value of the last stair that starts at or before `step`.

    Args:
        stairs: (first step, value) in rising order from step 0. For example, [(0, 5), (2000, 3), (8000, 2)] is a
            reduction factor that decreases during training.
    """
    starts = [start for start, _ in stairs]
    if not starts or starts[0] != 0 or any(later <= earlier for earlier, later in itertools.pairwise(starts)):
        raise ValueError(f"stairs must rise strictly from step 0, not {list(stairs)}")
    return stairs[bisect.bisect_right(starts, step) - 1][1]


def cubic_sparsity(step: int, *, final: float, start: int, end: int, every: int = 1) -> float:
    """Fraction of weights to hold at zero: 0 before `start`, `final` from `end` on, a cubic in between.

    The schedule of Zhu & Gupta 2017, "To prune, or not to prune": steep at first, while weights are redundant, and flat
    at the end. It changes only every `every` steps, the pruning steps.
    """
    if step < start:
        return 0.0
    if step >= end:
        return final
    pruning_step = start + (step - start) // every * every
    remaining = 1 - (pruning_step - start) / (end - start)
    return final * (1 - remaining**3)


def _progress(step: int, start: int, length: int) -> float:
    """Fraction of the `length` steps from `start` that is done at `step`, in [0, 1]."""
    if step <= start:
        return 0.0
    return min(1.0, (step - start) / max(1, length))
