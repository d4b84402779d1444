import pytest

from evaluation.figures import Figure, fraction, mean, ratio


def test_fraction_has_wilsons_interval():
    figure = fraction([True] * 8 + [False] * 2)
    assert figure.value == 0.8
    assert figure.n == 10
    assert (figure.low, figure.high) == (pytest.approx(0.490, abs=1e-3), pytest.approx(0.943, abs=1e-3))


def test_fraction_of_all_is_not_certain():
    figure = fraction([True] * 5)
    assert figure.value == 1.0
    assert figure.low is not None
    assert figure.low < 0.6
    assert figure.high == 1.0


def test_ratio_is_of_the_sums_and_repeatable():
    figure = ratio([1, 0, 5], [10, 10, 5])
    assert figure.value == pytest.approx(6 / 25)
    assert figure == ratio([1, 0, 5], [10, 10, 5])
    assert figure.low is not None and figure.high is not None
    assert figure.low <= 6 / 25 <= figure.high


def test_mean_ignores_missing_values():
    assert mean([1.0, None, 3.0]).value == 2.0
    assert mean([1.0, None, 3.0]).n == 2


@pytest.mark.parametrize("figure", [fraction([]), ratio([], []), mean([None])])
def test_nothing_measured(figure):
    assert figure.value is None
    assert figure.n == 0
    assert str(figure) == ""


def test_how_figures_are_shown():
    assert str(Figure(0.632, 50, 0.481, 0.76, percent=True)) == "63.2 % [48.1, 76.0] n=50"
    assert str(Figure(1.5, 1)) == "1.500 n=1"
