"""Attention over the text: dynamic convolution and location-sensitive.

Both take a memory [batch, tokens, size] and return weights [batch, tokens] that sum to 1 and are exactly 0 on padding.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthesizer.attention_window import MASKED_ENERGY, Window, outside_window
from synthesizer.tacotron.config import Architecture
from synthesizer.tacotron.recurrence import WeightOverTime, fast_tanh


class _TanhEnergies(torch.autograd.Function):
    """tanh(x / 2) @ energy as one autograd node, which stores one tensor only."""

    @staticmethod
    def forward(ctx: Any, doubled: Tensor, energy: Tensor) -> Tensor:
        halved = torch.sigmoid(doubled).sub_(0.5)  # tanh(doubled / 2) / 2
        ctx.save_for_backward(halved, energy)
        return halved @ (2 * energy)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        halved, energy = ctx.saved_tensors
        (gradient,) = gradients
        of_energy = 2 * (gradient.flatten() @ halved.flatten(0, 1))
        slope = torch.addcmul(halved.new_tensor(0.5), halved, halved, value=-2)  # (1 - tanh^2) / 2
        return slope.mul_(energy).mul_(gradient[:, :, None]), of_energy


def tanh_energies(doubled: Tensor, energy: Tensor) -> Tensor:
    """Energies of tokens.

    Args:
        doubled: twice the argument of the tanh, [batch, tokens, size].
        energy: [size].

    Returns:
        tanh(doubled / 2) @ energy, [batch, tokens].
    """
    energies: Tensor = _TanhEnergies.apply(doubled, energy)
    return energies


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

    The new weights depend on the old weights only: static filters, filters computed from the decoder state, and a
    prior that forbids moving back and favours small steps forward. The content of the text is not used, so it aligns
    early in training and generalises to texts far longer than those in training.
    """

    def __init__(self, config: Architecture) -> None:
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
    """State of one pass over one batch; `step(query)` advances it."""

    def __init__(self, module: DynamicConvolutionAttention, memory: Tensor, mask: Tensor) -> None:
        self.module = module
        self.query = WeightOverTime(module.query.weight)
        # One more row of filters, which is always zero here, holds the bias; each window ends in a 1 for it. All are
        # doubled, as `tanh_energies` expects.
        none = module.dynamic.weight.new_zeros(module.filters, module.dynamic.in_features)
        self.dynamic = WeightOverTime(torch.cat((module.dynamic.weight, none)))
        static = module.static @ module.from_static.weight.T
        self.static_filters = 2 * torch.cat((static, module.from_dynamic.bias[None])).float()  # [kernel + 1, size]
        self.from_dynamic = 2 * module.from_dynamic.weight.T
        self.one = torch.ones_like(mask, dtype=torch.float32)[:, :, None]
        self.outside = torch.zeros_like(mask, dtype=torch.float32).masked_fill(~mask, MASKED_ENERGY)
        self.weights = F.one_hot(mask.new_zeros(len(mask), dtype=torch.long), mask.shape[1]).float()

    def step(self, query: Tensor, window: Window | None = None) -> Tensor:
        """query: decoder state [batch, decoder] -> weights [batch, tokens], 0 outside the window (see `outside_window`;
        None for no window)."""
        module = self.module
        chosen = self.dynamic.apply(fast_tanh(self.query.apply(query) + module.query.bias))
        chosen = chosen.view(len(query), module.kernel + 1, module.filters)
        filters = chosen @ self.from_dynamic + self.static_filters  # [batch, kernel + 1, size]
        reach = module.kernel // 2
        windows = F.pad(self.weights, (reach, reach)).unfold(1, module.kernel, 1)  # [batch, tokens, kernel]
        windows = torch.cat((windows, self.one), 2)
        energies = tanh_energies(torch.bmm(windows, filters), module.energy.weight[0])
        back = F.pad(self.weights, (len(module.prior) - 1, 0)).unfold(1, len(module.prior), 1)
        prior = torch.log(torch.clamp(back @ module.prior, min=1e-6))
        energies = energies + prior + self.outside
        if window is not None:
            energies = energies + outside_window(self.weights, window)
        self.weights = torch.softmax(energies, dim=1)
        return self.weights


class LocationSensitiveAttention(nn.Module):
    """Location-sensitive attention of the Tacotron 2 paper, with cumulative weights. Needs the guided-attention loss to
    align on little data."""

    def __init__(self, config: Architecture) -> None:
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
    """State of one pass over one batch; `step(query)` advances it."""

    def __init__(self, module: LocationSensitiveAttention, memory: Tensor, mask: Tensor) -> None:
        self.module = module
        self.query = WeightOverTime(module.query.weight)
        # Doubled, as `tanh_energies` expects.
        self.keys = 2 * (module.key(memory).float() + module.from_location.bias)
        self.filters = 2 * (module.location @ module.from_location.weight.T).float()  # [2 * kernel, size]
        self.outside = torch.zeros_like(mask, dtype=torch.float32).masked_fill(~mask, MASKED_ENERGY)
        self.weights = torch.zeros_like(self.outside)
        self.cumulative = torch.zeros_like(self.outside)

    def step(self, query: Tensor, window: Window | None = None) -> Tensor:
        """query: decoder state [batch, decoder] -> weights [batch, tokens], 0 outside the window (see `outside_window`;
        None for no window)."""
        module = self.module
        reach = module.kernel // 2
        both = F.pad(torch.stack((self.weights, self.cumulative), 1), (reach, reach)).unfold(2, module.kernel, 1)
        windows = both.transpose(1, 2).flatten(2)  # [batch, tokens, 2 * kernel]
        doubled = windows @ self.filters + self.keys + 2 * self.query.apply(query)[:, None]
        energies = tanh_energies(doubled, module.energy.weight[0]) + self.outside
        if window is not None:
            energies = energies + outside_window(self.weights, window)
        self.weights = torch.softmax(energies, dim=1)
        self.cumulative = self.cumulative + self.weights
        return self.weights


def build_attention(config: Architecture) -> DynamicConvolutionAttention | LocationSensitiveAttention:
    """The attention of the configured kind."""
    if config.attention == "dynamic-convolution":
        return DynamicConvolutionAttention(config)
    return LocationSensitiveAttention(config)
