"""Layers that the parts of a VITS share. Sequences are [batch, channels, frames], masks float [batch, 1, frames]."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from synthesizer.masks import length_mask


def mask_of(lengths: Tensor, longest: int) -> Tensor:
    """1 for the valid frames: lengths [batch] -> float32 [batch, 1, longest]."""
    return length_mask(lengths, longest).float()[:, None]


class GatedConvolutions(nn.Module):
    """Convolutions with gated tanh units, residual and skip connections, as in WaveNet (arXiv 1609.03499).

    Args:
        channels: of input and output.
        condition: width of the speaker's condition, which each layer gets.
    """

    def __init__(self, channels: int, layers: int, kernel: int, condition: int) -> None:
        super().__init__()
        self.channels = channels
        self.condition = nn.Conv1d(condition, 2 * channels * layers, 1)
        self.enter = nn.ModuleList(
            nn.Conv1d(channels, 2 * channels, kernel, padding=kernel // 2) for _ in range(layers)
        )
        # The last layer has no residual connection.
        self.leave = nn.ModuleList(
            nn.Conv1d(channels, channels if layer == layers - 1 else 2 * channels, 1) for layer in range(layers)
        )

    def forward(self, x: Tensor, mask: Tensor, speaker: Tensor) -> Tensor:
        """x: [batch, channels, frames]; speaker: [batch, condition, 1] -> [batch, channels, frames]."""
        conditions = self.condition(speaker).chunk(len(self.enter), 1)
        total = torch.zeros_like(x)
        for enter, leave, condition in zip(self.enter, self.leave, conditions, strict=True):
            signal, gate = (enter(x) + condition).chunk(2, 1)
            change = leave(torch.tanh(signal) * torch.sigmoid(gate))
            if change.shape[1] > self.channels:
                residual, skip = change.chunk(2, 1)
                x = (x + residual) * mask
            else:
                skip = change
            total = total + skip
        return total * mask


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of [batch, channels, frames]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.transpose(1, 2)).transpose(1, 2)
