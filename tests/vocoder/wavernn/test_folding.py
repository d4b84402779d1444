"""Cuts of an utterance into folds, and their cross-fades."""

import math

import numpy as np
import pytest

from vocoder.wavernn.folding import (
    SLACK,
    Fold,
    FoldJoiner,
    choose_count,
    fade_curves,
    plan_folds,
    quiet_cuts,
)


def join(segments: list[np.ndarray], folds: list[Fold]) -> np.ndarray:
    joiner = FoldJoiner(folds[-1].stop, 200)
    for segment, fold in zip(segments, folds, strict=True):
        joiner.add(segment, fold)
    return joiner.joined


@pytest.mark.parametrize("frames", [1, 3, 7, 8, 16, 40, 73, 500, 48_000])
@pytest.mark.parametrize("count", [1, 2, 9, 40])
def test_planned_folds_cover_the_utterance_exactly(frames, count):
    level = np.random.default_rng(frames).uniform(-4, 4, frames)
    folds = plan_folds(level, count, 4)
    assert len(folds) == max(1, min(count, frames // 8))
    assert folds[0].start == 0 and folds[-1].stop == frames
    assert all(left.stop - right.start == 4 for left, right in zip(folds, folds[1:], strict=False))
    assert sum(fold.frames for fold in folds) == frames + 4 * (len(folds) - 1)
    assert max(fold.frames for fold in folds) <= max(SLACK * frames / len(folds), frames / len(folds) + 2) + 5


def test_cut_is_in_the_quiet_frames():
    level = np.ones(100)
    level[55:59] = -4
    left, right = plan_folds(level, 2, 4)
    assert 55 <= right.start + 3 <= 59 and left.stop == right.start + 4


def test_cuts_are_the_quietest_allowed_ones():
    """Compared with all choices, for a short utterance."""
    level = np.random.default_rng(1).uniform(-4, 4, 30)
    beside = (np.pad(level, (0, 1), mode="edge") + np.pad(level, (1, 0), mode="edge")) / 2

    def cost(first: int, second: int) -> float:
        lengths = np.diff([0, first, second, 30])
        if lengths.min() < 4 or lengths.max() > np.ceil(SLACK * 10):
            return np.inf
        return beside[first] + beside[second] + 0.3 * np.abs(lengths / 10 - 1).sum()

    near = [(a, b) for a in range(7, 14) for b in range(17, 24)]
    assert tuple(quiet_cuts(level, 3, 4)[1:-1]) == min(near, key=lambda pair: cost(*pair))


def test_flat_loudness_gives_even_folds():
    assert quiet_cuts(np.zeros(120), 6, 4) == [0, 20, 40, 60, 80, 100, 120]


@pytest.mark.parametrize("level", [np.linspace(-4, 4, 97), -np.linspace(-4, 4, 97), np.zeros(97)])
def test_folds_are_never_long(level):
    lengths = np.diff(quiet_cuts(level, 8, 4))
    assert lengths.max() <= np.ceil(SLACK * 97 / 8) and lengths.min() >= 4


def test_number_of_folds_takes_least_time():
    def count(frames: int, cost) -> int:
        return choose_count(frames, shortest=12, longest=400, overlap=4, cost=cost)

    def serial(folds: int) -> float:  # an engine that gains nothing by folds
        return folds

    def lanes(folds: int) -> float:  # sixteen folds take as long as eight
        return min(folds, 8 * math.ceil(folds / 16))

    assert count(1, serial) == count(400, serial) == 1
    assert count(23, lanes) == 1
    assert count(80, lanes) == 1  # too short to fill the lanes
    assert count(400, lanes) == 16
    assert count(48_000, serial) == 120  # the fewest folds of the longest allowed length
    assert count(48_000, lanes) == 128  # a multiple of the lanes


def test_joined_folds_keep_the_power_of_noise():
    rng = np.random.default_rng(0)
    folds = plan_folds(np.zeros(200), 4, 4)
    segments = [rng.standard_normal(fold.frames * 200).astype(np.float32) for fold in folds]
    joined = join(segments, folds)
    assert joined.shape == (40_000,)
    assert np.array_equal(joined[:2000], segments[0][:2000])  # no fade at the ends of the utterance
    assert np.array_equal(joined[-2000:], segments[-1][-2000:])
    cut = (folds[1].start + 3) * 200
    assert np.std(joined[cut - 200 : cut + 200]) == pytest.approx(1, abs=0.15)


def test_one_fold_is_unchanged():
    segment = np.random.default_rng(0).standard_normal(600).astype(np.float32)
    assert np.array_equal(join([segment], [Fold(0, 3)]), segment)


def test_only_the_cross_fade_changes_a_continuous_signal():
    signal = np.sin(np.arange(4000) / 20).astype(np.float32)
    folds = [Fold(0, 11), Fold(7, 20)]
    joined = join([signal[:2200], signal[1400:]], folds)
    apart = np.abs(joined - signal)
    assert not apart[:1800].any() and not apart[2200:].any()  # the cross-fade is 25 ms at 16 kHz
    assert apart.max() < 0.42  # equal-power fades of equal signals add at most 3 dB


def test_folds_and_fades_are_those_of_the_reference(golden_dir):
    """The reference fades both folds to silence in the middle of an overlap. Here the earlier fold lasts until then."""
    golden = np.load(golden_dir / "folds.npz")
    overlap = int(golden["overlap"])
    apart = int(golden["target"]) + overlap
    folds = [Fold(start, start + apart // overlap + 1) for start in range(0, 4 * apart // overlap, apart // overlap)]
    signal = np.pad(golden["signal"], (0, len(golden["unfolded"]) - len(golden["signal"])))
    rising, falling = fade_curves(overlap // 2)
    joiner, unfolded = FoldJoiner(folds[-1].stop, overlap), np.zeros(len(signal))
    inside = np.ones(len(signal), dtype=bool)
    for fold, expected in zip(folds, golden["folds"], strict=True):
        here = slice(fold.start * overlap, fold.stop * overlap)
        np.testing.assert_array_equal(signal[here], expected)
        joiner.add(expected, fold)
        faded = expected.astype(float)
        faded[:overlap] *= np.concatenate([np.zeros(overlap // 2), rising])
        faded[-overlap:] *= np.concatenate([falling, np.zeros(overlap // 2)])
        unfolded[here] += faded
        inside[here.start : here.start + overlap] = inside[here.stop - overlap : here.stop] = False
    np.testing.assert_allclose(unfolded, golden["unfolded"], atol=1e-6)
    np.testing.assert_allclose(joiner.joined[inside], golden["unfolded"][inside], atol=1e-6)
