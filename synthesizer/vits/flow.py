"""The normalising flow between the latent variable of the audio and the prior: residual coupling layers.

A coupling shifts (and may scale) one half of the channels by an amount that the other half and the speaker determine,
so it can be inverted exactly (Dinh et al. 2017, Real NVP, arXiv 1605.08803). Between two couplings the order of the
channels is reversed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from synthesizer.vits.config import Architecture
from synthesizer.vits.layers import GatedConvolutions

MOST_LOG_SCALE = 2.0  # of a coupling, so that an inverse cannot overflow


class Coupling(nn.Module):
    """One coupling. At the start of training it changes nothing."""

    def __init__(self, config: Architecture) -> None:
        super().__init__()
        self.fixed, self.affine = config.latent_size // 2, config.flow_affine
        size = config.hidden_size
        self.enter = nn.Conv1d(self.fixed, size, 1)
        self.layers = GatedConvolutions(size, config.flow_layers, config.gated_kernel, config.speaker_size)
        self.leave = nn.Conv1d(size, self.fixed * (2 if self.affine else 1), 1)
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.bias)

    def forward(self, z: Tensor, mask: Tensor, speaker: Tensor, inverse: bool = False) -> tuple[Tensor, Tensor]:
        """The other latent variable, and the log-determinant [batch]."""
        kept, changed = z.split(self.fixed, 1)
        found = self.leave(self.layers(self.enter(kept) * mask, mask, speaker)).float() * mask
        shift, log_scale = (found[:, : self.fixed], found[:, self.fixed :]) if self.affine else (found, None)
        if log_scale is None:
            changed = changed - shift if inverse else changed + shift
            return torch.cat([kept, changed * mask], 1), z.new_zeros(len(z))
        log_scale = MOST_LOG_SCALE * torch.tanh(log_scale / MOST_LOG_SCALE)
        changed = (changed - shift) * (-log_scale).exp() if inverse else shift + changed * log_scale.exp()
        total = log_scale.sum((1, 2))
        return torch.cat([kept, changed * mask], 1), -total if inverse else total


class Flow(nn.Module):
    """All couplings."""

    def __init__(self, config: Architecture) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(Coupling(config) for _ in range(config.flow_couplings))

    def forward(self, z: Tensor, mask: Tensor, speaker: Tensor) -> tuple[Tensor, Tensor]:
        """From the latent variable of the audio to that of the prior.

        Args:
            z: [batch, latent_size, frames]; mask: float [batch, 1, frames]; speaker: [batch, speaker_size, 1].

        Returns:
            The same shape, and the log-determinant of the Jacobian, [batch].
        """
        total = z.new_zeros(len(z))
        for coupling in self.couplings:
            z, change = coupling(z, mask, speaker)
            z, total = z.flip(1), total + change
        return z, total

    def inverse(self, z: Tensor, mask: Tensor, speaker: Tensor) -> Tensor:
        """From the latent variable of the prior to that of the audio."""
        for coupling in reversed(self.couplings):
            z, _ = coupling(z.flip(1), mask, speaker, inverse=True)
        return z
