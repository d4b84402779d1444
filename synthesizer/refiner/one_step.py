"""Losses of a refiner that goes from start to mel in one step, and of the discriminators it is trained against.

Flow matching needs several steps and long training before its samples are free of noise. Here the refiner is trained
to do the whole way in one step, as a generator (adversarial diffusion distillation, arXiv 2311.17042, is similar).
Inference is the same with `refiner_steps` 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from synthesizer.refiner.discriminators import MelDiscriminators
from synthesizer.refiner.network import Conditions, Refiner
from training.adversarial import (
    GRADIENT_SCALE,
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
        of_words: whether it compares the words, so that the two mels may have different voices.
    """

    name: str
    weight: float
    distance: Callable[[Tensor, Conditions, Tensor], Tensor]
    of_words: bool = True


def one_step_losses(
    refiner: Refiner,
    discriminators: MelDiscriminators,
    given: Conditions,
    recorded: Tensor,
    noise: Tensor,
    fraction: float,
    mismatched_weight: float = MISMATCHED_WEIGHT,
    measures: Sequence[Measure] = (),
    exchanged_weight: float = 0.0,
) -> dict[str, Tensor]:
    """`loss`, which trains the refiner and the discriminators, and its parts.

    The gradient of the adversarial losses at the refiner's output is scaled to a fraction of that of the L1 distance.

    Args:
        recorded: mels of the recordings, [batch, frames, n_mels], dB scaled to [-4, 4].
        noise: of deviation 1, the same shape.
        fraction: 0 trains the refiner by the L1 distance alone.
        mismatched_weight: weight of recordings with the reference of the next row among the inputs to reject; 0 where
            all rows are of one speaker.
        exchanged_weight: norm of the gradient of refined mels in the voice of another row, relative to that of the L1
            distance; see `_exchanged_losses`.
    """
    target, made = refiner.standardise(recorded), _refined(refiner, given, noise)
    free = made.detach().requires_grad_()
    distance = (free - target).abs().mean()
    (gradient,) = torch.autograd.grad(distance, free)
    plain, figures = gradient, {}
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
    if exchanged_weight and len(made) > 1:
        words = [measure for measure in measures if measure.of_words]
        other = _exchanged_losses(refiner, discriminators, given, recorded, noise, fraction, words)
        carrier = carrier + exchanged_weight * plain.norm() * (other.made * other.direction).sum()
        rejected = rejected + other.discrimination
        figures |= other.figures
    return {
        "loss": distance.detach() + (carrier - carrier.detach()) + DISCRIMINATORS_WEIGHT * rejected,
        "distance": distance,
        "adversarial": adversarial,
        "features": features,
        "discrimination": discrimination,
        "mismatched": mismatched,
        **figures,
    }


class _Exchanged(NamedTuple):
    """Losses of refined mels in another voice.

    Attributes:
        made: refined mels, standardised. direction: gradient at them; its parts have a norm of 1.
        discrimination: trains the discriminators to reject them.
    """

    made: Tensor
    direction: Tensor
    discrimination: Tensor
    figures: dict[str, Tensor]


def _refined(refiner: Refiner, given: Conditions, noise: Tensor) -> Tensor:
    """Refined mels, standardised, in one step from the start."""
    start = refiner.start(given, noise)
    made: Tensor = start + refiner.velocity(start, start.new_zeros(len(start)), refiner.encode(given)).float()
    return made


def exchanged(given: Conditions) -> Conditions:
    """The conditions with the voice of the next row: embedding, reference, and F0 around its median."""
    return given._replace(
        embedding=given.embedding.roll(-1, 0),
        reference=given.reference.roll(-1, 0),
        reference_lengths=given.reference_lengths.roll(-1, 0),
        f0=pitch_of_next(given.f0),
    )


def pitch_of_next(pitch: Tensor) -> Tensor:
    """F0 [batch, positions] in Hz, 0 where it is unvoiced: each row around the median of the next row."""
    medians = [row[row > 0].median() if bool((row > 0).any()) else None for row in pitch]
    pairs = zip(medians, [*medians[1:], medians[0]], strict=True)
    factors = [1.0 if own is None or other is None else float(other / own) for own, other in pairs]
    return pitch * pitch.new_tensor(factors)[:, None]


def _exchanged_losses(
    refiner: Refiner,
    discriminators: MelDiscriminators,
    given: Conditions,
    recorded: Tensor,
    noise: Tensor,
    fraction: float,
    words: Sequence[Measure],
) -> _Exchanged:
    """Each mel in the voice of the next row, as in a conversion. There is no recording of that.

    So the discriminators decide whether it is a recording, and of the speaker of the reference (as in StarGAN-VC,
    arXiv 1806.02169), and the words are compared with those of the recording. A refiner that is trained on mels and
    recordings of the same speaker only learns to bring back what is left of that speaker in the mel.
    """
    other = exchanged(given)
    made = _refined(refiner, other, noise)
    free = made.detach().requires_grad_()
    coarse = refiner.standardise(given.coarse) * given.coarse_known[:, None, None]
    fake = discriminators(free, coarse)
    rows = (other.reference_lengths >= LEAST_COMPARED).nonzero()[:, 0]
    if len(rows):
        voice, length = discriminators.voice, int(other.reference_lengths[rows].min())
        reference = voice.reference(refiner.standardise(other.reference[rows, :length]))
        features, vector = voice(free[rows])
        fake.append([*features, voice.score(vector, reference)])
    adversarial, direction, figures = adversarial_loss(fake), torch.zeros_like(free), {}
    if fraction:
        (gradient,) = torch.autograd.grad(adversarial * GRADIENT_SCALE, free, retain_graph=True)
        direction = fraction * F.normalize(gradient.flatten(), dim=0).view_as(free)
    for measure in words:
        found = measure.distance(refiner.restore(free), given, recorded)
        (gradient,) = torch.autograd.grad(found * GRADIENT_SCALE, free)
        direction = direction + measure.weight * F.normalize(gradient.flatten(), dim=0).view_as(free)
        figures[f"exchanged_{measure.name}"] = found
    discrimination = torch.stack([(1 + scores[-1]).relu().mean(dtype=torch.float32) for scores in fake]).mean()
    return _Exchanged(made, direction, discrimination, {"exchanged_adversarial": adversarial, **figures})


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
