"""Folds: an utterance cut into pieces that a WaveRNN generates side by side, and joined again.

One sample of a WaveRNN needs the one before it, so a single stream leaves a processor idle. Pieces that overlap a
little can run as a batch; the overlap gives each piece time to swing in, and room for a cross-fade.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# A batch of folds takes as long as its longest one: how much longer than the mean a quiet cut may make it.
SLACK = 1.25
REACH = 1 / 3  # how far a cut may move from where even folds would have it, in folds,
FARTHEST = 80  # and in frames: within a second there is a quiet place
WORTHWHILE = 0.03  # of the time, which more folds must save
EVENNESS = 0.3  # what a fold a whole mean too long or too short costs, in units of the mel's loudness


@dataclass(frozen=True)
class Fold:
    """One piece: the mel frames [start, stop), of which the edges shared with a neighbour are faded."""

    start: int
    stop: int

    @property
    def frames(self) -> int:
        return self.stop - self.start


def choose_count(frames: int, shortest: int, longest: int, overlap: int, cost: Callable[[int], float]) -> int:
    """How many folds an utterance is best cut into: those that are soonest done, and few where it hardly matters.

    Args:
        frames: of the utterance.
        shortest, longest: frames heard of a fold, on average; an utterance shorter than two of them stays whole.
        overlap: frames that two neighbours share.
        cost: how long an engine takes for one sample of each of so many folds, in any unit.
    """
    least = math.ceil(frames / longest)
    best, best_cost = least, math.inf
    for count in range(least, max(least, frames // shortest) + 1):
        total = (frames / count + overlap) * cost(count)
        if total < (1 - WORTHWHILE) * best_cost:
            best, best_cost = count, total
    return best


def plan_folds(level: np.ndarray, count: int, overlap: int) -> list[Fold]:
    """Cut an utterance into folds where it is quietest.

    Args:
        level: [frames], loudness of each mel frame.
        count: folds wanted; there are fewer where they would be shorter than two overlaps.
        overlap: frames that two neighbours share: a quarter after the cut, the rest before it, in which the later fold
            swings in; a multiple of 4.

    Returns:
        Folds in order, which together cover the utterance and no more.
    """
    frames, after = len(level), max(1, overlap // 4)
    cuts = quiet_cuts(level, max(1, min(count, frames // (2 * overlap))), overlap)
    return [
        Fold(max(0, start - 3 * after) if start else 0, min(frames, stop + after))
        for start, stop in itertools.pairwise(cuts)
    ]


def quiet_cuts(level: np.ndarray, count: int, least: int) -> list[int]:
    """The quietest way to cut an utterance into `count` pieces of about the same length.

    Static cuts fall into vowels, where the two sides have different phase and the join trembles. Here the cuts are
    chosen together (dynamic programming over the places that each may take), so that their loudness adds up to the
    least possible while no piece is more than `SLACK` times the mean.

    Args:
        level: [frames], loudness of each mel frame, on the mel's own scale.
        count: pieces.
        least: frames of a piece at least, where the mean allows it.

    Returns:
        count + 1 places from 0 to frames; a cut at k lies between the frames k - 1 and k.
    """
    frames = len(level)
    mean = frames / count
    least = max(1, min(least, math.floor(mean) - 1))
    most = max(math.ceil(SLACK * mean), math.ceil(mean) + 1)
    reach = min(int(REACH * mean), FARTHEST)
    # a cut is as loud as the two frames beside it
    loudness = np.convolve(np.pad(level, 1, mode="edge"), np.ones(2) / 2, mode="valid")
    places, costs, origins = np.zeros(1, dtype=np.int64), np.zeros(1), []
    visited = [places]
    for index in range(1, count + 1):
        middle = round(index * mean)
        here = np.arange(middle - reach, middle + reach + 1) if index < count else np.array([frames])
        lengths = here[:, None] - places
        step = costs + EVENNESS * np.abs(lengths / mean - 1)
        step[(lengths < least) | (lengths > most)] = np.inf
        origins.append(step.argmin(axis=1))
        costs = step.min(axis=1) + loudness[here]
        places = here
        visited.append(here)
    chosen, cuts = 0, [frames]
    for origin, previous in zip(reversed(origins), reversed(visited[:-1]), strict=True):
        chosen = int(origin[chosen])
        cuts.append(int(previous[chosen]))
    return cuts[::-1]


class FoldJoiner:
    """Cross-fades generated folds into one signal, as they come.

    The fade takes the second half of what two folds share, around the cut; in the first half the later one swings in.

    Args:
        frames: of the whole utterance.
        hop: samples of a frame.
    """

    def __init__(self, frames: int, hop: int) -> None:
        self.joined = np.zeros(frames * hop, dtype=np.float32)
        self._hop, self._end = hop, 0

    def add(self, piece: np.ndarray, fold: Fold) -> None:
        """Take up the next fold's samples, float32 [fold.frames * hop]."""
        start, stop = fold.start * self._hop, fold.stop * self._hop
        shared = self._end - start
        half = shared // 2
        rising, falling = fade_curves(shared - half)
        faded = slice(start + half, self._end)
        self.joined[faded] = self.joined[faded] * falling + piece[half:shared] * rising
        self.joined[self._end : stop] = piece[shared:]
        self._end = stop


def join_folds(pieces: list[np.ndarray], folds: list[Fold], hop: int) -> np.ndarray:
    """Cross-fade all folds of an utterance: pieces of float32 [fold.frames * hop] -> [frames * hop]."""
    joiner = FoldJoiner(folds[-1].stop, hop)
    for piece, fold in zip(pieces, folds, strict=True):
        joiner.add(piece, fold)
    return joiner.joined


def fade_curves(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Equal-power curves, rising and falling: their squares add up to 1, as suits signals without a common phase."""
    ramp = np.linspace(-1, 1, samples, dtype=np.float64)
    return np.sqrt((1 + ramp) / 2), np.sqrt((1 - ramp) / 2)


def fold_evenly(signal: np.ndarray, target: int, overlap: int) -> np.ndarray:
    """The folds of public SV2TTS vocoders: every fold `target + 2 * overlap` samples long, the last one filled up.

    Args:
        signal: [samples].

    Returns:
        [folds, target + 2 * overlap].
    """
    stride, length = target + overlap, target + 2 * overlap
    count = max(1, -(-(len(signal) - overlap) // stride))
    padded = np.pad(signal, (0, max(0, (count - 1) * stride + length - len(signal))))
    return np.stack([padded[i * stride : i * stride + length] for i in range(count)])


def unfold_evenly(folds: np.ndarray, overlap: int) -> np.ndarray:
    """Join the folds of `fold_evenly` as public SV2TTS vocoders do: [folds, length] -> float64 [samples].

    Half of each overlap is silenced, the other half cross-faded; the first fold fades in and the last one out like all.
    """
    folds = np.array(folds, dtype=np.float64)
    count, length = folds.shape
    stride = length - overlap
    rising, falling = fade_curves(overlap - overlap // 2)
    folds[:, : overlap // 2] = 0
    folds[:, overlap // 2 : overlap] *= rising
    folds[:, length - overlap : length - overlap // 2] *= falling
    folds[:, length - overlap // 2 :] = 0
    joined = np.zeros((count - 1) * stride + length)
    for index, fold in enumerate(folds):
        joined[index * stride : index * stride + length] += fold
    return joined
