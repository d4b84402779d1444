"""Second stage of a refiner's training: one step from start to mel, against discriminators.

Flow matching needs several steps and long training before its samples are free of noise. Here the refiner is trained
to do the whole way in one step, as a generator (adversarial diffusion distillation, arXiv 2311.17042, is similar).
Inference is the same with `refiner_steps` 1.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthesizer.tacotron.refiner.data import RefinerBatch
from synthesizer.tacotron.refiner.flags import RefinerFlags
from synthesizer.tacotron.refiner.task import RefinerTask
from training.adversarial import (
    Outputs,
    adversarial_loss,
    balanced,
    discrimination_loss,
    feature_distance,
    gradient_of,
    ramp,
)

CHANNELS = 32
STRIDES = ((1, 2), (2, 2), (1, 2), (2, 2))  # over frames and bands
PATCHES = (1, 2)  # mel frames and bands that are averaged before a discriminator
SLOPE = 0.1  # of the leaky ReLU
DISCRIMINATORS_WEIGHT = 0.02  # keeps their gradient out of the norm that is clipped; Adam does not depend on the scale


class MelDiscriminator(nn.Module):
    """Classifies parts of a mel as recorded or generated, given the mel of the decoder.

    Both mels are channels of an image (Isola et al. 2017, pix2pix, arXiv 1611.07004).
    """

    def __init__(self, patch: int) -> None:
        super().__init__()
        self.patch = patch
        sizes = [2, *(CHANNELS for _ in STRIDES)]
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, (3, 5), stride, (1, 2))
            for before, after, stride in zip(sizes, sizes[1:], STRIDES, strict=False)
        )
        self.leave = nn.Conv2d(CHANNELS, 1, 3, padding=1)

    def forward(self, mels: Tensor) -> list[Tensor]:
        """mels: [batch, 2, frames, n_mels], standardised -> feature maps, and scores as the last element."""
        x = F.avg_pool2d(mels, self.patch) if self.patch > 1 else mels
        outputs = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            outputs.append(x)
        return [*outputs, self.leave(x)]


class MelDiscriminators(nn.Module):
    """Discriminators at several resolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(MelDiscriminator(patch) for patch in PATCHES)

    def forward(self, mel: Tensor, coarse: Tensor) -> Outputs:
        """mel, coarse: [batch, frames, n_mels], standardised."""
        mels = torch.stack((mel, coarse), 1)
        return [part(mels) for part in self.parts]


class AdversarialRefinerTask(RefinerTask):
    """Trains the refiner as a generator of one step, and the discriminators.

    The gradient of the adversarial losses is scaled to a fraction of that of the L1 distance. The best model is the
    one whose texture is closest to that of the recordings; the L1 distance prefers blurred mels.
    """

    best_metric = "texture"

    def __init__(self, *given: Any, flags: RefinerFlags) -> None:
        super().__init__(*given)
        self.flags = flags
        self.config = replace(self.config, inference=replace(self.config.inference, refiner_steps=1))
        self.discriminators = MelDiscriminators()
        self.extra_modules = {"discriminators": self.discriminators}

    def step(self, batch: RefinerBatch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """`loss` and its parts."""
        given = batch.given
        noise = torch.randn(batch.recorded.shape, generator=generator).to(batch.recorded.device)
        start, target = self.refiner.start(given, noise), self.refiner.standardise(batch.recorded)
        made = start + self.refiner.velocity(start, start.new_zeros(len(start)), self.refiner.encode(given)).float()
        free = made.detach().requires_grad_()
        distance = (free - target).abs().mean()
        (gradient,) = torch.autograd.grad(distance, free)

        coarse = self.refiner.standardise(given.coarse) * given.coarse_known[:, None, None]
        recorded, generated = self.discriminators(target, coarse), self.discriminators(free, coarse)
        adversarial, features = adversarial_loss(generated), feature_distance(recorded, generated)
        fraction = ramp(step, self.flags.discriminator_warmup_steps, self.flags.adversarial_weight)
        if fraction:
            gradient = balanced(gradient, gradient_of(adversarial, features, free), fraction)
        discrimination = discrimination_loss(recorded, generated)
        carrier = (made * gradient).sum()  # a term whose gradient at the generator's output is `gradient`
        loss = distance.detach() + (carrier - carrier.detach()) + DISCRIMINATORS_WEIGHT * discrimination
        figures = {
            "distance": distance,
            "adversarial": adversarial,
            "features": features,
            "discrimination": discrimination,
        }
        count = torch.tensor(batch.recorded.shape[0] * batch.recorded.shape[1])
        return {"loss": loss, **{name: value.detach() for name, value in figures.items()}, "items": count}

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.refiner.parameters())}, {"params": list(self.discriminators.parameters())}]
