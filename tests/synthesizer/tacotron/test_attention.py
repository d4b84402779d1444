"""Attention weights are a distribution over the tokens of the text."""

import pytest
import torch

from synthesizer.attention_window import MASKED_ENERGY, outside_window
from synthesizer.losses import guided_attention_loss
from synthesizer.masks import length_mask
from synthesizer.tacotron.attention import beta_binomial, build_attention, tanh_energies
from synthesizer.tacotron.config import ATTENTION_KINDS
from synthesizer.tacotron.recurrence import fast_tanh
from tests.synthesizer.toy import toy_config


@pytest.mark.parametrize("kind", ATTENTION_KINDS)
def test_weights_sum_to_one_and_padding_has_none(kind: str) -> None:
    torch.manual_seed(0)
    config = toy_config(attention=kind)
    attention = build_attention(config)
    mask = length_mask(torch.tensor([9, 4]), 9)
    state = attention.start(torch.randn(2, 9, config.encoder_size), mask)
    for _ in range(6):
        weights = state.step(torch.randn(2, config.decoder_size))
        torch.testing.assert_close(weights.sum(1), torch.ones(2))
        assert (weights[1, 4:] == 0).all()
    assert MASKED_ENERGY < -1e6


@pytest.mark.parametrize("kind", ATTENTION_KINDS)
def test_weights_are_independent_of_the_batch(kind: str) -> None:
    torch.manual_seed(0)
    config = toy_config(attention=kind)
    attention = build_attention(config).eval()
    memory = torch.randn(2, 12, config.encoder_size)
    queries = torch.randn(8, 2, config.decoder_size)
    alone = attention.start(memory[:1, :5], length_mask(torch.tensor([5]), 5))
    beside = attention.start(memory, length_mask(torch.tensor([5, 12]), 12))
    for query in queries:
        torch.testing.assert_close(alone.step(query[:1]), beside.step(query)[:1, :5], rtol=1e-4, atol=1e-6)


def test_dynamic_convolution_is_monotonic_from_the_first_token() -> None:
    torch.manual_seed(0)
    config = toy_config()
    state = build_attention(config).start(torch.zeros(1, 40, config.encoder_size), length_mask(torch.tensor([40]), 40))
    expected = 0.0
    for _ in range(15):
        weights = state.step(torch.randn(1, config.decoder_size))
        position = float((weights.detach() * torch.arange(40)).sum())
        assert position >= expected - 0.05  # the prior is at least a millionth for every token
        expected = position


def test_beta_binomial_prior() -> None:
    prior = beta_binomial(11, 0.1, 0.9)
    assert float(prior.sum()) == pytest.approx(1)
    assert float((prior * torch.arange(11)).sum()) == pytest.approx(1.0, abs=1e-5)  # one token per step on average


def test_fast_tanh() -> None:
    x = torch.linspace(-6, 6, 101)
    torch.testing.assert_close(fast_tanh(x), torch.tanh(x), rtol=1e-5, atol=1e-6)


def test_guided_attention_loss_is_lowest_on_the_diagonal() -> None:
    diagonal = torch.eye(10)[None]
    lengths = torch.tensor([10])
    on = guided_attention_loss(diagonal, lengths, lengths, 0.3)
    off = guided_attention_loss(diagonal.flip(1), lengths, lengths, 0.3)
    assert on < 1e-3 < off
    padded = torch.nn.functional.pad(diagonal, (0, 5, 0, 7), value=9.0)
    torch.testing.assert_close(guided_attention_loss(padded, lengths, lengths, 0.3), on)


def test_tanh_energies_equal_the_reference() -> None:
    torch.manual_seed(0)
    doubled = torch.randn(2, 3, 5, dtype=torch.double, requires_grad=True)
    energy = torch.randn(5, dtype=torch.double, requires_grad=True)
    torch.testing.assert_close(tanh_energies(doubled, energy), torch.tanh(doubled / 2) @ energy)
    assert torch.autograd.gradcheck(tanh_energies, (doubled, energy))


def test_window_is_centred_on_the_largest_weight() -> None:
    weights = torch.tensor([[0.1, 0.2, 0.6, 0.1, 0.0], [0.9, 0.1, 0.0, 0.0, 0.0]])
    inside = outside_window(weights, (1, 2)) == 0
    assert inside.tolist() == [[False, True, True, True, True], [True, True, True, False, False]]


@pytest.mark.parametrize("kind", ATTENTION_KINDS)
def test_weights_outside_the_window_are_zero(kind: str) -> None:
    torch.manual_seed(0)
    config = toy_config(attention=kind)
    attention = build_attention(config)
    state = attention.start(torch.randn(2, 9, config.encoder_size), length_mask(torch.tensor([9, 4]), 9))
    focus = torch.zeros(2, dtype=torch.long)
    for _ in range(8):
        weights = state.step(torch.randn(2, config.decoder_size), (1, 2))
        away = torch.arange(9) - focus[:, None]
        assert (weights[(away < -1) | (away > 2)] == 0).all() and (weights[1, 4:] == 0).all()
        torch.testing.assert_close(weights.sum(1), torch.ones(2))
        focus = weights.argmax(1)
