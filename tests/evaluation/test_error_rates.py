from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from encoder.metrics import all_pairs, equal_error_rate
from evaluation.error_rates import ErrorRates, average, error_rates


def voices(speakers, clips, spread, seed=0):
    """Clips around their speakers' points on a sphere."""
    rng = np.random.default_rng(seed)
    middles = np.repeat(rng.normal(size=(speakers, 24)), clips, axis=0)
    rows = middles + spread * rng.normal(size=middles.shape)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), [f"s{k // clips}" for k in range(speakers * clips)]


def test_the_rate_is_that_of_all_pairs_and_lies_in_its_interval():
    rows, speakers = voices(12, 6, 1.0)
    rates = error_rates(rows, speakers)
    figure: Any = rates.eer_figure()
    assert figure.value == pytest.approx(equal_error_rate(*all_pairs(rows, speakers)))
    assert figure.n == 72
    assert figure.low < figure.value < figure.high < figure.value + 0.1
    cost: Any = rates.cost_figure()
    assert cost.low < cost.value < cost.high


def test_more_speakers_narrow_the_interval():
    widths = []
    for speakers in (8, 60):
        figure: Any = error_rates(*voices(speakers, 4, 1.2)).eer_figure()
        widths.append(figure.high - figure.low)
    assert widths[1] < 0.6 * widths[0]


def test_the_interval_covers_the_rate_of_new_speakers():
    """Of sets of 20 speakers each, most intervals hold the rate of a very large set."""
    truth = equal_error_rate(*all_pairs(*voices(150, 6, 1.2, seed=99)))
    figures: list[Any] = [error_rates(*voices(20, 6, 1.2, seed=seed)).eer_figure() for seed in range(8)]
    assert sum(figure.low <= truth <= figure.high for figure in figures) >= 6


def test_a_difference_has_a_narrower_interval_than_its_sides():
    rows, speakers = voices(15, 6, 1.0)
    blurred = rows + 0.02 * np.random.default_rng(1).normal(size=rows.shape)
    blurred /= np.linalg.norm(blurred, axis=1, keepdims=True)
    one, two = error_rates(blurred, speakers), error_rates(rows, speakers)
    difference: Any = one.eer_minus(two)
    side: Any = one.eer_figure()
    assert difference.value == pytest.approx(one.eer - two.eer)
    assert difference.high - difference.low < 0.5 * (side.high - side.low)
    zero = two.eer_minus(two)
    assert (zero.value, zero.low, zero.high) == (0, 0, 0)


def test_few_speakers_have_no_interval():
    figure = error_rates(*voices(3, 6, 1.0)).eer_figure()
    assert figure.value is not None
    assert figure.low is None


def test_the_mean_of_sets():
    one = ErrorRates(0.1, 0.4, np.full(1000, 0.1), np.full(1000, 0.4), 30, 10)
    two = ErrorRates(0.3, 0.6, np.full(200, 0.3), np.full(200, 0.6), 20, 8)
    both = average([one, two])
    assert both.eer == pytest.approx(0.2)
    assert both.cost == pytest.approx(0.5)
    assert (both.clips, both.speakers) == (50, 8)
    assert both.eer_figure().low == pytest.approx(0.2)


def test_gaussian_scores_give_the_expected_rate():
    """The EER of two Gaussians is Phi(-d / 2)."""
    from evaluation.error_rates import _rates

    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(2, 1, 5000), rng.normal(0, 1, 5000)])
    order = np.argsort(-scores)
    same = (np.arange(10_000) < 5000)[order].astype(float)
    assert _rates(same, 1 - same)[0] == pytest.approx(NormalDist().cdf(-1), abs=0.01)
    # a weight of two is a trial that is there twice
    twice = _rates(np.where(same > 0, 2.0, 0.0), 3 * (1 - same))
    assert twice == pytest.approx(_rates(same, 1 - same))
