"""A limit on the movement of attention, and the energy of tokens that no weight may be on."""

from __future__ import annotations

import torch
from torch import Tensor

MASKED_ENERGY = -1e9  # exp() of it is exactly 0, and unlike -inf it has a finite gradient

Window = tuple[int, int]  # tokens behind and ahead of the focus that attention may move to


def outside_window(weights: Tensor, window: Window) -> Tensor:
    """Energies that exclude tokens far from the focus, the token with the largest weight at the previous step.

    The focus is not the mean position: where attention is split between two tokens, their mean lies on neither.

    Args:
        weights: of the previous step, [batch, tokens].
        window: tokens behind and ahead of the focus.

    Returns:
        [batch, tokens], 0 inside of the window and `MASKED_ENERGY` outside.
    """
    away = torch.arange(weights.shape[1], device=weights.device) - weights.argmax(1, keepdim=True)
    behind, ahead = window
    return ((away < -behind) | (away > ahead)) * MASKED_ENERGY
