"""Dynamic loss gate and label correction (Han, Chen, Qian, "DLG-LC", arXiv 2208.01928), as functions of losses.

A wrong label has a higher loss than a right one, because the network learns what most labels agree on first. The
logarithms of the losses of all utterances are two overlapping Gaussians. The gate is where the two meet.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn import functional

SMALLEST_LOSS = 1e-6
MIN_LOSSES = 20  # fewer are not described by two Gaussians

Pair = tuple[float, float]


@dataclass(frozen=True)
class LossGate:
    """Two Gaussians of log losses, that of the lower mean first, and the gate.

    Attributes:
        weights, means, deviations: of the two.
        threshold: log loss above which a label is not reliable; infinite if the Gaussians do not meet.
    """

    weights: Pair
    means: Pair
    deviations: Pair
    threshold: float

    def density(self, log_losses: ArrayLike, component: int) -> np.ndarray:
        """Weighted density of one Gaussian at log losses [n]."""
        scaled = (np.asarray(log_losses) - self.means[component]) / self.deviations[component]
        return (
            self.weights[component] * np.exp(-0.5 * scaled**2) / (self.deviations[component] * math.sqrt(2 * math.pi))
        )


OPEN = LossGate((1.0, 0.0), (0.0, 0.0), (1.0, 1.0), math.inf)  # all labels are reliable


def fit_gate(losses: ArrayLike) -> LossGate:
    """Fit two Gaussians to the logarithms of losses [n]; fewer than 20 losses give the open gate."""
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    values = log_losses(losses)
    if len(values) < MIN_LOSSES or np.ptp(values) == 0:
        return OPEN
    with threadpool_limits(1):
        mixture = GaussianMixture(2, tol=1e-6, max_iter=500, random_state=0).fit(values[:, None])
    order = np.argsort(mixture.means_[:, 0])
    weights, means = (_pair(values[order]) for values in (mixture.weights_, mixture.means_[:, 0]))
    deviations = _pair(np.sqrt(mixture.covariances_[order, 0, 0]))
    return LossGate(weights, means, deviations, meeting_point(weights, means, deviations))


def log_losses(losses: ArrayLike) -> np.ndarray:
    """Logarithms, float64 [n]."""
    return np.log(np.maximum(np.asarray(losses, dtype=np.float64), SMALLEST_LOSS))


def meeting_point(weights: Pair, means: Pair, deviations: Pair) -> float:
    """The lowest point above the first mean from which on the weighted second Gaussian is the higher one.

    Where their densities are equal, the difference of the logarithms, a x^2 + b x + c, is 0.

    Returns:
        Infinity if there is none, or if the second one is the higher one at both means.
    """
    (first, second), (low, high) = means, (1 / (2 * deviation**2) for deviation in deviations)
    if min(weights) <= 0:
        return math.inf
    a = high - low
    b = 2 * (first * low - second * high)
    c = second**2 * high - first**2 * low + math.log(weights[0] * deviations[1] / (weights[1] * deviations[0]))
    if a * first**2 + b * first + c < 0:
        return math.inf
    if abs(a) < 1e-9 * max(low, high):
        roots = [-c / b] if b else []
    else:
        inside = b * b - 4 * a * c
        root = -0.5 * (b + math.copysign(math.sqrt(max(inside, 0.0)), b))  # the larger one: no digits are lost
        roots = [root / a, c / root if root else 0.0] if inside >= 0 else []
    return min((root for root in roots if root > first), default=math.inf)


def sharpened(logits: Tensor, temperature: float) -> Tensor:
    """Targets of label correction: the softmax of logits [n, classes] raised to 1 / temperature, normalised."""
    return functional.softmax(logits.detach() / temperature, dim=-1)


def correction_losses(
    logits: Tensor, clean_logits: Tensor, confidence: float, temperature: float
) -> tuple[Tensor, Tensor]:
    """Cross entropies with the sharpened predictions for the clean windows, and which of these are confident.

    Args:
        logits: of the augmented windows, without a margin, [n, classes].
        clean_logits: of the same windows before augmentation; no gradient reaches them.
        confidence: smallest largest probability of a confident prediction.
        temperature: of `sharpened`.

    Returns:
        losses [n], 0 where the prediction is not confident, and confident bool [n].
    """
    confident = functional.softmax(clean_logits.detach(), dim=-1).amax(dim=-1) > confidence
    targets = sharpened(clean_logits, temperature)
    losses = -(targets * functional.log_softmax(logits, dim=-1)).sum(dim=-1)
    return torch.where(confident, losses, torch.zeros_like(losses)), confident


def _pair(values: np.ndarray) -> Pair:
    return float(values[0]), float(values[1])
