"""Masks of padded batches and of dropout, and the mel value on padding."""

from __future__ import annotations

import torch
from torch import Tensor

SILENCE = -4.0  # mel value of silence, and of the frame before the first


def length_mask(lengths: Tensor, longest: int) -> Tensor:
    """lengths: [batch] -> bool [batch, longest], true on the valid positions."""
    return torch.arange(longest, device=lengths.device)[None] < lengths[:, None]


def keep_mask(shape: tuple[int, ...], rate: float, device: torch.device) -> Tensor:
    """Bernoulli mask, float32: 1 with probability 1 - rate, to the nearest 256th.

    Each byte of a random 64-bit integer is one draw: eight times as fast as `torch.bernoulli` on a CPU.
    """
    count = 1
    for size in shape:
        count *= size
    draws = torch.empty((count + 7) // 8, dtype=torch.int64, device=device).random_(-(2**63), None)
    return (draws.view(torch.uint8)[:count] >= round(rate * 256)).float().view(shape)
