"""Training of a VITS: the losses of a batch, and validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from corpora.store import FeatureStore
from speech.errors import CorpusError
from synthesizer.batches import has_text, validation_items
from synthesizer.fallbacks import SentenceRequest
from synthesizer.text.transcript import Transcript
from synthesizer.vits.config import VitsConfig
from synthesizer.vits.conversion_loss import ConversionLosses
from synthesizer.vits.data import VitsBatch, check_units, collate, usable
from synthesizer.vits.decoding import decode_sentence
from synthesizer.vits.flags import DiscriminatorFlags, VitsFlags
from synthesizer.vits.layers import mask_of
from synthesizer.vits.losses import cut, divergence, duration_error, mel_distance, random_segments
from synthesizer.vits.model import TrainingOutput, Vits
from synthesizer.vits.spectral_decoder import SpectralDecoder
from training.adversarial import (
    Outputs,
    adversarial_loss,
    balanced,
    discrimination_loss,
    feature_distance,
    gradient_of,
    ramp,
)
from training.config import Task
from training.discriminators import PeriodDiscriminator, ResolutionDiscriminator, ScaleDiscriminator, accuracy
from training.processes import to_device
from training.run_directory import RunDirectory

VALIDATION_ITEMS = 16
ITEMS_AT_ONCE = 4
AUDIO_CLIPS = 2  # texts that are spoken in free running at each validation
DISCRIMINATORS_WEIGHT = 0.02  # keeps their gradient out of the norm that is clipped; Adam does not depend on the scale


class Discriminators(nn.Module):
    """Multi-period, multi-scale and multi-resolution discriminators."""

    def __init__(self, sizes: DiscriminatorFlags) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            [
                *(PeriodDiscriminator(period, sizes.period_channels) for period in sizes.periods),
                *(ScaleDiscriminator(scale, sizes.scale_channels) for scale in sizes.scales),
                *(ResolutionDiscriminator(size, sizes.resolution_channels) for size in sizes.resolutions),
            ]
        )

    def forward(self, wav: Tensor) -> Outputs:
        """wav: [batch, samples]."""
        return [part(wav) for part in self.parts]


class Generated(NamedTuple):
    """A batch of segments, [batch, samples] each: generated, and of the recordings."""

    wav: Tensor
    recorded: Tensor


class VitsTask(Task):
    """Trains a VITS and its discriminators.

    The gradient of the adversarial losses at the audio is scaled to a fraction of that of the mel distance.

    Args:
        network: to train.
        config: its settings.
        store: its validation split is used for `validate`.
        header: entries of the model file besides the config.
        conversions: for `flags.voice_weight` and `flags.content_weight`; None if both are 0.

    Raises:
        CorpusError: nothing to validate on.
    """

    best_metric = "validation_loss"

    def __init__(
        self,
        network: Vits,
        config: VitsConfig,
        store: FeatureStore,
        flags: VitsFlags,
        header: Mapping[str, str],
        conversions: ConversionLosses | None = None,
    ) -> None:
        self.network = network
        self.model = network
        self.config, self.store, self.flags, self.header = config, store, flags, header
        self.discriminators = Discriminators(flags.disc)
        self.extra_modules: dict[str, nn.Module] = {"discriminators": self.discriminators}
        self.conversions = conversions
        if conversions is not None:
            self.extra_modules["conversions"] = conversions
        chosen, _ = validation_items(store, VALIDATION_ITEMS, 0, needs_text=not config.architecture.units)
        self.validation_indices = usable(store, chosen, config.architecture)
        check_units(store, self.validation_indices, config.architecture)
        if not self.validation_indices:
            raise CorpusError(f"{store.directory} has no held-out recording that is long enough for its text.")

    def step(self, batch: VitsBatch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of one batch; "loss" is their weighted sum."""
        return self._losses(batch, batch.embedding, step, generator)

    def _losses(self, batch: VitsBatch, embedding: Tensor, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """What `step` returns, for speaker embeddings [batch, speaker_embedding_size]."""
        flags = self.flags
        speaker = self.network.condition(embedding)
        output = self._encode(batch, speaker, generator)
        of_units = self._of_units(batch, output)
        parts = self._latent_losses(output, of_units, batch)
        if self.conversions is not None:
            parts |= self.conversions(self.network, batch, output, of_units, generator)
        if self._without_audio(step):
            distance, figures = self._mel_distance(output, batch, speaker)
        else:
            made = self._generate(output, batch, speaker, generator)
            gradient, figures = self._audio_gradient(made, batch, step)
            carrier = (made.wav * gradient).sum()  # a term of value 0 whose gradient at the audio is `gradient`
            distance = figures["distance"].detach() + (carrier - carrier.detach())
        loss = distance + flags.kl_weight * parts["kl"] + flags.duration_weight * parts["duration"]
        if "voice" in parts:
            loss = loss + flags.voice_weight * parts["voice"]
        if "content" in parts:
            loss = loss + flags.content_weight * parts["content"]
        if "discrimination" in figures:
            loss = loss + DISCRIMINATORS_WEIGHT * figures["discrimination"]
        shown = {name: value.detach() for name, value in (parts | figures).items()}
        return {"loss": loss, **shown, "items": batch.frame_lengths.sum()}

    def _without_audio(self, step: int) -> bool:
        """Whether only the mel of a spectral decoder is trained in this step."""
        return step < self.flags.discriminator_start and isinstance(self.network.decoder, SpectralDecoder)

    def _mel_distance(
        self, output: TrainingOutput, batch: VitsBatch, speaker: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Distance of the mels of a spectral decoder from those of whole recordings."""
        decoder, target = self.network.decoder, self.network.spectrograms.mel(batch.wav)
        assert isinstance(decoder, SpectralDecoder)
        mask = mask_of(batch.frame_lengths, target.shape[2])
        error = (decoder.mel(output.posterior.sample, speaker, mask) - target).abs() * mask
        distance = error.sum() / (mask.sum() * target.shape[1])
        return self.flags.mel_weight * distance, {"mel": distance}

    def _encode(self, batch: VitsBatch, speaker: Tensor, generator: torch.Generator) -> TrainingOutput:
        network = self.network
        spectrogram = network.spectrograms.linear(batch.wav)
        return network.with_text(
            batch.symbols, batch.symbol_lengths, spectrogram, batch.frame_lengths, speaker, generator
        )

    def _generate(
        self, output: TrainingOutput, batch: VitsBatch, speaker: Tensor, generator: torch.Generator
    ) -> Generated:
        hop = self.config.architecture.mel.hop_length
        starts, frames = random_segments(batch.frame_lengths, self.flags.segment_frames, generator)
        wav = self.network.decoder(cut(output.posterior.sample, starts, frames), speaker)
        return Generated(wav, cut(batch.wav, starts * hop, frames * hop))

    def _of_units(self, batch: VitsBatch, output: TrainingOutput) -> TrainingOutput | None:
        """The output with the prior of the units, if there are units."""
        if batch.units is None or batch.unit_lengths is None:
            return None
        return self.network.with_units(batch.units, batch.unit_lengths, output, batch.unit_pitch)

    def _latent_losses(
        self, output: TrainingOutput, of_units: TrainingOutput | None, batch: VitsBatch
    ) -> dict[str, Tensor]:
        text = batch.has_text
        parts = {
            "kl": divergence(output, batch.frame_lengths, text), "duration": duration_error(output, text)
        }  # fmt: skip
        if of_units is not None:
            parts["unit_kl"] = divergence(of_units, batch.frame_lengths)
            parts["kl"] = parts["kl"] + parts["unit_kl"]
        return parts

    def _distances(self, wav: Tensor, recorded: Tensor, batch: VitsBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted sum and parts of the distances of generated segments from recorded ones, [batch, samples] each."""
        mel = self.network.spectrograms.mel
        distance = mel_distance(mel(wav), mel(recorded))
        return self.flags.mel_weight * distance, {"mel": distance}

    def _audio_gradient(self, made: Generated, batch: VitsBatch, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The gradient of all losses of the audio at the generated segments, and these losses."""
        flags = self.flags
        free = made.wav.detach().requires_grad_()
        distance, parts = self._distances(free, made.recorded, batch)
        (gradient,) = torch.autograd.grad(distance, free)
        if step < flags.discriminator_start:
            return gradient, {**parts, "distance": distance}
        recorded, generated = self.discriminators(made.recorded), self.discriminators(free)
        adversarial, features = adversarial_loss(generated), feature_distance(recorded, generated)
        warm = step - flags.discriminator_start
        fraction = ramp(warm, flags.discriminator_warmup_steps, flags.adversarial_weight)
        if fraction:
            gradient = balanced(gradient, gradient_of(adversarial, features, free), fraction)
        return gradient, {
            **parts,
            "distance": distance,
            "adversarial": adversarial,
            "features": features,
            "discrimination": discrimination_loss(recorded, generated),
            "accuracy": accuracy(recorded, generated),
        }

    def param_groups(self) -> list[dict[str, Any]]:
        discriminators = {
            "params": list(self.discriminators.parameters()),
            "lr_scale": self.flags.discriminator_lr_scale,
        }
        return [{"params": list(self.network.parameters())}, discriminators]

    @torch.no_grad()
    def validate(self, step: int, run: RunDirectory) -> dict[str, float]:
        """Losses on held-out speakers, and a few texts in free running as audio."""
        device = next(self.network.parameters()).device
        totals: dict[str, float] = {}
        for first in range(0, len(self.validation_indices), ITEMS_AT_ONCE):
            indices = self.validation_indices[first : first + ITEMS_AT_ONCE]
            batch = to_device(self.collated(indices), device)
            for name, value in self._validation_losses(batch).items():
                totals[name] = totals.get(name, 0.0) + value * len(indices) / len(self.validation_indices)
        flags = self.flags
        loss = (
            flags.mel_weight * totals["mel"] + flags.kl_weight * totals["kl"]
            + flags.duration_weight * totals["duration"]
        )  # fmt: skip
        spoken = [index for index in self.validation_indices if has_text(self.store, index)]
        for number, index in enumerate(spoken[:AUDIO_CLIPS]):
            self._speak(number, index, step, run)
        return {"validation_loss": loss, **{f"validation_{name}": value for name, value in totals.items()}}

    def collated(self, indices: list[int]) -> VitsBatch:
        """The batch of these items for validation."""
        return collate(self.store, indices, self.config.architecture, None)

    def embedding_of(self, batch: VitsBatch) -> Tensor:
        """The speaker embeddings of a batch for validation."""
        return batch.embedding

    def _validation_losses(self, batch: VitsBatch) -> dict[str, float]:
        generator = torch.Generator().manual_seed(0)
        speaker = self.network.condition(self.embedding_of(batch))
        output = self._encode(batch, speaker, generator)
        made, mel = self._generate(output, batch, speaker, generator), self.network.spectrograms.mel
        losses = {
            **self._latent_losses(output, self._of_units(batch, output), batch),
            "mel": mel_distance(mel(made.wav), mel(made.recorded)),
        }
        return {name: float(value) for name, value in losses.items()}

    def _speak(self, number: int, index: int, step: int, run: RunDirectory) -> None:
        """Write the audio and the mel of a text that the network speaks, with the recording's voice."""
        transcript = Transcript.from_json(self.store.meta(index)["transcript"])
        device = next(self.network.parameters()).device
        embedding = self.embedding_of(to_device(self.collated([index]), device))[0].cpu().numpy()
        decoded = decode_sentence(self.network, self.config, SentenceRequest(transcript, embedding, (number,)))
        config = self.config.architecture.mel
        if decoded.wav is not None and np.isfinite(decoded.wav).all():
            run.writer.add_audio(f"spoken/{number}", decoded.wav, step, sample_rate=config.sample_rate)
            picture = decoded.mel[::-1] / (2 * config.max_abs_value) + 0.5
            run.writer.add_image(f"spoken/{number}", picture.astype(np.float32), step, dataformats="HW")

    def model_file(self) -> dict[str, Any]:
        return {**self.header, "config": self.config}
