"""Second stage of a refiner's training: one step from start to mel, against discriminators."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from speech.errors import ConfigError
from synthesizer.speaker_loss import VoiceDistance
from synthesizer.tacotron.refiner.data import RefinerBatch
from synthesizer.tacotron.refiner.discriminators import MelDiscriminators
from synthesizer.tacotron.refiner.flags import RefinerFlags
from synthesizer.tacotron.refiner.one_step import one_step_losses
from synthesizer.tacotron.refiner.task import RefinerTask
from training.adversarial import ramp


class AdversarialRefinerTask(RefinerTask):
    """Trains the refiner as a generator of one step, and the discriminators.

    The gradient of the adversarial losses is scaled to a fraction of that of the L1 distance. The best model is the
    one whose texture is closest to that of the recordings; the L1 distance prefers blurred mels.

    Args:
        given: as for `RefinerTask`.
        flags: weights of the losses.
        voice: for `flags.voice_weight`; None if that is 0.
    """

    best_metric = "texture"

    def __init__(self, *given: Any, flags: RefinerFlags, voice: VoiceDistance | None = None) -> None:
        super().__init__(*given)
        self.flags, self.voice = flags, voice
        self.config = replace(self.config, inference=replace(self.config.inference, refiner_steps=1))
        discriminators = self.model.discriminators
        if not isinstance(discriminators, MelDiscriminators):
            raise ConfigError("The model has no discriminators: set refiner_discriminators in its architecture.")
        self.discriminators = discriminators

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
            classifier=self.classifier,
            phone_weight=self.flags.phone_weight,
            voice=self.voice and self.voice.to(batch.recorded.device),
            voice_weight=self.flags.voice_weight,
        )
        loss = figures.pop("loss")
        count = torch.tensor(batch.recorded.shape[0] * batch.recorded.shape[1])
        return {"loss": loss, **{name: value.detach() for name, value in figures.items()}, "items": count}

    def param_groups(self) -> list[dict[str, Any]]:
        return [
            {"params": list(self.refiner.parameters())},
            {"params": list(self.discriminators.parameters()), "lr_scale": self.flags.discriminator_lr_scale},
        ]
