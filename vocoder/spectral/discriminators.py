"""Discriminators: networks that classify waveforms as recorded or generated.

There are two types, which detect different artefacts. Multi-period discriminators process every p-th sample together
(Kong et al. 2020, HiFi-GAN, arXiv 2010.05646). Multi-resolution discriminators process spectrograms as images (Jang et
al. 2021, UnivNet, arXiv 2106.07889). Both are smaller than published, for training on a CPU.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.discriminators import SLOPE, PeriodDiscriminator, initialised
from vocoder.spectral.config import DiscriminatorConfig

STAGE, KIND = "vocoder", "discriminators"
FILE_NAME = "discriminators.safetensors"
GAIN = 10.0  # scales pre-emphasised speech to a magnitude of about 1
FLOOR = 1e-3  # smallest magnitude


class Discriminators(nn.Module):
    """All discriminators of a config, for pre-emphasised waveforms."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.judges = nn.ModuleDict(  # the name is stored in files
            {f"period_{period}": PeriodDiscriminator(period, config.period_channels) for period in config.periods}
            | {
                f"window_{size}": ResolutionDiscriminator(size, config.resolution_channels)
                for size in config.resolutions
            }
        )

    def forward(self, wave: Tensor) -> list[list[Tensor]]:
        """Feature maps and scores.

        Args:
            wave: [batch, samples], at least `vocoder.spectral.config.MIN_DISCRIMINATED`.

        Returns:
            For each discriminator its feature maps [batch, ...] and, as the last element, its scores: above zero where
            it classifies the waveform as recorded.
        """
        wave = wave * GAIN
        return [discriminator(wave) for discriminator in self.judges.values()]

    def save(self, path: str | Path, step: int, licence: str = "", trained_on: str = "") -> None:
        """Write a model file atomically."""
        from modelfile.checkpoint import save_model
        from modelfile.header import ModelHeader

        save_model(path, self, ModelHeader(STAGE, KIND, self.config, step, licence, trained_on))

    @classmethod
    def load(cls, path: str | Path) -> "Discriminators":
        """Load discriminators from a file.

        Raises:
            ModelFileError: missing, damaged, or not a file of discriminators.
        """
        from modelfile.checkpoint import load_into, load_model_file, no_larger_than
        from modelfile.header import config_from_header

        header, weights = load_model_file(path, STAGE, KIND)
        config = config_from_header(DiscriminatorConfig, header)
        with no_larger_than(weights):
            discriminators = cls(config)
        load_into(discriminators, weights)
        return discriminators


class ResolutionDiscriminator(nn.Module):
    """2-D convolutions over a log-magnitude spectrogram, strided along the frequencies."""

    window: Tensor

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("window", torch.hann_window(size), persistent=False)
        widths = [1, channels, channels, 2 * channels, 2 * channels]
        layers = [
            nn.Conv2d(i, o, (3, 5), stride=(1, 2), padding=(1, 2)) for i, o in zip(widths, widths[1:], strict=False)
        ]
        layers.append(nn.Conv2d(widths[-1], widths[-1], 3, padding=1))
        self.layers = nn.ModuleList(initialised(layer) for layer in layers)
        self.score = initialised(nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, wave: Tensor) -> list[Tensor]:
        """[batch, samples] -> maps and scores, [batch, channels, frames, bands] each."""
        x = self.spectrogram(wave)[:, None]
        maps = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            maps.append(x)
        return [*maps, self.score(x)]

    def spectrogram(self, wave: Tensor) -> Tensor:
        """Log magnitudes, about zero for speech: [batch, samples] -> float32 [batch, frames, bins]."""
        with torch.autocast(wave.device.type, enabled=False):
            spectrum = torch.stft(wave.float(), self.size, self.size // 4, window=self.window, return_complex=True)
            power = (spectrum.real.square() + spectrum.imag.square()) / self.size
            return (power + FLOOR**2).log().mul(0.25).add(1.0).transpose(1, 2)
