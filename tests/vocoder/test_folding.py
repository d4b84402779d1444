"""Where an utterance is cut, and how the pieces are joined."""

import math

import numpy as np
import pytest

from vocoder.wavernn.folding import (
    SLACK,
    Fold,
    choose_count,
    fold_evenly,
    join_folds,
    plan_folds,
    quiet_cuts,
    unfold_evenly,
)


def test_even_folds_equal_the_golden_ones(golden_dir):
    golden = np.load(golden_dir / "folds.npz")
    assert np.array_equal(fold_evenly(golden["signal"], 8000, 800), golden["folds"])
    assert np.abs(unfold_evenly(golden["folds"], 800) - golden["unfolded"]).max() < 1e-6


@pytest.mark.parametrize("frames", [1, 3, 7, 8, 16, 40, 73, 500, 48_000])
@pytest.mark.parametrize("count", [1, 2, 9, 40])
def test_planned_folds_cover_the_utterance_and_no_more(frames, count):
    level = np.random.default_rng(frames).uniform(-4, 4, frames)
    folds = plan_folds(level, count, 4)
    assert len(folds) == max(1, min(count, frames // 8))
    assert folds[0].start == 0 and folds[-1].stop == frames
    assert all(left.stop - right.start == 4 for left, right in zip(folds, folds[1:], strict=False))
    assert sum(fold.frames for fold in folds) == frames + 4 * (len(folds) - 1)
    assert max(fold.frames for fold in folds) <= max(SLACK * frames / len(folds), frames / len(folds) + 2) + 5


def test_cuts_seek_the_quiet():
    level = np.ones(100)
    level[55:59] = -4
    left, right = plan_folds(level, 2, 4)
    assert 55 <= right.start + 3 <= 59 and left.stop == right.start + 4


def test_cuts_are_the_quietest_of_all_that_are_allowed():
    """Against every choice there is, on an utterance short enough to try them all."""
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
def test_no_loudness_can_make_a_fold_long(level):
    lengths = np.diff(quiet_cuts(level, 8, 4))
    assert lengths.max() <= np.ceil(SLACK * 97 / 8) and lengths.min() >= 4


def test_the_number_of_folds_is_what_is_soonest_done():
    def count(frames: int, cost) -> int:
        return choose_count(frames, shortest=12, longest=400, overlap=4, cost=cost)

    def alone(folds: int) -> float:  # an engine that gains nothing by folds
        return folds

    def lanes(folds: int) -> float:  # sixteen for the price of eight
        return min(folds, 8 * math.ceil(folds / 16))

    assert count(1, alone) == count(400, alone) == 1
    assert count(23, lanes) == 1
    assert count(80, lanes) == 1  # too short to fill the lanes
    assert count(400, lanes) == 16
    assert count(48_000, alone) == 120  # none is longer than it needs to be: they take turns
    assert count(48_000, lanes) == 128  # and fill the lanes each time


def test_joined_folds_keep_the_power_of_noise_and_the_middles():
    rng = np.random.default_rng(0)
    folds = plan_folds(np.zeros(200), 4, 4)
    pieces = [rng.standard_normal(fold.frames * 200).astype(np.float32) for fold in folds]
    joined = join_folds(pieces, folds, 200)
    assert joined.shape == (40_000,)
    assert np.array_equal(joined[:2000], pieces[0][:2000])  # no fade at the utterance's own edges
    assert np.array_equal(joined[-2000:], pieces[-1][-2000:])
    seam = (folds[1].start + 3) * 200
    assert np.std(joined[seam - 200 : seam + 200]) == pytest.approx(1, abs=0.15)


def test_one_fold_is_left_as_it_is():
    piece = np.random.default_rng(0).standard_normal(600).astype(np.float32)
    assert np.array_equal(join_folds([piece], [Fold(0, 3)], 200), piece)


def test_a_common_signal_passes_a_join_unharmed_outside_the_fade():
    signal = np.sin(np.arange(4000) / 20).astype(np.float32)
    folds = [Fold(0, 11), Fold(7, 20)]
    joined = join_folds([signal[:2200], signal[1400:]], folds, 200)
    apart = np.abs(joined - signal)
    assert not apart[:1800].any() and not apart[2200:].any()  # the fade takes 25 ms of 16 kHz around the cut
    assert apart.max() < 0.42  # equal power: two like signals gain 3 dB at most
