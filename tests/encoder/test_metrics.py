import threading
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder.metrics import (
    all_pairs,
    det_curve,
    det_figure,
    detection_cost,
    equal_error_rate,
    min_dcf,
    threshold_at_eer,
    threshold_at_min_dcf,
)

TRIALS = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=40).filter(
    lambda trials: 0 < sum(label for _, label in trials) < len(trials)
)


def arrays(trials):
    return np.array([float(score) for score, _ in trials]), np.array([label for _, label in trials])


def errors_at(scores, labels, threshold):
    """(false acceptance, false rejection), counted one by one."""
    accepted = scores >= threshold
    return (accepted & ~labels).sum() / (~labels).sum(), (~accepted & labels).sum() / labels.sum()


def gaussian_scores(distance, trials=20_000):
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(distance, 1, trials), rng.normal(0, 1, trials)])
    return scores, np.arange(2 * trials) < trials


def test_known_values() -> None:
    assert equal_error_rate([0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0]) == 0
    assert equal_error_rate([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0]) == 1
    assert equal_error_rate([0.5, 0.5, 0.5, 0.5], [1, 0, 1, 0]) == 0.5
    # one of four target scores is below one of four non-target scores
    assert equal_error_rate([9, 8, 7, 4, 5, 3, 2, 1], [1, 1, 1, 1, 0, 0, 0, 0]) == 0.25


@pytest.mark.parametrize("distance", [0.0, 1.0, 2.0, 4.0])
def test_gaussian_scores(distance) -> None:
    expected = NormalDist().cdf(-distance / 2)
    assert equal_error_rate(*gaussian_scores(distance)) == pytest.approx(expected, abs=0.006)
    assert threshold_at_eer(*gaussian_scores(distance)) == pytest.approx(distance / 2, abs=0.05)


def test_the_least_cost_of_gaussian_scores() -> None:
    """At the best threshold t the densities are in the ratio of the weights: exp(2 t - 2) = 99 for a distance of 2."""
    threshold = (np.log(99) + 2) / 2
    normal = NormalDist()
    expected = normal.cdf(threshold - 2) + 99 * normal.cdf(-threshold)
    assert min_dcf(*gaussian_scores(2.0)) == pytest.approx(expected, abs=0.02)
    assert threshold_at_min_dcf(*gaussian_scores(2.0)) == pytest.approx(threshold, abs=0.25)


@settings(max_examples=50, deadline=None)
@given(TRIALS)
def test_order_and_monotonic_scaling_do_not_matter(trials: list[tuple[int, bool]]) -> None:
    scores, labels = arrays(trials)
    rate = equal_error_rate(scores, labels)
    assert 0 <= rate <= 1
    assert equal_error_rate(scores[::-1], labels[::-1]) == pytest.approx(rate)
    assert equal_error_rate(scores**3, labels) == pytest.approx(rate)
    assert equal_error_rate(-scores, ~labels) == pytest.approx(rate)  # both kinds exchanged


@settings(max_examples=50, deadline=None)
@given(TRIALS)
def test_the_curve_is_what_counting_gives(trials) -> None:
    scores, labels = arrays(trials)
    accepted, rejected, thresholds = det_curve(scores, labels)
    assert thresholds[0] == np.inf
    assert list(thresholds[1:]) == sorted(set(scores), reverse=True)
    for point in zip(accepted, rejected, thresholds, strict=True):
        assert point[:2] == pytest.approx(errors_at(scores, labels, point[2]))


@settings(max_examples=50, deadline=None)
@given(TRIALS, st.sampled_from([0.01, 0.05, 0.5, 0.9]), st.sampled_from([1, 10]), st.sampled_from([1, 3]))
def test_the_least_cost_is_that_of_the_best_threshold(trials, p_target, c_miss, c_fa) -> None:
    scores, labels = arrays(trials)
    best = np.inf
    for threshold in [*scores, np.inf]:
        accepted, rejected = errors_at(scores, labels, threshold)
        best = min(best, c_miss * p_target * rejected + c_fa * (1 - p_target) * accepted)
    expected = best / min(c_miss * p_target, c_fa * (1 - p_target))
    assert min_dcf(scores, labels, p_target, c_miss, c_fa) == pytest.approx(expected)
    assert expected <= 1 + 1e-9
    accepted, rejected = errors_at(scores, labels, threshold_at_min_dcf(scores, labels, p_target, c_miss, c_fa))
    assert detection_cost(accepted, rejected, p_target, c_miss, c_fa) == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(TRIALS)
def test_the_errors_at_the_eer_threshold_are_the_most_nearly_equal(trials) -> None:
    scores, labels = arrays(trials)

    def gap(threshold):
        accepted, rejected = errors_at(scores, labels, threshold)
        return abs(accepted - rejected)

    least = min(gap(threshold) for threshold in [*scores, np.inf])
    assert gap(threshold_at_eer(scores, labels)) == pytest.approx(least)


def test_thresholds_lie_between_the_scores_of_both_kinds() -> None:
    assert threshold_at_eer([0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0]) == pytest.approx(0.5)
    assert threshold_at_min_dcf([0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0]) == pytest.approx(0.5)
    # rejecting all trials is best: above the highest score
    assert threshold_at_min_dcf([0.1, 0.9], [1, 0]) > 0.9


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        equal_error_rate([0.1, float("nan")], [1, 0])
    with pytest.raises(ValueError, match="labels"):
        equal_error_rate([0.1, 0.2], [1])
    with pytest.raises(ValueError, match="same and of different"):
        det_curve([0.1, 0.2], [1, 1])
    with pytest.raises(ValueError, match="p_target"):
        min_dcf([0.1, 0.2], [1, 0], p_target=1.0)
    with pytest.raises(ValueError, match="cost"):
        min_dcf([0.1, 0.2], [1, 0], c_fa=0)


def test_all_pairs() -> None:
    embeddings = np.eye(3)[[0, 0, 1, 1, 2]]
    assert equal_error_rate(*all_pairs(embeddings, ["a", "a", "b", "b", "c"])) == 0
    assert equal_error_rate(*all_pairs(embeddings, ["a", "b", "a", "b", "c"])) > 0.5


def test_gaussian_scores_are_a_straight_line_on_the_figure() -> None:
    axes: Any = det_figure({"one": gaussian_scores(2.0)}).axes[0]
    line = next(line for line in axes.lines if line.get_label().startswith("one"))
    x, y = line.get_data()
    inside = (np.abs(x) < 1.5) & (np.abs(y) < 1.5)
    assert len(x) <= 1000
    assert np.allclose(x[inside] + y[inside], -2.0, atol=0.1)
    assert axes.get_legend().get_texts()[0].get_text().startswith("one: EER 15.")


def test_curves_without_errors_and_of_single_trials_can_be_drawn() -> None:
    det_figure({"perfect": ([0.9, 0.8, 0.1], [1, 1, 0]), "wrong": ([0.1, 0.9], [1, 0]), "tied": ([1, 1], [1, 0])})
    assert det_figure({}).axes


def test_figures_are_drawn_in_threads_without_pyplot(tmp_path) -> None:
    def draw(name):
        det_figure({name: gaussian_scores(1.0, 100)}).savefig(tmp_path / f"{name}.png")

    threads = [threading.Thread(target=draw, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png"}
