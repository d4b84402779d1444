"""Loss and validation of a refiner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from speech.mel_config import MelConfig
from synthesizer.refiner.data import RefinerBatch, RefinerItems
from synthesizer.refiner.network import Conditions, Encoded, Refiner
from synthesizer.refiner.sampling import CoarseMel, RefinerSettings, refine
from synthesizer.texture import texture_distance
from synthesizer.training_flags import Vocode
from synthesizer.validation_audio import AUDIO_CLIPS, ValidationAudio
from training.config import Task
from training.processes import to_device
from training.run_directory import RunDirectory

VALIDATION_ROWS = 96
ROWS_AT_ONCE = 16
VALIDATION_TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)
SAMPLED = 24  # crops that are also sampled


class RefinerTask(Task):
    """Trains the refiner of a finished synthesizer, and nothing else of it.

    Args:
        model: a synthesizer, and its `refiner`.
        held_out: utterances of held-out speakers, for `validate`.
        settings: of the samples of `validate`; mel_config: of the mels.
        model_file: entries of the model file.
        vocode: makes the audio of the first utterances at each validation; None makes none.
    """

    best_metric = "validation_flow"

    def __init__(
        self,
        model: nn.Module,
        refiner: Refiner,
        held_out: RefinerItems,
        settings: RefinerSettings,
        mel_config: MelConfig,
        model_file: Mapping[str, Any],
        vocode: Vocode | None = None,
    ) -> None:
        self.model, self.refiner = model, refiner
        self.settings, self.mel_config, self.entries = settings, mel_config, dict(model_file)
        self.audio = ValidationAudio(vocode, mel_config)
        rng = np.random.default_rng(0)
        chosen = [int(index) for index in rng.permutation(held_out.indices)[:VALIDATION_ROWS]]
        self.held_out = [
            held_out.batch(chosen[first : first + ROWS_AT_ONCE], rng, augmented=False)
            for first in range(0, len(chosen), ROWS_AT_ONCE)
        ]

    def step(self, batch: RefinerBatch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """The flow-matching loss of one batch. The times of the rows are spread evenly over [0, 1]."""
        rows = len(batch.recorded)
        time = (torch.arange(rows) + torch.rand(rows, generator=generator)) / rows
        noise = torch.randn(batch.recorded.shape, generator=generator)
        loss = self._flow_loss(batch, batch.given, self.refiner.encode(batch.given), time, noise)
        return {"loss": loss, "items": torch.tensor(batch.recorded.shape[0] * batch.recorded.shape[1])}

    def _flow_loss(
        self, batch: RefinerBatch, given: Conditions, encoded: Encoded, time: Tensor, noise: Tensor
    ) -> Tensor:
        device = batch.recorded.device
        time, noise = time.to(device), noise.to(device)
        target = self.refiner.standardise(batch.recorded)
        start = self.refiner.start(given, noise)
        now = torch.lerp(start, target, time[:, None, None])
        return (self.refiner.velocity(now, time, encoded).float() - (target - start)).square().mean()

    @torch.no_grad()
    def validate(self, step: int, run: RunDirectory) -> dict[str, float]:
        """Figures on held-out speakers.

        Returns:
            validation_flow: the loss with fixed noise, over VALIDATION_TIMES; without_reference: the same without the
            recording of the speaker; by_text: without the decoder's mel.
            texture: `texture_distance` of sampled crops; texture_before: of the decoder's mel.
            mel: L1 distance of sampled crops; mel_before: of the decoder's mel.
        """
        device = next(self.refiner.parameters()).device
        generator = torch.Generator().manual_seed(0)
        figures: dict[str, list[float]] = {}
        for held_out in self.held_out:
            batch = to_device(held_out, device)
            noise = torch.randn(batch.recorded.shape, generator=generator)
            given = batch.given
            variants = {
                "validation_flow": given,
                "without_reference": given._replace(reference_lengths=torch.zeros_like(given.reference_lengths)),
                "by_text": given._replace(coarse_known=torch.zeros_like(given.coarse_known)),
            }
            for name, conditions in variants.items():
                encoded = self.refiner.encode(conditions)
                for time in VALIDATION_TIMES:
                    loss = self._flow_loss(batch, conditions, encoded, torch.full((len(noise),), time), noise)
                    figures.setdefault(name, []).append(float(loss))
        self._sample(step, run, figures)
        return {name: float(np.mean(values)) for name, values in figures.items()}

    def _sample(self, step: int, run: RunDirectory, figures: dict[str, list[float]]) -> None:
        crops = [(batch, row) for batch in self.held_out for row in range(len(batch.recorded))][:SAMPLED]
        limit = self.mel_config.max_abs_value
        for number, (batch, row) in enumerate(crops):
            given, recorded = batch.given, batch.recorded[row]
            reference = given.reference[row, : int(given.reference_lengths[row])]
            coarse = CoarseMel(
                given.coarse[row].T.numpy(),
                given.symbols[row].numpy(),
                given.f0[row].numpy(),
                given.embedding[row].numpy(),
                reference.T.numpy() if len(reference) else None,
            )
            refined = torch.from_numpy(refine(self.refiner, coarse, self.settings, number)).T
            for name, mel in (("", refined), ("_before", given.coarse[row])):
                figures.setdefault(f"texture{name}", []).append(texture_distance(mel, recorded))
                figures.setdefault(f"mel{name}", []).append(float((mel - recorded).abs().mean()))
            if number < 4:
                image = torch.cat([mel.T.flip(0) for mel in (recorded, refined, given.coarse[row])])
                run.writer.add_image(f"mel/{number}", ((image.numpy() + limit) / (2 * limit))[None], step)
            if number < AUDIO_CLIPS:
                self.audio.write(run, f"audio/{number}", refined.T.numpy(), step)

    def model_file(self) -> dict[str, Any]:
        return self.entries
