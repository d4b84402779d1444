"""Second stage of a refiner's training: one step from start to mel, against discriminators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from synthesizer.refiner.data import RefinerBatch
from synthesizer.refiner.discriminators import MelDiscriminators
from synthesizer.refiner.flags import RefinerFlags
from synthesizer.refiner.one_step import Measure, one_step_losses
from synthesizer.refiner.task import RefinerTask
from training.adversarial import ramp


class AdversarialRefinerTask(RefinerTask):
    """Trains the refiner as a generator of one step, and the discriminators.

    The gradient of the adversarial losses is scaled to a fraction of that of the L1 distance. The best model is the
    one whose texture is closest to that of the recordings; the L1 distance prefers blurred mels.

    Args:
        given: as for `RefinerTask`.
        discriminators: of the same model.
        flags: weights of the adversarial losses.
        measures: further losses.
    """

    best_metric = "texture"

    def __init__(
        self, *given: Any, discriminators: MelDiscriminators, flags: RefinerFlags, measures: Sequence[Measure] = ()
    ) -> None:
        super().__init__(*given)
        self.discriminators, self.flags, self.measures = discriminators, flags, measures

    def step(self, batch: RefinerBatch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """`loss` and its parts."""
        noise = torch.randn(batch.recorded.shape, generator=generator).to(batch.recorded.device)
        fraction = ramp(step, self.flags.discriminator_warmup_steps, self.flags.adversarial_weight)
        figures = one_step_losses(
            self.refiner,
            self.discriminators,
            batch.given,
            batch.recorded,
            noise,
            fraction,
            measures=self.measures,
            exchanged_weight=self.flags.exchanged_weight,
        )
        loss = figures.pop("loss")
        count = torch.tensor(batch.recorded.shape[0] * batch.recorded.shape[1])
        return {"loss": loss, **{name: value.detach() for name, value in figures.items()}, "items": count}

    def param_groups(self) -> list[dict[str, Any]]:
        return [
            {"params": list(self.refiner.parameters())},
            {"params": list(self.discriminators.parameters()), "lr_scale": self.flags.discriminator_lr_scale},
        ]
