"""Batch normalisation of padded batches equals `nn.BatchNorm1d` on the valid positions."""

import pytest
import torch
from torch import nn

from synthesizer.masks import length_mask
from synthesizer.normalisation import normalise_valid

MASK = length_mask(torch.tensor([7, 3, 5]), 7)
ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "none": lambda same: same}


def normalisation_pair() -> tuple[nn.BatchNorm1d, nn.BatchNorm1d]:
    torch.manual_seed(0)
    ours, theirs = nn.BatchNorm1d(4).double(), nn.BatchNorm1d(4).double()
    with torch.no_grad():
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(ours, name).copy_(torch.rand(4) + 0.5)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_values_gradients_and_statistics_equal_the_reference(activation: str, training: bool) -> None:
    ours, theirs = normalisation_pair()
    ours.train(training), theirs.train(training)
    y = torch.randn(3, 4, 7, dtype=torch.double, requires_grad=True)
    target = torch.randn(3, 4, 7, dtype=torch.double)
    result = normalise_valid(y, MASK, ours, activation, 0.0)
    valid = ACTIVATIONS[activation](theirs(y.transpose(1, 2)[MASK]))
    torch.testing.assert_close(result.transpose(1, 2)[MASK], valid, rtol=1e-5, atol=1e-6)
    assert (result.transpose(1, 2)[~MASK] == 0).all()
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    assert ours.num_batches_tracked == theirs.num_batches_tracked
    ours_gradients = torch.autograd.grad((result * target).sum(), [y, ours.weight, ours.bias])
    their_gradients = torch.autograd.grad((valid * target.transpose(1, 2)[MASK]).sum(), [y, theirs.weight, theirs.bias])
    for own, other in zip(ours_gradients, their_gradients, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-6)


def test_dropout_rate_and_scale() -> None:
    torch.manual_seed(0)
    normalisation = nn.BatchNorm1d(64)
    mask = torch.ones(8, 100, dtype=torch.bool)
    y = torch.randn(8, 64, 100)
    whole = normalise_valid(y, mask, normalisation, "none", 0.0)
    dropped = normalise_valid(y, mask, normalisation, "none", 0.25)
    kept = dropped != 0
    assert float(kept.float().mean()) == pytest.approx(0.75, abs=0.01)
    torch.testing.assert_close(dropped[kept], whole[kept] / 0.75)
    normalisation.eval()
    assert (normalise_valid(y, mask, normalisation, "none", 0.25) != 0).all()


def test_sums_stay_float32_under_autocast() -> None:
    torch.manual_seed(0)
    normalisation, y = nn.BatchNorm1d(4), torch.randn(3, 4, 7) + 5
    with torch.autocast("cpu", torch.bfloat16):
        cast = normalise_valid(y, MASK, normalisation, "tanh", 0.0)
    torch.testing.assert_close(cast, normalise_valid(y, MASK, normalisation, "tanh", 0.0))
