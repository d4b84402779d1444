"""The duration predictor, and the expansion of tokens to frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthesizer.vits.config import Architecture
from synthesizer.vits.layers import ChannelNorm

KERNEL = 3


class DurationPredictor(nn.Module):
    """Deterministic: log durations from the hidden states of the text and the speaker. Passes no gradient to either."""

    def __init__(self, config: Architecture) -> None:
        super().__init__()
        size = config.duration_size
        self.dropout = config.duration_dropout
        self.condition = nn.Conv1d(config.speaker_size, config.hidden_size, 1)
        self.layers = nn.ModuleList(
            nn.Conv1d(inputs, size, KERNEL, padding=KERNEL // 2) for inputs in (config.hidden_size, size)
        )
        self.norms = nn.ModuleList(ChannelNorm(size) for _ in range(2))
        self.leave = nn.Conv1d(size, 1, 1)

    def forward(self, hidden: Tensor, mask: Tensor, speaker: Tensor) -> Tensor:
        """hidden: [batch, hidden_size, tokens]; speaker: [batch, speaker_size, 1] -> log frames, [batch, tokens]."""
        x = hidden.detach() + self.condition(speaker.detach())
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.dropout(norm(F.relu(layer(x * mask))), self.dropout, self.training)
        return (self.leave(x * mask).float() * mask)[:, 0]


def expand(x: Tensor, durations: Tensor, frames: int) -> Tensor:
    """Repeat each token for its frames.

    Args:
        x: [batch, channels, tokens].
        durations: int64 [batch, tokens].

    Returns:
        [batch, channels, frames]. Frames after the last token repeat it.
    """
    ends = durations.cumsum(1)
    positions = torch.arange(frames, device=x.device).expand(len(x), -1).contiguous()
    token = torch.searchsorted(ends, positions, right=True).clamp(max=x.shape[2] - 1)
    return x.gather(2, token[:, None].expand(-1, x.shape[1], -1))
