import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.stats import norm
from torch.nn import functional

from encoder.loss_gate import OPEN, correction_losses, fit_gate, log_losses, meeting_point, sharpened

MIXTURES = [
    ((0.7, 0.3), (-3.0, 1.0), (1.5, 0.4)),
    ((0.5, 0.5), (-1.0, 2.0), (0.6, 0.9)),
    ((0.9, 0.1), (0.0, 4.0), (1.0, 1.0)),  # equal deviations: one point only
    ((0.3, 0.7), (-6.0, 0.5), (2.0, 0.3)),
]


def meeting_of(weights, means, deviations) -> float:
    """The same by scipy: where the weighted densities are equal between the means."""

    def difference(x: float) -> float:
        first, second = (w * norm.pdf(x, m, s) for w, m, s in zip(weights, means, deviations, strict=True))
        return first - second

    return brentq(difference, *means, xtol=1e-12)


@pytest.mark.parametrize(("weights", "means", "deviations"), MIXTURES)
def test_the_gate_is_where_the_weighted_gaussians_meet(weights, means, deviations) -> None:
    expected = meeting_of(weights, means, deviations)
    assert meeting_point(weights, means, deviations) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("weights", "means", "deviations"), MIXTURES)
def test_the_gate_is_fitted_to_losses(weights, means, deviations) -> None:
    rng = np.random.default_rng(0)
    component = rng.random(20_000) < weights[1]
    values = rng.normal(np.where(component, means[1], means[0]), np.where(component, deviations[1], deviations[0]))
    gate = fit_gate(np.exp(values))
    np.testing.assert_allclose([gate.means, gate.weights], [means, weights], atol=0.1)
    own = meeting_of(gate.weights, gate.means, gate.deviations)
    assert gate.threshold == pytest.approx(own, abs=1e-6)
    assert gate.threshold == pytest.approx(meeting_of(weights, means, deviations), abs=0.15)
    for number in (0, 1):
        expected = gate.weights[number] * norm.pdf(values[:9], gate.means[number], gate.deviations[number])
        np.testing.assert_allclose(gate.density(values[:9], number), expected)


def test_gaussians_that_do_not_meet_leave_the_gate_open() -> None:
    assert meeting_point((0.05, 0.95), (0.0, 0.1), (3.0, 0.3)) == math.inf  # the second is higher at both means
    assert meeting_point((1.0, 0.0), (0.0, 1.0), (1.0, 1.0)) == math.inf
    assert fit_gate(np.ones(19)) == fit_gate(np.ones(100)) == OPEN


def test_losses_of_zero_have_a_logarithm() -> None:
    assert np.isfinite(log_losses([0.0, 1.0])).all()


def test_targets_are_sharpened() -> None:
    probabilities = torch.tensor([[0.6, 0.3, 0.1]])
    expected = probabilities**2 / (probabilities**2).sum()
    torch.testing.assert_close(sharpened(probabilities.log(), 0.5), expected)
    torch.testing.assert_close(sharpened(probabilities.log(), 1.0), probabilities)


def test_label_correction_on_made_up_logits() -> None:
    clean = torch.tensor([[3.0, 0.0, 0.0], [0.1, 0.0, 0.0]], requires_grad=True)  # one confident, one not
    logits = torch.tensor([[0.5, 1.0, 0.0], [0.0, 0.0, 2.0]], requires_grad=True)
    losses, confident = correction_losses(logits, clean, confidence=0.5, temperature=0.1)
    assert confident.tolist() == [True, False]
    assert float(losses[1].detach()) == 0
    hard = functional.cross_entropy(logits[:1], torch.tensor([0]))  # sharpened to nearly one class
    torch.testing.assert_close(losses[0], hard, atol=1e-4, rtol=0)
    losses.sum().backward()
    assert clean.grad is None
    assert logits.grad is not None and logits.grad[0].abs().sum() > 0 and not logits.grad[1].any()
