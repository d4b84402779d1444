"""Folds: overlapping segments of an utterance that a WaveRNN generates side by side, and their cross-fades.

Each sample of a WaveRNN depends on the one before it, so a single stream does not use the whole processor. Folds run as
a batch. In their overlap, a fold warms up its state first, and then the two are cross-faded.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SLACK = 1.25  # longest fold relative to the mean; a batch takes as long as its longest fold
REACH = 1 / 3  # largest shift of a cut from its position in even folds, as a fraction of a fold,
FARTHEST = 80  # and in frames: speech has a quiet frame within a second
WORTHWHILE = 0.03  # fraction of the time that more folds must save
EVENNESS = 0.3  # cost of a fold that is longer or shorter than the mean by the mean, in units of the mel's loudness


@dataclass(frozen=True)
class Fold:
    """The mel frames [start, stop). Frames that a neighbour shares are cross-faded."""

    start: int
    stop: int

    @property
    def frames(self) -> int:
        return self.stop - self.start


def choose_count(frames: int, shortest: int, longest: int, overlap: int, cost: Callable[[int], float]) -> int:
    """The number of folds that takes least time. Fewer folds are preferred where the difference is small.

    Args:
        frames: of the utterance.
        shortest, longest: mean frames of a fold without its overlap. A shorter utterance than two folds stays whole.
        overlap: frames that two neighbours share.
        cost: number of folds -> time for one sample of each of them, in any unit.
    """
    least = math.ceil(frames / longest)
    best, best_cost = least, math.inf
    for count in range(least, max(least, frames // shortest) + 1):
        total = (frames / count + overlap) * cost(count)
        if total < (1 - WORTHWHILE) * best_cost:
            best, best_cost = count, total
    return best


def plan_folds(level: np.ndarray, count: int, overlap: int) -> list[Fold]:
    """Cut an utterance into folds at quiet frames.

    Args:
        level: [frames], loudness of each mel frame.
        count: largest number of folds. There are fewer if they would be shorter than two overlaps.
        overlap: frames that two neighbours share, a multiple of 4. A quarter is after the cut. The rest is before it,
            where the later fold warms up.

    Returns:
        Folds in order, which together cover the utterance exactly.
    """
    frames, after = len(level), max(1, overlap // 4)
    cuts = quiet_cuts(level, max(1, min(count, frames // (2 * overlap))), overlap)
    return [
        Fold(max(0, start - 3 * after) if start else 0, min(frames, stop + after))
        for start, stop in itertools.pairwise(cuts)
    ]


def quiet_cuts(level: np.ndarray, count: int, least: int) -> list[int]:
    """The quietest cuts of an utterance into `count` segments of similar length.

    Cuts at fixed distances fall into vowels, where a cross-fade of different phases is audible. Here all cuts are
    chosen together by dynamic programming: the sum of their loudness is minimal, and no segment is longer than `SLACK`
    times the mean.

    Args:
        level: [frames], loudness of each mel frame, on the mel's scale.
        count: number of segments.
        least: frames of the shortest segment, if the mean allows it.

    Returns:
        count + 1 positions from 0 to frames. A cut at k is between the frames k - 1 and k.
    """
    frames = len(level)
    mean = frames / count
    least = max(1, min(least, math.floor(mean) - 1))
    most = max(math.ceil(SLACK * mean), math.ceil(mean) + 1)
    reach = min(int(REACH * mean), FARTHEST)
    # The loudness of a cut is that of the two frames beside it.
    loudness = np.convolve(np.pad(level, 1, mode="edge"), np.ones(2) / 2, mode="valid")
    positions, costs, origins = np.zeros(1, dtype=np.int64), np.zeros(1), []
    visited = [positions]
    for index in range(1, count + 1):
        middle = round(index * mean)
        here = np.arange(middle - reach, middle + reach + 1) if index < count else np.array([frames])
        lengths = here[:, None] - positions
        step = costs + EVENNESS * np.abs(lengths / mean - 1)
        step[(lengths < least) | (lengths > most)] = np.inf
        origins.append(step.argmin(axis=1))
        costs = step.min(axis=1) + loudness[here]
        positions = here
        visited.append(here)
    chosen, cuts = 0, [frames]
    for origin, previous in zip(reversed(origins), reversed(visited[:-1]), strict=True):
        chosen = int(origin[chosen])
        cuts.append(int(previous[chosen]))
    return cuts[::-1]


class FoldJoiner:
    """Cross-fades generated folds into one signal, one after the other.

    The cross-fade is the second half of the overlap. In the first half, only the earlier fold is used.

    Args:
        frames: of the whole utterance.
        hop: samples per frame.
    """

    def __init__(self, frames: int, hop: int) -> None:
        self.joined = np.zeros(frames * hop, dtype=np.float32)
        self._hop, self._end = hop, 0

    def add(self, samples: np.ndarray, fold: Fold) -> None:
        """Add the samples of the next fold, float32 [fold.frames * hop]."""
        start, stop = fold.start * self._hop, fold.stop * self._hop
        shared = self._end - start
        half = shared // 2
        rising, falling = fade_curves(shared - half)
        faded = slice(start + half, self._end)
        self.joined[faded] = self.joined[faded] * falling + samples[half:shared] * rising
        self.joined[self._end : stop] = samples[shared:]
        self._end = stop


def fade_curves(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Equal-power fades, rising and falling: their squares sum to 1, for signals with unrelated phases."""
    ramp = np.linspace(-1, 1, samples, dtype=np.float64)
    return np.sqrt((1 + ramp) / 2), np.sqrt((1 - ramp) / 2)
