"""Storage of large matrices as int8 with one scale per row: a quarter of their size in float32.

A matrix `w` becomes `w.levels`, int8 [rows, columns], and `w.step`, float32 [rows], with w = levels * step. Each row
uses the whole int8 range, so the error of a weight is below 0.4 % of the largest one in its row. Small tensors are not
quantised, because they take little space and are most sensitive.
"""

from collections.abc import Mapping

import torch

from speech.errors import ModelFileError

VALUES, SCALES = ".levels", ".step"  # suffixes of tensor names, part of the file format
MIN_ENTRIES = 4096
MAX_VALUE = 127


def quantise(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Replace every large floating-point matrix by its int8 values and scales.

    Raises:
        ModelFileError: a weight is not finite.
    """
    stored: dict[str, torch.Tensor] = {}
    for name, tensor in weights.items():
        if not tensor.is_floating_point() or tensor.dim() != 2 or tensor.numel() < MIN_ENTRIES:
            stored[name] = tensor
            continue
        matrix = tensor.detach().float()
        if not torch.isfinite(matrix).all():
            raise ModelFileError(
                f"The weights in {name} are not finite, so the model is not saved: use an earlier one."
            )
        stored[name + VALUES], stored[name + SCALES] = quantise_rows(matrix)
    return stored


def quantise_rows(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """float32 [rows, columns] -> int8 values [rows, columns] and float32 scales [rows]: matrix = values * scales."""
    scales = matrix.abs().amax(dim=1).clamp_min(1e-12) / MAX_VALUE
    return (matrix / scales[:, None]).round().to(torch.int8), scales


def dequantise(stored: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Undo `quantise`, up to rounding, as float32. Weights that were not quantised pass unchanged.

    Raises:
        ModelFileError: values and scales do not belong together.
    """
    weights = {name: tensor for name, tensor in stored.items() if tensor.dtype != torch.int8}
    for name, values in stored.items():
        if values.dtype != torch.int8:
            continue
        base = name.removesuffix(VALUES)
        scale = weights.pop(base + SCALES, None)
        fits = scale is not None and values.dim() == 2 and scale.shape == values.shape[:1] and scale.is_floating_point()
        if base == name or base in weights or not fits:
            raise ModelFileError(f"The weights in {name[:80]} are damaged: choose a different file.")
        assert scale is not None
        weights[base] = values.float().mul_(scale.float()[:, None])
    return weights
