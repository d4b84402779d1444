"""Folds: an utterance cut into pieces that a WaveRNN generates side by side, and joined again.

One sample of a WaveRNN needs the one before it, so a single stream leaves a processor idle. Pieces that overlap a
little can run as a batch; the overlap gives each piece time to swing in, and room for a cross-fade.
"""

import itertools
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Fold:
    """One piece: the mel frames [start, stop), of which the edges shared with a neighbour are faded."""

    start: int
    stop: int

    @property
    def frames(self) -> int:
        return self.stop - self.start


def plan_folds(level: np.ndarray, target: int, overlap: int) -> list[Fold]:
    """Cut an utterance into folds of about `target` frames, where it is quietest.

    Static cuts fall into vowels, where the two sides have different phase and the join trembles. Here each cut may
    move by up to a third of a fold to the quietest place. No fold is longer than the utterance needs.

    Args:
        level: [frames], loudness of each mel frame.
        target: frames heard of each fold.
        overlap: frames that two neighbours share: a quarter after the cut, the rest before it, in which the later fold
            swings in; a multiple of 4.

    Returns:
        Folds in order; a single one where the utterance is shorter than a fold and a half.
    """
    frames, after = len(level), max(1, overlap // 4)
    before = 3 * after
    count = max(1, round(frames / max(target, 2 * overlap)))
    # a cut between frames k - 1 and k is as loud as both together
    quiet = np.convolve(np.pad(level, 1, mode="edge"), np.ones(2) / 2, mode="valid")
    reach = max(0, frames // count // 3)
    cuts = [0]
    for index in range(1, count):
        middle = round(index * frames / count)
        low, high = max(cuts[-1] + before + after, middle - reach), min(frames - after, middle + reach)
        if low <= high:
            # of equally quiet places the one nearest the middle, so that a flat level gives equal folds
            distance = np.abs(np.arange(low, high + 1) - middle) / (10.0 * max(1, reach))
            cuts.append(low + int(np.argmin(quiet[low : high + 1] + 0.1 * distance)))
    cuts.append(frames)
    return [
        Fold(max(0, cut_in - before) if cut_in else 0, min(frames, cut_out + after))
        for cut_in, cut_out in itertools.pairwise(cuts)
    ]


def join_folds(pieces: list[np.ndarray], folds: list[Fold], hop: int) -> np.ndarray:
    """Cross-fade generated folds: a piece is float32 [fold.frames * hop] -> [frames * hop].

    The fade takes the second half of what two folds share, around the cut; in the first half the later one swings in.
    """
    joined = np.zeros(folds[-1].stop * hop, dtype=np.float32)
    for index, (piece, fold) in enumerate(zip(pieces, folds, strict=True)):
        piece, start = piece.copy(), fold.start * hop
        if index > 0:
            shared = (folds[index - 1].stop - fold.start) * hop
            rising, falling = fade_curves(shared - shared // 2)
            piece[: shared // 2] = 0
            piece[shared // 2 : shared] *= rising
            joined[start + shared // 2 : start + shared] *= falling
        joined[start : start + len(piece)] += piece
    return joined


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
