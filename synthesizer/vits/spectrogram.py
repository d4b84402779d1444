"""Spectrograms in PyTorch, with gradients: the posterior encoder's input, and the log mels that losses compare."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speech.audio import SAMPLE_RATE
from speech.mel import ENCODER_HOP, ENCODER_WINDOW, hann_window, mel_filters
from speech.mel_config import MelConfig

COMPRESSION = 0.3  # power of the magnitudes, about as loudness grows
FLOOR = 1e-8  # of a power, where the square root has no gradient


class Spectrograms(nn.Module):
    """Both spectrograms of waveforms [batch, frames * hop]. They have float32 precision under autocast, too."""

    window: Tensor
    filters: Tensor

    def __init__(self, config: MelConfig) -> None:
        super().__init__()
        self.config = config
        bands = mel_filters(config.sample_rate, config.n_fft, config.n_mels, config.fmin, config.fmax)
        self.register_buffer("window", torch.tensor(hann_window(config.win_length, config.n_fft)), persistent=False)
        self.register_buffer("filters", torch.tensor(bands), persistent=False)

    def linear(self, wav: Tensor) -> Tensor:
        """Compressed magnitudes, [batch, n_frequencies, frames]."""
        return self._magnitudes(wav) ** COMPRESSION

    def mel(self, wav: Tensor) -> Tensor:
        """Those of `speech.mel.synthesis_mel` without the last frame, [batch, n_mels, frames]."""
        config = self.config
        wav = wav.float()
        wav = torch.cat([wav[:, :1], wav[:, 1:] - config.preemphasis * wav[:, :-1]], 1)
        with torch.autocast(wav.device.type, enabled=False):
            amplitudes = self.filters @ self._magnitudes(wav)
        decibels = amplitudes.clamp_min(10 ** (config.min_level_db / 20)).log() * (20 / math.log(10))
        top = config.max_abs_value
        scaled = (decibels - config.ref_level_db - config.min_level_db) * (2 * top / -config.min_level_db) - top
        return scaled.clamp(-top, top)

    def _magnitudes(self, wav: Tensor) -> Tensor:
        """[batch, samples] -> [batch, n_frequencies, samples // hop]; frame k is centred on sample k * hop."""
        config = self.config
        with torch.autocast(wav.device.type, enabled=False):
            padded = F.pad(wav.float(), (config.n_fft // 2, config.n_fft // 2))
            spectrum = torch.stft(
                padded, config.n_fft, config.hop_length, window=self.window, center=False, return_complex=True
            )
            power = spectrum.real.square() + spectrum.imag.square()
            return (power[:, :, : wav.shape[1] // config.hop_length] + FLOOR).sqrt()


class PowerMels(nn.Module):
    """`speech.mel.encoder_mel` with gradients, for waveforms [batch, samples] at 16 kHz."""

    window: Tensor
    filters: Tensor

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        bands = mel_filters(SAMPLE_RATE, ENCODER_WINDOW, n_mels, 0.0, SAMPLE_RATE / 2)
        window = hann_window(ENCODER_WINDOW, ENCODER_WINDOW)
        self.register_buffer("window", torch.tensor(window), persistent=False)
        self.register_buffer("filters", torch.tensor(bands.T.copy()), persistent=False)

    def forward(self, wav: Tensor) -> Tensor:
        """[batch, samples // 160 + 1, n_mels]."""
        with torch.autocast(wav.device.type, enabled=False):
            padded = F.pad(wav.float(), (ENCODER_WINDOW // 2, ENCODER_WINDOW // 2))
            spectrum = torch.stft(
                padded, ENCODER_WINDOW, ENCODER_HOP, window=self.window, center=False, return_complex=True
            )
            power = spectrum.real.square() + spectrum.imag.square()
            return power.transpose(1, 2) @ self.filters
