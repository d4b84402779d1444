"""The two attentions: where in the text the decoder reads at each step.

Both see the text as a memory [batch, tokens, size] and give weights [batch, tokens] that sum to 1 and are exactly 0
on padding.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthesizer.config import SynthesizerConfig
from synthesizer.recurrence import WeightOverTime

MASKED_ENERGY = -1e9  # exp() of it is exactly 0, and unlike -inf it has a finite gradient


def fast_tanh(x: Tensor) -> Tensor:
    """tanh by way of the sigmoid, whose vectorised kernel is several times faster on a CPU."""
    return 2 * torch.sigmoid(2 * x) - 1


def beta_binomial(length: int, alpha: float, beta: float) -> Tensor:
    """The beta-binomial distribution on 0 .. length - 1: [length], sums to 1."""
    n = length - 1

    def log_beta(a: float, b: float) -> float:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    logs = [
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        + log_beta(k + alpha, n - k + beta) - log_beta(alpha, beta)
        for k in range(length)
    ]  # fmt: skip
    return torch.tensor(logs).exp()


class DynamicConvolutionAttention(nn.Module):
    """Dynamic convolution attention (arXiv 1910.10288).

    The new weights are a function of the old weights alone: static filters, filters that the decoder state chooses,
    and a prior that forbids going back and favours small steps forward. The content of the text plays no part, so
    that it aligns early and holds on texts far longer than those it was trained on.
    """

    def __init__(self, config: SynthesizerConfig) -> None:
        super().__init__()
        size, filters, kernel = config.attention_size, config.attention_filters, config.attention_kernel
        self.kernel = kernel
        self.filters = filters
        self.query = nn.Linear(config.decoder_size, size)
        self.dynamic = nn.Linear(size, filters * kernel, bias=False)
        self.static = nn.Parameter(torch.randn(kernel, filters) / math.sqrt(kernel))
        self.from_static = nn.Linear(filters, size, bias=False)
        self.from_dynamic = nn.Linear(filters, size)
        self.energy = nn.Linear(size, 1, bias=False)
        prior = beta_binomial(config.prior_length, config.prior_alpha, config.prior_beta)
        self.prior: Tensor
        self.register_buffer("prior", prior.flip(0), persistent=False)

    def start(self, memory: Tensor, mask: Tensor) -> DynamicConvolutionState:
        """memory: [batch, tokens, size]; mask: [batch, tokens], true on tokens."""
        return DynamicConvolutionState(self, memory, mask)


class DynamicConvolutionState:
    """One pass over one batch. `step(query)` moves it on."""

    def __init__(self, module: DynamicConvolutionAttention, memory: Tensor, mask: Tensor) -> None:
        self.module = module
        self.query = WeightOverTime(module.query.weight)
        self.dynamic = WeightOverTime(module.dynamic.weight)
        self.static_filters = (module.static @ module.from_static.weight.T).float()  # [kernel, size]
        self.outside = torch.zeros_like(mask, dtype=torch.float32).masked_fill(~mask, MASKED_ENERGY)
        self.weights = F.one_hot(mask.new_zeros(len(mask), dtype=torch.long), mask.shape[1]).float()

    def step(self, query: Tensor) -> Tensor:
        """query: decoder state [batch, decoder] -> weights [batch, tokens]."""
        module = self.module
        chosen = self.dynamic.apply(fast_tanh(self.query.apply(query) + module.query.bias))
        chosen = chosen.view(len(query), module.kernel, module.filters)
        filters = chosen @ module.from_dynamic.weight.T + self.static_filters  # [batch, kernel, size]
        reach = module.kernel // 2
        windows = F.pad(self.weights, (reach, reach)).unfold(1, module.kernel, 1)  # [batch, tokens, kernel]
        energies = fast_tanh(torch.bmm(windows, filters) + module.from_dynamic.bias) @ module.energy.weight[0]
        back = F.pad(self.weights, (len(module.prior) - 1, 0)).unfold(1, len(module.prior), 1)
        prior = torch.log(torch.clamp(back @ module.prior, min=1e-6))
        self.weights = torch.softmax(energies.float() + prior + self.outside, dim=1)
        return self.weights


class LocationSensitiveAttention(nn.Module):
    """Location-sensitive attention of the Tacotron 2 paper, with cumulative weights. Needs guided attention to align
    on little data (`training.guided_attention`)."""

    def __init__(self, config: SynthesizerConfig) -> None:
        super().__init__()
        size, filters, kernel = config.attention_size, config.attention_filters * 4, config.attention_kernel + 10
        self.kernel = kernel
        self.query = nn.Linear(config.decoder_size, size, bias=False)
        self.key = nn.Linear(config.encoder_size, size, bias=False)
        self.location = nn.Parameter(torch.randn(2 * kernel, filters) / math.sqrt(2 * kernel))
        self.from_location = nn.Linear(filters, size)
        self.energy = nn.Linear(size, 1, bias=False)

    def start(self, memory: Tensor, mask: Tensor) -> LocationSensitiveState:
        """memory: [batch, tokens, size]; mask: [batch, tokens], true on tokens."""
        return LocationSensitiveState(self, memory, mask)


class LocationSensitiveState:
    """One pass over one batch. `step(query)` moves it on."""

    def __init__(self, module: LocationSensitiveAttention, memory: Tensor, mask: Tensor) -> None:
        self.module = module
        self.query = WeightOverTime(module.query.weight)
        self.keys = module.key(memory).float() + module.from_location.bias
        self.filters = (module.location @ module.from_location.weight.T).float()  # [2 * kernel, size]
        self.outside = torch.zeros_like(mask, dtype=torch.float32).masked_fill(~mask, MASKED_ENERGY)
        self.weights = torch.zeros_like(self.outside)
        self.cumulative = torch.zeros_like(self.outside)

    def step(self, query: Tensor) -> Tensor:
        """query: decoder state [batch, decoder] -> weights [batch, tokens]."""
        module = self.module
        reach = module.kernel // 2
        both = F.pad(torch.stack((self.weights, self.cumulative), 1), (reach, reach)).unfold(2, module.kernel, 1)
        windows = both.transpose(1, 2).flatten(2)  # [batch, tokens, 2 * kernel]
        hidden = fast_tanh(windows @ self.filters + self.keys + self.query.apply(query)[:, None])
        self.weights = torch.softmax((hidden @ module.energy.weight[0]).float() + self.outside, dim=1)
        self.cumulative = self.cumulative + self.weights
        return self.weights


def build_attention(config: SynthesizerConfig) -> DynamicConvolutionAttention | LocationSensitiveAttention:
    """The attention that the configuration names."""
    if config.attention == "dynamic-convolution":
        return DynamicConvolutionAttention(config)
    return LocationSensitiveAttention(config)


def guided_attention_loss(alignments: Tensor, token_lengths: Tensor, step_lengths: Tensor, sigma: float) -> Tensor:
    """Penalty on weights far from the diagonal (arXiv 1710.08969).

    Args:
        alignments: [batch, tokens, steps].
        token_lengths, step_lengths: [batch].
        sigma: width of the free band, in fractions of the text.

    Returns:
        Mean over the valid cells.
    """
    _, tokens, steps = alignments.shape
    token = torch.arange(tokens, device=alignments.device)
    step = torch.arange(steps, device=alignments.device)
    across = token[None, :, None] / token_lengths[:, None, None] - step[None, None] / step_lengths[:, None, None]
    penalty = 1 - torch.exp(-(across**2) / (2 * sigma**2))
    valid = (token[None, :, None] < token_lengths[:, None, None]) & (step[None, None] < step_lengths[:, None, None])
    return (alignments * penalty * valid).sum() / valid.sum()


def word_guidance_loss(alignments: Tensor, reading: Tensor, step_lengths: Tensor) -> Tensor:
    """How much attention is on other words than those that sound: -log of the weight that is where it belongs.

    Args:
        alignments: [batch, tokens, steps].
        reading: int64 [batch, steps, 2], first and last token that each step may read.
        step_lengths: [batch].

    Returns:
        Mean over the valid steps; 0 where every token may be read.
    """
    token = torch.arange(alignments.shape[1], device=alignments.device)[None, :, None]
    allowed = (token >= reading[:, None, :, 0]) & (token <= reading[:, None, :, 1])
    there = (alignments * allowed).sum(1)
    valid = torch.arange(alignments.shape[2], device=alignments.device)[None] < step_lengths[:, None]
    return -torch.log(there[valid] + 1e-4).mean()
