"""Losses of adversarial training, and the balance of their gradient with that of other losses.

The outputs of discriminators are, for each of them, its feature maps [batch, ...] and, as the last element, its scores:
above zero where it classifies the input as recorded.
"""

import torch
from torch import Tensor

FEATURES_WEIGHT = 2.0  # of feature matching, relative to the adversarial loss, as for HiFi-GAN
GRADIENT_SCALE = 4096.0  # of the adversarial gradients, so that half precision does not round them to zero
_TINY = 1e-12

Outputs = list[list[Tensor]]


def discrimination_loss(recorded: Outputs, generated: Outputs) -> Tensor:
    """Hinge loss of the discriminators (Lim and Ye, arXiv 1705.02894), mean over the discriminators."""
    parts = [
        _mean((1 - real[-1]).relu()) + _mean((1 + fake[-1]).relu())
        for real, fake in zip(recorded, generated, strict=True)
    ]
    return torch.stack(parts).mean()


def adversarial_loss(generated: Outputs) -> Tensor:
    """Hinge loss of the generator, mean over the discriminators."""
    return torch.stack([_mean((1 - fake[-1]).relu()) for fake in generated]).mean()


def feature_distance(recorded: Outputs, generated: Outputs) -> Tensor:
    """Feature matching (Kumar et al. 2019, MelGAN, arXiv 1910.06711): distance of the maps relative to their size.

    The maps of the recordings get no gradient.
    """
    parts = []
    for real, fake in zip(recorded, generated, strict=True):
        for target, got in zip(real[:-1], fake[:-1], strict=True):
            target = target.detach()
            parts.append(_mean((got - target).abs()) / _mean(target.abs()).clamp_min(1e-6))
    return torch.stack(parts).mean()


def _mean(x: Tensor) -> Tensor:
    return x.mean(dtype=torch.float32)


def gradient_of(adversarial: Tensor, features: Tensor, generated: Tensor) -> Tensor:
    """Scaled gradient of the generator's losses at its output; only its direction matters. Keeps the graph."""
    scaled = (adversarial + FEATURES_WEIGHT * features) * GRADIENT_SCALE
    (gradient,) = torch.autograd.grad(scaled, generated, retain_graph=True)
    return gradient


def balanced(gradient: Tensor, adversarial: Tensor, fraction: float) -> Tensor:
    """A gradient plus an adversarial one whose norm is scaled to a fraction of the first (arXiv 2210.13438)."""
    return gradient + adversarial * (fraction * gradient.norm() / adversarial.norm().clamp_min(_TINY))


def ramp(step: int, warmup: int, weight: float) -> float:
    """Weight of the adversarial gradient: 0 while the discriminators warm up, then rising linearly for as long."""
    return weight * min(1.0, max(0.0, (step - warmup + 1) / max(1, warmup)))
