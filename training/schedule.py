"""Schedules as pure functions of the step, so that a resumed run needs no schedule state.

`step` is the number of optimiser steps taken before the one asked about: 0 for the first.
"""

import bisect
import itertools
import math
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def warmup_constant(step: int, *, peak: float, warmup_steps: int = 0) -> float:
    """`peak` after a linear rise over `warmup_steps`; the first step already has `peak / warmup_steps`, never 0."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return peak


def warmup_exponential(
    step: int, *, peak: float, final: float, warmup_steps: int = 0, decay_start: int = 0, decay_steps: int
) -> float:
    """Linear rise to `peak`, a plateau to `decay_start`, an exponential fall over `decay_steps`, then `final`.

    Args:
        peak, final: learning rates, both above 0.
        decay_start: step at which the fall begins; not before the end of the rise.
        decay_steps: length of the fall in steps.
    """
    if step < warmup_steps:
        return warmup_constant(step, peak=peak, warmup_steps=warmup_steps)
    return peak * (final / peak) ** _progress(step, max(decay_start, warmup_steps), decay_steps)


def warmup_cosine(
    step: int, *, peak: float, final: float = 0.0, warmup_steps: int = 0, decay_start: int = 0, decay_steps: int
) -> float:
    """Linear rise to `peak`, a plateau to `decay_start`, half a cosine down over `decay_steps`, then `final`."""
    if step < warmup_steps:
        return warmup_constant(step, peak=peak, warmup_steps=warmup_steps)
    progress = _progress(step, max(decay_start, warmup_steps), decay_steps)
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * progress))


def staircase(step: int, stairs: Sequence[tuple[int, T]]) -> T:
    """The value of the last stair that begins at or before `step`.

    Args:
        stairs: (first step, value) in rising order, the first one from step 0: [(0, 5), (2000, 3), (8000, 2)] is a
            reduction factor that falls as training goes on.
    """
    starts = [start for start, _ in stairs]
    if not starts or starts[0] != 0 or any(later <= earlier for earlier, later in itertools.pairwise(starts)):
        raise ValueError(f"stairs must rise strictly from step 0, not {list(stairs)}")
    return stairs[bisect.bisect_right(starts, step) - 1][1]


def cubic_sparsity(step: int, *, final: float, start: int, end: int, every: int = 1) -> float:
    """The share of weights to hold at zero: 0 before `start`, `final` from `end` on, a cubic in between.

    The ramp of Zhu & Gupta 2017, "To prune, or not to prune": steep at first, while weights are redundant, and flat at
    the end, so that the last weights go slowly. It changes only every `every` steps, on the pruning steps.
    """
    if step < start:
        return 0.0
    if step >= end:
        return final
    pruning_step = start + (step - start) // every * every
    remaining = 1 - (pruning_step - start) / (end - start)
    return final * (1 - remaining**3)


def _progress(step: int, start: int, length: int) -> float:
    """How far `step` is on the way from `start` over `length` steps, in [0, 1]."""
    if step <= start:
        return 0.0
    return min(1.0, (step - start) / max(1, length))
