import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder.verification import all_pairs_eer, equal_error_rate


def test_known_values() -> None:
    assert equal_error_rate([0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0]) == 0
    assert equal_error_rate([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0]) == 1
    assert equal_error_rate([0.5, 0.5, 0.5, 0.5], [1, 0, 1, 0]) == 0.5
    # one of four targets below one of four strangers
    assert equal_error_rate([9, 8, 7, 4, 5, 3, 2, 1], [1, 1, 1, 1, 0, 0, 0, 0]) == 0.25


def test_gaussian_scores() -> None:
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(2, 1, 20_000), rng.normal(0, 1, 20_000)])
    labels = np.arange(40_000) < 20_000
    assert equal_error_rate(scores, labels) == pytest.approx(0.1587, abs=0.005)  # Phi(-1)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=40))
def test_order_and_monotonic_scaling_do_not_matter(trials: list[tuple[int, bool]]) -> None:
    scores = np.array([float(score) for score, _ in trials])
    labels = np.array([label for _, label in trials])
    if labels.all() or not labels.any():
        with pytest.raises(ValueError, match="same and of different"):
            equal_error_rate(scores, labels)
        return
    rate = equal_error_rate(scores, labels)
    assert 0 <= rate <= 1
    assert equal_error_rate(scores[::-1], labels[::-1]) == pytest.approx(rate)
    assert equal_error_rate(scores**3, labels) == pytest.approx(rate)
    assert equal_error_rate(-scores, ~labels) == pytest.approx(rate)  # the same trials, seen from the other side


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        equal_error_rate([0.1, float("nan")], [1, 0])
    with pytest.raises(ValueError, match="labels"):
        equal_error_rate([0.1, 0.2], [1])


def test_all_pairs() -> None:
    embeddings = np.eye(3)[[0, 0, 1, 1, 2]]
    assert all_pairs_eer(embeddings, ["a", "a", "b", "b", "c"]) == 0
    assert all_pairs_eer(embeddings, ["a", "b", "a", "b", "c"]) > 0.5
