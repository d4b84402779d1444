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
from synthesizer.speaker_loss import EncoderFrontEnd, MelEmbedder
from synthesizer.units.config import N_MELS
from synthesizer.units.encoders import NetworkUnits
from synthesizer.units.features import FLOOR, TINY
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
        embedder, content: None leaves one of them out.
    """

    def __init__(self, embedder: MelEmbedder | None, content: ContentDistance | None) -> None:
        super().__init__()
        self.embedder, self.content = embedder, content

    def forward(
        self,
        network: Vits,
        batch: VitsBatch,
        output: TrainingOutput,
        of_units: TrainingOutput | None,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """Each recording of a batch in the voice of the next one. The pitch is moved to its median, as in use.

        Args:
            network: with a spectral decoder.
            output: of the batch, and `of_units`, the same with the prior of the units.
            generator: on the CPU, chooses the crops.

        Returns:
            "voice", 1 - cosine similarity of the embeddings, and "content", see `ContentDistance`; nothing for a batch
            of one recording.
        """
        decoder, config = network.decoder, network.config
        assert isinstance(decoder, SpectralDecoder)
        rows = min(len(batch.wav), MOST_CROPS)
        if rows < 2:
            return {}
        latent = output.flowed[:rows]
        if of_units is not None and batch.unit_pitch is not None:
            assert batch.units is not None and batch.unit_lengths is not None
            pitch = pitch_of_next(batch.unit_pitch)[:rows]
            moved = network.encode_units(batch.units[:rows], batch.unit_lengths[:rows], pitch)
            latent = latent + network.at_frames(moved.mean, latent.shape[2]) - of_units.mean[:rows]
        embedding = batch.embedding.roll(-1, 0)[:rows]
        length = round(SECONDS * config.mel.frames_per_second)
        starts, frames = random_segments(batch.frame_lengths[:rows], length, generator)
        latent, speaker = cut(latent, starts, frames), network.condition(embedding)
        z = network.flow.inverse(latent, torch.ones_like(latent[:, :1]), speaker)
        mel, losses = decoder.mel(z, speaker).transpose(1, 2), {}
        if self.embedder is not None:
            losses["voice"] = 1 - F.cosine_similarity(self.embedder(mel), embedding.float(), dim=1).mean()
        if self.content is not None:
            hop = config.mel.hop_length
            recorded = network.spectrograms.mel(cut(batch.wav[:rows], starts * hop, frames * hop))
            losses["content"] = self.content(mel, recorded.transpose(1, 2))
        return losses


def pitch_of_next(pitch: Tensor) -> Tensor:
    """F0 [batch, units] in Hz, 0 where it is unvoiced: each row around the median of the next row."""
    medians = [row[row > 0].median() if bool((row > 0).any()) else None for row in pitch]
    pairs = zip(medians, [*medians[1:], medians[0]], strict=True)
    factors = [1.0 if own is None or other is None else float(other / own) for own, other in pairs]
    return pitch * pitch.new_tensor(factors)[:, None]
