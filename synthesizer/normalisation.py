"""Batch normalisation over the valid positions of a padded batch, with activation and dropout, as one autograd node.

Gathering the valid positions, normalising and scattering them takes a dozen passes over large tensors, and as many in
the backward pass. Here padding stays in place as zeros, and the gradient takes three sums over positions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthesizer.masks import keep_mask


def normalise_valid(
    y: Tensor, mask: Tensor, normalisation: nn.BatchNorm1d, activation: str, dropout_rate: float
) -> Tensor:
    """Batch normalisation, activation and dropout of the valid positions; zero on the others.

    Args:
        y: float32 [batch, channels, positions].
        mask: bool [batch, positions].
        normalisation: in training mode it uses the statistics of this batch and updates its running statistics.
        activation: "relu", "tanh" or "none".
    """
    valid = mask[:, None].to(y.dtype)
    if not normalisation.training:
        z = F.batch_norm(
            y, normalisation.running_mean, normalisation.running_var, normalisation.weight, normalisation.bias,
            training=False, eps=normalisation.eps,
        )  # fmt: skip
        z = torch.relu(z) if activation == "relu" else torch.tanh(z) if activation == "tanh" else z
        return z * valid
    kept = valid
    if dropout_rate:
        rate = round(dropout_rate * 256) / 256  # as `keep_mask` rounds it
        kept = keep_mask(tuple(y.shape), dropout_rate, y.device).mul_(valid).mul_(1 / (1 - rate))
    with torch.autocast(y.device.type, enabled=False):  # sums over thousands of positions
        result, mean, variance = _NormaliseValid.apply(
            y, normalisation.weight, normalisation.bias, valid, kept, activation, normalisation.eps
        )
    _update_running_statistics(normalisation, mean, variance, valid.sum())
    return result


def _update_running_statistics(normalisation: nn.BatchNorm1d, mean: Tensor, variance: Tensor, count: Tensor) -> None:
    """As `nn.BatchNorm1d` does it: the running variance is the unbiased one."""
    if normalisation.running_mean is None or normalisation.running_var is None or normalisation.momentum is None:
        return
    with torch.no_grad():
        normalisation.running_mean.lerp_(mean, normalisation.momentum)
        normalisation.running_var.lerp_(variance * (count / (count - 1)), normalisation.momentum)
        if normalisation.num_batches_tracked is not None:
            normalisation.num_batches_tracked.add_(1)


class _NormaliseValid(torch.autograd.Function):
    """With c = y - mean, s = 1 / deviation, n valid positions and d the gradient before the activation:

    z       = weight s c + bias
    d / dy  = weight s (d - sum(d) / n - c s^2 sum(d c) / n)
    """

    @staticmethod
    def forward(
        ctx: Any, y: Tensor, weight: Tensor, bias: Tensor, valid: Tensor, kept: Tensor, activation: str, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        count = valid.sum()
        mean = torch.bmm(y, valid.transpose(1, 2)).sum(0).squeeze(1) / count
        centred = (y - mean[:, None]).mul_(valid)
        variance = torch.linalg.vector_norm(centred, dim=(0, 2)).square() / count
        scale = torch.rsqrt(variance + eps)
        # tanh(z) = 2 sigmoid(2 z) - 1, whose kernel is several times faster on a CPU
        doubled = 2 if activation == "tanh" else 1
        z = torch.addcmul(doubled * bias[:, None], centred, (doubled * scale * weight)[:, None])
        if activation == "tanh":
            z = z.sigmoid_().sub_(0.5).mul_(2)
        elif activation == "relu":
            z = z.relu_()
        ctx.save_for_backward(centred, z, weight, scale, valid, kept, count)
        ctx.activation = activation
        ctx.mark_non_differentiable(mean, variance)
        return z * kept, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        centred, z, weight, scale, valid, kept, count = ctx.saved_tensors
        d = gradients[0] * kept
        if ctx.activation == "tanh":
            d = d.mul_(torch.addcmul(z.new_tensor(1.0), z, z, value=-1))
        elif ctx.activation == "relu":
            d = d.mul_(z > 0)
        of_bias = d.sum((0, 2))
        along = (d * centred).sum((0, 2))
        factor = weight * scale
        of_y = torch.addcmul(
            (-factor * of_bias / count)[:, None], centred, (-factor * scale**2 * along / count)[:, None]
        )
        of_y = of_y.addcmul_(d, factor[:, None]).mul_(valid)
        return of_y, along * scale, of_bias, None, None, None, None
