"""Large matrices stored as whole numbers of eight bits, with a step for each row: a quarter of their size in float32.

A matrix `w` becomes `w.levels`, int8 [rows, columns], and `w.step`, float32 [rows], with w = levels * step; each row
uses its whole range, which keeps the error of a weight below 0.4 % of the largest one in its row. Small tensors stay
as they are, for they weigh nothing and matter most.
"""

from collections.abc import Mapping

import torch

from speech.errors import ModelFileError

LEVELS, STEP = ".levels", ".step"
LEAST_ENTRIES = 4096
HIGHEST = 127


def shrink(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Replaces every floating-point matrix of some size by its levels and steps.

    Raises:
        ModelFileError: a weight is not finite.
    """
    stored: dict[str, torch.Tensor] = {}
    for name, tensor in weights.items():
        if not tensor.is_floating_point() or tensor.dim() != 2 or tensor.numel() < LEAST_ENTRIES:
            stored[name] = tensor
            continue
        matrix = tensor.detach().float()
        if not torch.isfinite(matrix).all():
            raise ModelFileError(
                f"The weights in {name} are not finite, so the model is not saved: use an earlier one."
            )
        step = matrix.abs().amax(dim=1).clamp_min(1e-12) / HIGHEST
        stored[name + LEVELS] = (matrix / step[:, None]).round().to(torch.int8)
        stored[name + STEP] = step
    return stored


def restore(stored: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights that `shrink` was given, as float32 and rounded; a model stored otherwise passes unchanged.

    Raises:
        ModelFileError: levels and steps do not belong together.
    """
    weights = {name: tensor for name, tensor in stored.items() if tensor.dtype != torch.int8}
    for name, levels in stored.items():
        if levels.dtype != torch.int8:
            continue
        base = name.removesuffix(LEVELS)
        step = weights.pop(base + STEP, None)
        fits = step is not None and levels.dim() == 2 and step.shape == levels.shape[:1] and step.is_floating_point()
        if base == name or base in weights or not fits:
            raise ModelFileError(f"The weights in {name[:80]} are damaged: choose another file.")
        assert step is not None
        weights[base] = levels.float().mul_(step.float()[:, None])
    return weights
