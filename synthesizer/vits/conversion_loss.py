"""Losses of conversions within a batch: recordings in the voices of others, measured by a speaker and a unit encoder.

The distance to the voice is the speaker-consistency loss of YourTTS (Casanova et al. 2022, arXiv 2112.02418), of
conversions instead of recordings. Both are measured on mels, so no audio is generated.
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speech.mel_config import MelConfig
from synthesizer.refiner.one_step import pitch_of_next
from synthesizer.speaker_loss import EncoderFrontEnd, MelEmbedder
from synthesizer.units.config import N_MELS
from synthesizer.units.encoders import NetworkUnits
from synthesizer.units.features import FLOOR, TINY
from synthesizer.vits.config import InferenceSettings
from synthesizer.vits.data import VitsBatch
from synthesizer.vits.losses import cut, random_segments
from synthesizer.vits.model import TrainingOutput, Vits
from synthesizer.vits.spectral_decoder import SpectralDecoder

SECONDS = 1.6  # of a crop, a partial of the speaker encoder
MOST_CROPS = 4  # of a batch
SHARPNESS = 5.0  # of soft assignments: 1 makes hardly a difference between two sentences


class ContentDistance(nn.Module):
    """How far the units of a generated mel are from those of a recording; the unit encoder is not trained.

    Args:
        units: of our own network.
        config: of the mels.
    """

    centroids: Tensor

    def __init__(self, units: NetworkUnits, config: MelConfig) -> None:
        super().__init__()
        self.network, self.layer = units.network.requires_grad_(False), units.config.layer
        self.front_end = EncoderFrontEnd(config, N_MELS)
        self.register_buffer("centroids", torch.from_numpy(units.centroids), persistent=False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Without dropout in training too: it only measures."""
        return super().train(False)

    def forward(self, made: Tensor, recorded: Tensor) -> Tensor:
        """Kullback-Leibler divergence of the soft assignments to the centroids, in nats per unit.

        Args:
            made, recorded: [batch, frames, n_mels], dB scaled; of equal length.
        """
        with torch.autocast(made.device.type, enabled=False):
            with torch.no_grad():
                target = self._squared_distances(recorded)
            scale = target.min(2).values.mean() / SHARPNESS
            found = F.log_softmax(-self._squared_distances(made) / scale, 2)
            return F.kl_div(found, F.log_softmax(-target / scale, 2), reduction="none", log_target=True).sum(2).mean()

    def _squared_distances(self, mel: Tensor) -> Tensor:
        """[batch, frames, n_mels] -> [batch, units, centroids]."""
        logs = (self.front_end(mel) + FLOOR).log()
        pairs = logs[:, : logs.shape[1] // 2 * 2].unflatten(1, (-1, 2)).flatten(2)
        centred = pairs - pairs.mean(1, keepdim=True)
        features = self.network(centred / (centred.std(1, correction=0, keepdim=True) + TINY), layer=self.layer)
        return torch.cdist(features, self.centroids[None]).square()


class ConversionLosses(nn.Module):
    """The distances of conversions from their voices, and from what the recordings say.

    Args:
        settings: of the conversions, the same as in use.
        embedder, content: None leaves one of them out.
    """

    def __init__(
        self, settings: InferenceSettings, embedder: MelEmbedder | None, content: ContentDistance | None
    ) -> None:
        super().__init__()
        self.settings, self.embedder, self.content = settings, embedder, content

    def forward(
        self,
        network: Vits,
        batch: VitsBatch,
        output: TrainingOutput,
        of_units: TrainingOutput | None,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """Each recording of a batch in the voice of the next one.

        Args:
            network: with a spectral decoder.
            output: of the batch, and `of_units`, the same with the prior of the units.
            generator: on the CPU, chooses the crops, and draws the noise of the prior.

        Returns:
            "voice", 1 - cosine similarity of the embeddings, and "content", see `ContentDistance`; nothing for a batch
            of one recording.
        """
        rows, config = min(len(batch.wav), MOST_CROPS), network.config
        if rows < 2:
            return {}
        latent = self._converted(network, batch, output, of_units, rows, generator)
        length = round(SECONDS * config.mel.frames_per_second)
        starts, frames = random_segments(batch.frame_lengths[:rows], length, generator)
        embedding = batch.embedding.roll(-1, 0)[:rows]
        mel, losses = self._mel(network, cut(latent, starts, frames), embedding, batch.embedding[:rows]), {}
        if self.embedder is not None:
            losses["voice"] = 1 - F.cosine_similarity(self.embedder(mel), embedding.float(), dim=1).mean()
        if self.content is not None:
            hop = config.mel.hop_length
            recorded = network.spectrograms.mel(cut(batch.wav[:rows], starts * hop, frames * hop))
            losses["content"] = self.content(mel, recorded.transpose(1, 2))
        return losses

    def _converted(
        self,
        network: Vits,
        batch: VitsBatch,
        output: TrainingOutput,
        of_units: TrainingOutput | None,
        rows: int,
        generator: torch.Generator,
    ) -> Tensor:
        """The latent variables of the first conversions, in the space of the prior, with the pitch of the voices."""
        if of_units is None:
            return output.flowed[:rows]
        mean, deviation = of_units.mean[:rows], of_units.log_deviation[:rows]
        if batch.unit_pitch is not None:
            assert batch.units is not None and batch.unit_lengths is not None
            pitch = pitch_of_next(batch.unit_pitch)[:rows]
            moved = network.encode_units(batch.units[:rows], batch.unit_lengths[:rows], pitch)
            mean, deviation = (
                network.at_frames(x, output.flowed.shape[2]) for x in (moved.mean, moved.log_deviation)
            )  # fmt: skip
        kept = self.settings.source_residual
        noise = torch.randn(mean.shape, generator=generator).to(mean.device)
        drawn = (1 - kept) * self.settings.noise_scale * noise * deviation.exp()
        return mean + kept * (output.flowed[:rows] - of_units.mean[:rows]) + drawn

    def _mel(self, network: Vits, latent: Tensor, embedding: Tensor, source: Tensor) -> Tensor:
        """Mels [batch, frames, n_mels] of latent variables in the space of the prior, with guidance.

        Args:
            embedding, source: of the voices, and of the speakers of the recordings.
        """
        decoder, most, guidance = network.decoder, network.config.mel.max_abs_value, self.settings.speaker_guidance
        assert isinstance(decoder, SpectralDecoder)
        mask = torch.ones_like(latent[:, :1])

        def mel_of(embedding: Tensor) -> Tensor:
            speaker = network.condition(embedding)
            return decoder.mel(network.flow.inverse(latent, mask, speaker), speaker)

        mel = mel_of(embedding)
        if guidance:
            with torch.no_grad():
                own = mel_of(source)
            mel = (mel + guidance * (mel - own)).clamp(-most, most)
        return mel.transpose(1, 2)
