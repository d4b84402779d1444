"""The network: prior, posterior encoder, flow, duration predictor and decoder, conditioned on a speaker embedding."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from kernels.alignment_search import search_alignment
from speech.errors import ConfigError
from synthesizer.phone_classifier import PhoneClassifier
from synthesizer.refiner.discriminators import MelDiscriminators
from synthesizer.refiner.network import Refiner
from synthesizer.text.symbols import PAD_ID
from synthesizer.vits.config import Architecture
from synthesizer.vits.decoder import HifiGanDecoder
from synthesizer.vits.durations import DurationPredictor, expand
from synthesizer.vits.flow import Flow
from synthesizer.vits.layers import mask_of
from synthesizer.vits.posterior import Posterior, PosteriorEncoder
from synthesizer.vits.prior import Encoded, TokenEncoder
from synthesizer.vits.spectral_decoder import SpectralDecoder
from synthesizer.vits.spectrogram import Spectrograms

MOST_LOG_FRAMES = 5.0  # of a token, 148 frames: durations of an untrained model may have no limit


class TrainingOutput(NamedTuple):
    """What the losses need of a batch of recordings.

    Attributes:
        posterior: of the audio.
        flowed: its sample, as a latent variable of the prior, [batch, latent_size, frames].
        log_determinant: of the flow, [batch].
        mean, log_deviation: of the prior for each frame, [batch, latent_size, frames].
        log_durations: predicted, [batch, tokens].
        durations: of the alignment in frames, int64 [batch, tokens]; None for units.
        token_mask: float [batch, 1, tokens].
    """

    posterior: Posterior
    flowed: Tensor
    log_determinant: Tensor
    mean: Tensor
    log_deviation: Tensor
    log_durations: Tensor | None
    durations: Tensor | None
    token_mask: Tensor


class Vits(nn.Module):
    """Text or units, and a speaker embedding -> audio."""

    def __init__(self, config: Architecture) -> None:
        super().__init__()
        self.config = config
        self.speaker = nn.Linear(config.speaker_embedding_size, config.speaker_size)
        self.text_encoder = TokenEncoder(config, config.n_symbols)
        self.unit_encoder = TokenEncoder(config, config.units, config.unit_pitch) if config.units else None
        self.posterior_encoder = PosteriorEncoder(config)
        self.flow = Flow(config)
        self.duration_predictor = DurationPredictor(config)
        self.decoder = SpectralDecoder(config) if config.decoder == "spectral" else HifiGanDecoder(config)
        self.spectrograms = Spectrograms(config.mel)
        self.refiner = Refiner(config) if config.refiner_size else None  # trained last
        self.discriminators: MelDiscriminators | None = (
            MelDiscriminators(config.mel.n_mels) if config.refiner_discriminators else None
        )
        self.phone_classifier = PhoneClassifier(config) if config.phone_classifier_size else None

    def condition(self, embedding: Tensor) -> Tensor:
        """[batch, speaker_embedding_size], L2 norm 1 -> [batch, speaker_size, 1]."""
        # With an L2 norm of 1, entries are small; the factor gives them a variance of 1.
        return self.speaker(embedding * self.config.speaker_embedding_size**0.5)[:, :, None]

    def with_blanks(self, symbols: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Symbols with a blank before each and at the end, if the config says so, and their lengths."""
        if not self.config.blanks:
            return symbols, lengths
        spread = symbols.new_full((len(symbols), 2 * symbols.shape[1] + 1), PAD_ID)
        spread[:, 1::2] = symbols
        return spread, 2 * lengths + 1

    def align(self, encoded: Encoded, flowed: Tensor, frame_lengths: Tensor) -> Tensor:
        """The most likely durations, int64 [batch, tokens], of flowed [batch, latent_size, frames]."""
        with torch.no_grad():
            scores = frame_scores(encoded, flowed)
            token_lengths = encoded.mask[:, 0].sum(1).long()
            durations = search_alignment(scores.cpu().numpy(), token_lengths.cpu().numpy(), frame_lengths.cpu().numpy())
        return torch.from_numpy(durations).to(flowed.device)

    def with_text(
        self,
        symbols: Tensor,
        symbol_lengths: Tensor,
        spectrogram: Tensor,
        frame_lengths: Tensor,
        speaker: Tensor,
        generator: torch.Generator | None = None,
    ) -> TrainingOutput:
        """Recordings and their texts.

        Args:
            symbols: int64 [batch, symbols], without blanks.
            spectrogram: `Spectrograms.linear`, [batch, n_frequencies, frames].
            speaker: `condition`.
            generator: of the posterior's sample.
        """
        encoded = self.text_encoder(*self.with_blanks(symbols, symbol_lengths))
        posterior, flowed, log_determinant = self._posterior(spectrogram, frame_lengths, speaker, generator)
        durations = self.align(encoded, flowed, frame_lengths)
        mean, deviation = (expand(x, durations, flowed.shape[2]) for x in (encoded.mean, encoded.log_deviation))
        predicted = self.duration_predictor(encoded.hidden, encoded.mask, speaker)
        return TrainingOutput(posterior, flowed, log_determinant, mean, deviation, predicted, durations, encoded.mask)

    def with_units(
        self, units: Tensor, unit_lengths: Tensor, output: TrainingOutput, pitch: Tensor | None = None
    ) -> TrainingOutput:
        """The same recordings with the prior of their units, whose times are known.

        Args:
            units: int64 [batch, units].
            output: of `with_text`.
            pitch: F0 of the units in Hz, 0 where it is unvoiced, float32 [batch, units].
        """
        encoded = self.encode_units(units, unit_lengths, pitch)
        frames = output.flowed.shape[2]
        mean, deviation = (self.at_frames(x, frames) for x in (encoded.mean, encoded.log_deviation))
        return output._replace(
            mean=mean, log_deviation=deviation, log_durations=None, durations=None, token_mask=encoded.mask
        )

    def encode_units(self, units: Tensor, unit_lengths: Tensor, pitch: Tensor | None = None) -> Encoded:
        """Raises: ConfigError if the model has no units, or needs their pitch."""
        if self.unit_encoder is None:
            raise ConfigError("This VITS reads text only: train one with --units to convert speech.")
        if self.config.unit_pitch and pitch is None:
            raise ConfigError("This VITS needs the pitch of the units: give it (synthesizer.units.pitch.unit_pitch).")
        encoded: Encoded = self.unit_encoder(units, unit_lengths, pitch)
        return encoded

    def at_frames(self, x: Tensor, frames: int) -> Tensor:
        """Linear interpolation from the rate of units to that of frames: [batch, channels, units] -> [.., frames]."""
        rate = self.config.unit_rate / self.config.mel.frames_per_second
        centres = (torch.arange(frames, device=x.device) + 0.5) * rate - 0.5
        centres = centres.clamp(0, x.shape[2] - 1)
        first = centres.long()
        second = (first + 1).clamp(max=x.shape[2] - 1)
        return torch.lerp(x[:, :, first], x[:, :, second], (centres - first).to(x.dtype))

    def _posterior(
        self, spectrogram: Tensor, frame_lengths: Tensor, speaker: Tensor, generator: torch.Generator | None
    ) -> tuple[Posterior, Tensor, Tensor]:
        mask = mask_of(frame_lengths, spectrogram.shape[2])
        posterior = self.posterior_encoder(spectrogram, mask, speaker, generator)
        return (posterior, *self.flow(posterior.sample, mask, speaker))

    def prior_latent(self, spectrogram: Tensor, frame_lengths: Tensor, speaker: Tensor) -> Tensor:
        """The mean latent variable of recordings in the space of the prior, [batch, latent_size, frames].

        Args:
            spectrogram: `Spectrograms.linear`, [batch, n_frequencies, frames]; speaker: `condition`.
        """
        mask = mask_of(frame_lengths, spectrogram.shape[2])
        found: Tensor = self.flow(self.posterior_encoder(spectrogram, mask, speaker).mean, mask, speaker)[0]
        return found

    def durations_of(self, encoded: Encoded, speaker: Tensor, scale: Tensor | float = 1.0) -> Tensor:
        """Predicted durations in frames, at least one for each token: int64 [batch, tokens].

        Args:
            scale: factor of them, for all or for each token.
        """
        logs = self.duration_predictor(encoded.hidden, encoded.mask, speaker).clamp(max=MOST_LOG_FRAMES)
        return ((logs.exp() * scale).ceil().clamp(min=1) * encoded.mask[:, 0]).long()

    def latent(
        self, mean: Tensor, log_deviation: Tensor, speaker: Tensor, noise_scale: float, generator: torch.Generator
    ) -> Tensor:
        """Sample the prior and go back through the flow: [batch, latent_size, frames], the decoder's input."""
        noise = torch.randn(mean.shape, generator=generator).to(mean.device)
        sample = mean + noise_scale * noise * log_deviation.exp()
        return self.flow.inverse(sample, torch.ones_like(sample[:, :1]), speaker)


def frame_scores(encoded: Encoded, flowed: Tensor) -> Tensor:
    """Log likelihood of each frame given each token, up to a constant.

    Args:
        flowed: [batch, latent_size, frames].

    Returns:
        float32 [batch, frames, tokens].
    """
    with torch.autocast(flowed.device.type, enabled=False):
        mean, log_deviation, z = encoded.mean.float(), encoded.log_deviation.float(), flowed.float().transpose(1, 2)
        precision = (-2 * log_deviation).exp()
        of_tokens = (-0.5 * math.log(2 * math.pi) - log_deviation - 0.5 * mean.square() * precision).sum(1)
        return of_tokens[:, None] + z @ (mean * precision) - 0.5 * z.square() @ precision
