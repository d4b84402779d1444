"""How sharp a mel is: the variation between neighbouring frames and bands, compared with that of a recording."""

from __future__ import annotations

import torch
from torch import Tensor


def texture_distance(generated: Tensor, recorded: Tensor) -> float:
    """How different the variation between neighbouring frames and bands is.

    Args:
        generated, recorded: [frames, n_mels].

    Returns:
        Absolute log ratio of the standard deviations of the differences, averaged over bands and both directions.
    """
    ratios = []
    for dim in (0, 1):
        ours, theirs = (mel.diff(dim=dim).std(0).clamp_min(1e-3) for mel in (generated, recorded))
        ratios.append((ours / theirs).log().abs().mean())
    return float(torch.stack(ratios).mean())
