"""Speaker-consistency losses: distance of a generated mel from its voice, measured by a trained speaker encoder.

They complement mean errors, which do not penalise a loss of speaker identity ("feedback constraint": Cai, Zhang & Li,
arXiv 2005.04587). The encoder has a different mel front end, so the mel is converted first, differentiably.
"""

from __future__ import annotations

import math
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speech.audio import SAMPLE_RATE
from speech.errors import ConfigError
from speech.mel import ENCODER_HOP, ENCODER_WINDOW, mel_filters
from speech.mel_config import MelConfig

SPEECH_LEVEL = 10 ** (-24 / 10)  # usual mean square of the encoder's input: raised to -30 dBFS, or louder already
HANN_ENERGY = 3 / 8  # mean square of the window
MEAN_POWER = SPEECH_LEVEL * HANN_ENERGY * ENCODER_WINDOW  # of a frequency bin in a frame, by Parseval
FLOOR = 1e-12


class EncoderFrontEnd(nn.Module):
    """Differentiable conversion of the synthesizer's log mels to the encoder's power mels.

    An approximation, as the windows are 50 ms and 25 ms long.

    Args:
        config: of the synthesizer's mels.
        n_mels: bands of the encoder.

    Raises:
        ConfigError: the mel has a lower sample rate than the encoder.
    """

    def __init__(self, config: MelConfig, n_mels: int) -> None:
        super().__init__()
        if config.sample_rate < SAMPLE_RATE:
            raise ConfigError(
                f"A speaker-consistency loss needs mels of at least {SAMPLE_RATE} Hz, not {config.sample_rate} Hz: "
                "leave it out."
            )
        self.config = config
        bands = mel_filters(config.sample_rate, config.n_fft, config.n_mels, config.fmin, config.fmax)
        filters = mel_filters(SAMPLE_RATE, ENCODER_WINDOW, n_mels, 0.0, SAMPLE_RATE / 2)
        frequencies = np.linspace(0, np.pi, config.n_frequencies)
        emphasis = np.abs(1 - config.preemphasis * np.exp(-1j * frequencies))
        # A band holds the mean magnitude of its bins; each bin takes the mean of the bands that contain it.
        weights = bands / np.maximum(bands.sum(0, keepdims=True), 1e-9)
        spread = weights / bands.sum(1, keepdims=True) / np.maximum(emphasis, 1e-2)
        # The encoder's shorter window has wider bins: each gathers the power around it.
        ratio = (SAMPLE_RATE / ENCODER_WINDOW) / (config.sample_rate / config.n_fft)
        distance = np.arange(config.n_frequencies)[:, None] - ratio * np.arange(ENCODER_WINDOW // 2 + 1)
        gather = np.maximum(0, 1 - np.abs(distance) / ratio)
        self.spread: Tensor
        self.filters: Tensor
        self.register_buffer("spread", torch.tensor(spread, dtype=torch.float32), persistent=False)
        self.register_buffer(
            "filters", torch.tensor(gather / gather.sum(0) @ filters.T, dtype=torch.float32), persistent=False
        )
        self.bins = round(ratio * (ENCODER_WINDOW // 2)) + 1  # up to half of the encoder's sample rate
        self.frame_ratio = SAMPLE_RATE / ENCODER_HOP / config.frames_per_second

    def forward(self, mel: Tensor) -> Tensor:
        """Power mels at a usual level: [batch, frames, bands], dB scaled -> [batch, encoder frames, n_mels]."""
        config = self.config
        half = config.max_abs_value
        decibels = (
            (mel.float() + half) * (-config.min_level_db / (2 * half)) + config.min_level_db + config.ref_level_db
        )
        magnitude = torch.exp(decibels * (math.log(10) / 20))
        spectrum = (magnitude @ self.spread) ** 2
        mean_power = spectrum[..., : self.bins].mean((1, 2), keepdim=True)
        power = spectrum @ self.filters / (mean_power + FLOOR) * MEAN_POWER
        frames = round(mel.shape[1] * self.frame_ratio)
        return F.interpolate(power.transpose(1, 2), frames, mode="linear", align_corners=False).transpose(1, 2)


class MelEmbedder(nn.Module):
    """Embeddings of the synthesizer's mels, by a speaker encoder that is not trained.

    Args:
        encoder: power mels [batch, frames, n_mels] -> embeddings [batch, embedding_size] of norm 1.
        n_mels: bands of the encoder.
        config: of the synthesizer's mels.
    """

    def __init__(self, encoder: nn.Module, n_mels: int, config: MelConfig) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False)
        self.front_end = EncoderFrontEnd(config, n_mels)
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Without batch statistics and dropout in training too: it only measures."""
        super().train(False)
        for part in self.encoder.modules():
            if isinstance(part, nn.LSTM):  # without dropout the mode changes nothing, and cuDNN needs it for a gradient
                part.train()
        return self

    def forward(self, mels: Tensor) -> Tensor:
        """[batch, frames, bands], dB scaled -> float32 [batch, embedding_size]."""
        with torch.autocast(mels.device.type, enabled=False):
            embeddings: Tensor = self.encoder(self.front_end(mels))
        return embeddings


class SpeakerLoss(nn.Module):
    """1 - cosine similarity between the embedding of a generated mel and the embedding that it was conditioned on.

    Args:
        encoder, n_mels, config: as `MelEmbedder`.
        windows: number of crops per batch.
        seconds: length of a crop; shorter utterances are ignored.
    """

    def __init__(
        self, encoder: nn.Module, n_mels: int, config: MelConfig, windows: int = 8, seconds: float = 1.6
    ) -> None:
        super().__init__()
        self.embed = MelEmbedder(encoder, n_mels, config)
        self.windows = windows
        self.frames = round(seconds * config.frames_per_second)

    def forward(self, mel: Tensor, lengths: Tensor, embedding: Tensor, generator: torch.Generator) -> Tensor:
        """Mean over random crops of a batch.

        Args:
            mel: [batch, frames, n_mels], dB scaled; lengths: [batch], valid frames.
            embedding: [batch, embedding_size], norm 1.
            generator: on the CPU; chooses the crops.

        Returns:
            A scalar in [0, 2]; 0 if no utterance is long enough.
        """
        spare = (lengths.cpu() - self.frames).tolist()
        usable = [row for row, frames in enumerate(spare) if frames >= 0]
        if not usable:
            return mel.new_zeros(())
        order = torch.randperm(len(usable), generator=generator)[: self.windows].tolist()
        rows = [usable[k] for k in order]
        starts = [int(torch.randint(spare[row] + 1, (), generator=generator)) for row in rows]
        crops = torch.stack([mel[row, start : start + self.frames] for row, start in zip(rows, starts, strict=True)])
        found = self.embed(crops)
        return 1 - F.cosine_similarity(found, embedding[rows].float(), dim=1).mean()


class VoiceDistance(nn.Module):
    """1 - cosine similarity between the embeddings of generated mels and those of recordings of the same sentences.

    Args:
        encoder, n_mels, config: as `MelEmbedder`.
    """

    def __init__(self, encoder: nn.Module, n_mels: int, config: MelConfig) -> None:
        super().__init__()
        self.embed = MelEmbedder(encoder, n_mels, config)

    def forward(self, made: Tensor, recorded: Tensor) -> Tensor:
        """made, recorded: [batch, frames, n_mels], dB scaled -> the mean, a scalar in [0, 2]."""
        with torch.no_grad():
            target = self.embed(recorded)
        return 1 - F.cosine_similarity(self.embed(made), target, dim=1).mean()
