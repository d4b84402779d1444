"""The encoders of the prior: from symbols or units to mean and log deviation of the latent variable."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthesizer.vits.config import Architecture
from synthesizer.vits.layers import ChannelNorm, mask_of

ROTATION_BASE = 10_000.0
MIDDLE_PITCH = 150.0  # Hz, between low and high voices


class Encoded(NamedTuple):
    """Output of an encoder.

    Attributes:
        hidden: [batch, hidden_size, tokens].
        mean, log_deviation: of the latent variable, [batch, latent_size, tokens].
        mask: float [batch, 1, tokens].
    """

    hidden: Tensor
    mean: Tensor
    log_deviation: Tensor
    mask: Tensor


class TokenEncoder(nn.Module):
    """Transformer over tokens: symbols of a text, or units of speech.

    Args:
        count: number of different tokens.
        pitch: whether it also takes their F0.
    """

    def __init__(self, config: Architecture, count: int, pitch: bool = False) -> None:
        super().__init__()
        self.embed = nn.Embedding(count, config.hidden_size)
        nn.init.normal_(self.embed.weight, std=config.hidden_size**-0.5)
        self.pitch = nn.Conv1d(2, config.hidden_size, 1) if pitch else None
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.encoder_layers))
        self.norm = ChannelNorm(config.hidden_size)
        self.leave = nn.Conv1d(config.hidden_size, 2 * config.latent_size, 1)
        self.scale = config.hidden_size**0.5

    def forward(self, tokens: Tensor, lengths: Tensor, pitch: Tensor | None = None) -> Encoded:
        """tokens: int64 [batch, tokens]; lengths: int64 [batch]; pitch: F0 in Hz, 0 if unvoiced, [batch, tokens]."""
        mask = mask_of(lengths, tokens.shape[1])
        x = self.scale * self.embed(tokens).transpose(1, 2) * mask
        if self.pitch is not None and pitch is not None:
            x = (x + self.pitch(pitch_features(pitch))) * mask
        for layer in self.layers:
            x = layer(x, mask)
        hidden = self.norm(x) * mask
        mean, log_deviation = (self.leave(hidden) * mask).chunk(2, 1)
        return Encoded(hidden, mean, log_deviation, mask)


class TransformerLayer(nn.Module):
    """Self-attention and two convolutions, each after a layer norm and with a residual connection.

    Positions are relative: queries and keys are rotated (Su et al. 2021, RoFormer, arXiv 2104.09864).
    """

    def __init__(self, config: Architecture) -> None:
        super().__init__()
        size, kernel = config.hidden_size, config.encoder_kernel
        self.heads, self.dropout = config.encoder_heads, config.encoder_dropout
        self.attention_norm, self.filter_norm = ChannelNorm(size), ChannelNorm(size)
        self.project = nn.Linear(size, 3 * size)
        self.join = nn.Linear(size, size)
        self.widen = nn.Conv1d(size, config.filter_size, kernel, padding=kernel // 2)
        self.narrow = nn.Conv1d(config.filter_size, size, kernel, padding=kernel // 2)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[batch, hidden_size, tokens] -> the same shape."""
        x = x + self._dropped(self._attend(self.attention_norm(x), mask)) * mask
        y = F.gelu(self.widen(self.filter_norm(x) * mask))
        return x + self._dropped(self.narrow(self._dropped(y) * mask)) * mask

    def _attend(self, x: Tensor, mask: Tensor) -> Tensor:
        projected = self.project(x.transpose(1, 2)).unflatten(2, (3, self.heads, -1))
        queries, keys, values = projected.permute(2, 0, 3, 1, 4)  # [batch, heads, tokens, size] each
        queries, keys = _rotated(queries), _rotated(keys)
        joined = F.scaled_dot_product_attention(queries, keys, values.to(queries.dtype), attn_mask=mask[:, None].bool())
        return self.join(joined.transpose(1, 2).flatten(2)).transpose(1, 2)

    def _dropped(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


def pitch_features(pitch: Tensor) -> Tensor:
    """F0 in octaves, 0 if unvoiced, and whether it is voiced: [batch, tokens] in Hz -> [batch, 2, tokens]."""
    voiced = pitch > 0
    octaves = torch.where(voiced, (pitch.clamp_min(1) / MIDDLE_PITCH).log2(), 0.0)
    return torch.stack([octaves, voiced.float()], 1)


def _rotated(x: Tensor) -> Tensor:
    """Pairs of entries rotated by their position: [batch, heads, tokens, size] -> the same shape."""
    half = x.shape[-1] // 2
    rates = ROTATION_BASE ** (-torch.arange(half, device=x.device) / half)
    angles = torch.arange(x.shape[2], device=x.device)[:, None] * rates
    a, b = x.float().split(half, -1)
    return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], -1).to(x.dtype)
