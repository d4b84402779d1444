"""Does a mel sound like the speaker it was asked for? An optional loss, by the ear of a trained speaker encoder.

Mean errors of a mel leave it smooth, and a smooth mel sounds like nobody in particular. Here the encoder hears the
result, and its distance from the voice that was asked for is part of the loss ("feedback constraint": Cai, Zhang & Li,
arXiv 2005.04587). It hears sound through another front end than the synthesizer's, so that the mel is converted on the
way, by steps that let the gradient through.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speech.audio import SAMPLE_RATE
from speech.errors import ConfigError
from speech.mel import ENCODER_HOP, ENCODER_N_MELS, ENCODER_WINDOW, MelConfig, mel_filters

SPEECH_LEVEL = 10 ** (-24 / 10)  # mean square of what the encoder mostly hears: raised to -30 dBFS, or louder already
HANN_ENERGY = 3 / 8  # mean square of the window
MEAN_POWER = SPEECH_LEVEL * HANN_ENERGY * ENCODER_WINDOW  # of a frequency in a frame, by Parseval
FLOOR = 1e-12


class EncoderFrontEnd(nn.Module):
    """From the synthesizer's log mels to the encoder's power mels, differentiable; an approximation, since the one
    window is 50 ms long and the other 25.

    Raises:
        ConfigError: the mel is of another sample rate than the encoder's.
    """

    def __init__(self, config: MelConfig) -> None:
        super().__init__()
        if config.sample_rate != SAMPLE_RATE:
            raise ConfigError(
                f"The encoder hears {SAMPLE_RATE} Hz, but the mel is of {config.sample_rate} Hz: train without it."
            )
        self.config = config
        bands = mel_filters(config.sample_rate, config.n_fft, config.n_mels, config.fmin, config.fmax)
        heard = mel_filters(SAMPLE_RATE, ENCODER_WINDOW, ENCODER_N_MELS, 0.0, SAMPLE_RATE / 2)
        frequencies = np.linspace(0, np.pi, config.n_frequencies)
        emphasis = np.abs(1 - config.preemphasis * np.exp(-1j * frequencies))
        # A band holds the mean magnitude of its frequencies; each frequency takes the mean of the bands that hear it.
        shares = bands / np.maximum(bands.sum(0, keepdims=True), 1e-9)
        spread = shares / bands.sum(1, keepdims=True) / np.maximum(emphasis, 1e-2)
        # The encoder's shorter window has fewer frequencies: each gathers the power around it.
        ratio = (config.n_frequencies - 1) / (ENCODER_WINDOW // 2)
        distance = np.arange(config.n_frequencies)[:, None] - ratio * np.arange(ENCODER_WINDOW // 2 + 1)
        gather = np.maximum(0, 1 - np.abs(distance) / ratio)
        self.spread: Tensor
        self.heard: Tensor
        self.register_buffer("spread", torch.tensor(spread, dtype=torch.float32), persistent=False)
        self.register_buffer(
            "heard", torch.tensor(gather / gather.sum(0) @ heard.T, dtype=torch.float32), persistent=False
        )
        self.frame_ratio = SAMPLE_RATE / ENCODER_HOP / config.frames_per_second

    def forward(self, mel: Tensor) -> Tensor:
        """mel: [batch, frames, n_mels], dB scaled -> power mels at an ordinary level, [batch, frames * 1.25, 40]."""
        config = self.config
        half = config.max_abs_value
        decibels = (
            (mel.float() + half) * (-config.min_level_db / (2 * half)) + config.min_level_db + config.ref_level_db
        )
        magnitude = torch.exp(decibels * (math.log(10) / 20))
        spectrum = (magnitude @ self.spread) ** 2
        power = spectrum @ self.heard / (spectrum.mean((1, 2), keepdim=True) + FLOOR) * MEAN_POWER
        frames = round(mel.shape[1] * self.frame_ratio)
        return F.interpolate(power.transpose(1, 2), frames, mode="linear", align_corners=False).transpose(1, 2)


class VoiceLoss(nn.Module):
    """1 - cosine between the voice that a mel has, by a speaker encoder, and the one that it should have.

    Args:
        encoder: power mels [batch, frames, 40] -> embeddings [batch, 256] of norm 1; it is not trained.
        config: of the mels.
        windows: how many pieces of a batch are listened to.
        seconds: length of a piece; an utterance that is shorter is not listened to.
    """

    def __init__(self, encoder: nn.Module, config: MelConfig, windows: int = 8, seconds: float = 1.6) -> None:
        super().__init__()
        # In training mode, which changes nothing in an LSTM without dropout: on a GPU the other has no gradient.
        self.encoder = encoder.train().requires_grad_(False)
        self.front_end = EncoderFrontEnd(config)
        self.windows = windows
        self.frames = round(seconds * config.frames_per_second)

    def forward(self, mel: Tensor, lengths: Tensor, embedding: Tensor, generator: torch.Generator) -> Tensor:
        """Hears random pieces of a batch.

        Args:
            mel: [batch, frames, n_mels], dB scaled; lengths: [batch], valid frames.
            embedding: [batch, 256], the voices asked for, norm 1.
            generator: on the CPU; chooses the pieces.

        Returns:
            The mean over the pieces, in [0, 2]; 0 if no utterance is long enough.
        """
        room = (lengths.cpu() - self.frames).tolist()
        able = [row for row, frames in enumerate(room) if frames >= 0]
        if not able:
            return mel.new_zeros(())
        order = torch.randperm(len(able), generator=generator)[: self.windows].tolist()
        rows = [able[k] for k in order]
        starts = [int(torch.randint(room[row] + 1, (), generator=generator)) for row in rows]
        pieces = torch.stack([mel[row, start : start + self.frames] for row, start in zip(rows, starts, strict=True)])
        with torch.autocast(mel.device.type, enabled=False):
            heard = self.encoder(self.front_end(pieces))
        return 1 - F.cosine_similarity(heard, embedding[rows].float(), dim=1).mean()
