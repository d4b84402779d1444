"""Losses of a refiner that goes from start to mel in one step, and of the discriminators it is trained against.

Flow matching needs several steps and long training before its samples are free of noise. Here the refiner is trained
to do the whole way in one step, as a generator (adversarial diffusion distillation, arXiv 2311.17042, is similar).
Inference is the same with `refiner_steps` 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from synthesizer.refiner.discriminators import MelDiscriminators
from synthesizer.refiner.network import Conditions, Refiner
from training.adversarial import (
    Outputs,
    adversarial_loss,
    balanced,
    discrimination_loss,
    feature_distance,
    gradient_of,
)

LEAST_COMPARED = 32  # frames of a reference, for the voice discriminator
MISMATCHED_WEIGHT = 0.5  # of recordings with the reference of another speaker, among the inputs to reject
DISCRIMINATORS_WEIGHT = 0.02  # keeps their gradient out of the norm that is clipped; Adam does not depend on the scale


@dataclass(frozen=True)
class Measure:
    """A further loss of the refined mel.

    Attributes:
        name: under which it is logged.
        weight: norm of its gradient relative to that of the L1 distance and the measures before it.
        distance: of a refined mel from (conditions, recorded mel), [batch, frames, n_mels] in dB scaled to [-4, 4].
    """

    name: str
    weight: float
    distance: Callable[[Tensor, Conditions, Tensor], Tensor]


def one_step_losses(
    refiner: Refiner,
    discriminators: MelDiscriminators,
    given: Conditions,
    recorded: Tensor,
    noise: Tensor,
    fraction: float,
    mismatched_weight: float = MISMATCHED_WEIGHT,
    measures: Sequence[Measure] = (),
) -> dict[str, Tensor]:
    """`loss`, which trains the refiner and the discriminators, and its parts.

    The gradient of the adversarial losses at the refiner's output is scaled to a fraction of that of the L1 distance.

    Args:
        recorded: mels of the recordings, [batch, frames, n_mels], dB scaled to [-4, 4].
        noise: of deviation 1, the same shape.
        fraction: 0 trains the refiner by the L1 distance alone.
        mismatched_weight: weight of recordings with the reference of the next row among the inputs to reject; 0 where
            all rows are of one speaker.
    """
    start, target = refiner.start(given, noise), refiner.standardise(recorded)
    made = start + refiner.velocity(start, start.new_zeros(len(start)), refiner.encode(given)).float()
    free = made.detach().requires_grad_()
    distance = (free - target).abs().mean()
    (gradient,) = torch.autograd.grad(distance, free)
    figures = {}
    for measure in measures:
        figures[measure.name] = found = measure.distance(refiner.restore(free), given, recorded)
        gradient = balanced(gradient, torch.autograd.grad(found, free)[0], measure.weight)

    coarse = refiner.standardise(given.coarse) * given.coarse_known[:, None, None]
    real, fake = discriminators(target, coarse), discriminators(free, coarse)
    mismatched = _compare_voices(refiner, discriminators, given, target, free, real, fake)
    adversarial, features = adversarial_loss(fake), feature_distance(real, fake)
    if fraction:
        gradient = balanced(gradient, gradient_of(adversarial, features, free), fraction)
    discrimination = discrimination_loss(real, fake)
    rejected = discrimination + mismatched_weight * mismatched / len(real)
    carrier = (made * gradient).sum()  # a term whose gradient at the refiner's output is `gradient`
    return {
        "loss": distance.detach() + (carrier - carrier.detach()) + DISCRIMINATORS_WEIGHT * rejected,
        "distance": distance,
        "adversarial": adversarial,
        "features": features,
        "discrimination": discrimination,
        "mismatched": mismatched,
        **figures,
    }


def _compare_voices(
    refiner: Refiner,
    discriminators: MelDiscriminators,
    given: Conditions,
    target: Tensor,
    made: Tensor,
    real: Outputs,
    fake: Outputs,
) -> Tensor:
    """Append the outputs of the voice discriminator for the rows that have a reference.

    Returns:
        The hinge loss of recordings with the reference of the next row, which is mostly of another speaker.
    """
    rows = (given.reference_lengths >= LEAST_COMPARED).nonzero()[:, 0]
    if len(rows) < 2:
        return target.new_zeros(())
    voice, length = discriminators.voice, int(given.reference_lengths[rows].min())
    reference = voice.reference(refiner.standardise(given.reference[rows, :length]))
    features, vector = voice(target[rows])
    real.append([*features, voice.score(vector, reference)])
    mismatched = (1 + voice.score(vector, reference.roll(1, 0))).relu().mean()
    features, vector = voice(made[rows])
    fake.append([*features, voice.score(vector, reference)])
    return mismatched
