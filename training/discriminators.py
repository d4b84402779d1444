"""Discriminators of waveforms: networks that classify them as recorded or generated.

Each returns its feature maps and scores as `training.adversarial` takes them. They are smaller than published, for
training on a CPU.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from training.adversarial import Outputs

SLOPE = 0.1  # of the leaky ReLU
FLOOR = 1e-3  # smallest magnitude of a spectrogram


class PeriodDiscriminator(nn.Module):
    """Strided convolutions along every `period`-th sample, with the same weights for all phases.

    Kong et al. 2020, HiFi-GAN, arXiv 2010.05646.
    """

    def __init__(self, period: int, channels: int) -> None:
        super().__init__()
        self.period = period
        widths = [1, channels, 2 * channels, 4 * channels, 4 * channels]
        layers = [nn.Conv1d(i, o, 5, stride=3, padding=2) for i, o in zip(widths, widths[1:], strict=False)]
        layers.append(nn.Conv1d(widths[-1], widths[-1], 5, padding=2))
        self.layers = nn.ModuleList(initialised(layer) for layer in layers)
        self.score = initialised(nn.Conv1d(widths[-1], 1, 3, padding=1))

    def forward(self, wave: Tensor) -> list[Tensor]:
        """[batch, samples] -> maps and scores, [batch, period * channels, steps] each."""
        batch, samples = wave.shape
        lacking = -samples % self.period
        x = F.pad(wave[:, None], (0, lacking), mode="reflect")[:, 0] if lacking else wave
        # 1-D convolutions with the phases as a batch are much faster than 2-D ones on narrow images.
        x = x.unflatten(1, (-1, self.period)).transpose(1, 2).reshape(batch * self.period, 1, -1)
        maps = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            maps.append(x)
        maps.append(self.score(x))
        return [x.reshape(batch, -1, x.shape[-1]) for x in maps]


class ScaleDiscriminator(nn.Module):
    """Strided convolutions over the waveform, averaged over `factor` samples first (Kumar et al. 2019, MelGAN)."""

    def __init__(self, factor: int, channels: int) -> None:
        super().__init__()
        self.factor = factor
        widths = [1, channels, 2 * channels, 4 * channels, 4 * channels]
        layers = [nn.Conv1d(1, channels, 15, padding=7)]
        layers += [
            nn.Conv1d(i, o, 21, stride=4, padding=10, groups=min(4, i))
            for i, o in zip(widths[1:], widths[2:], strict=False)
        ]
        layers.append(nn.Conv1d(widths[-1], widths[-1], 5, padding=2))
        self.layers = nn.ModuleList(initialised(layer) for layer in layers)
        self.score = initialised(nn.Conv1d(widths[-1], 1, 3, padding=1))

    def forward(self, wave: Tensor) -> list[Tensor]:
        """[batch, samples] -> maps and scores, [batch, channels, steps] each."""
        x = wave[:, None]
        if self.factor > 1:
            x = F.avg_pool1d(x, self.factor)
        maps = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            maps.append(x)
        return [*maps, self.score(x)]


class ResolutionDiscriminator(nn.Module):
    """2-D convolutions over a log-magnitude spectrogram, strided along the frequencies.

    Jang et al. 2021, UnivNet, arXiv 2106.07889.
    """

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


def initialised(layer: nn.Conv1d | nn.Conv2d) -> nn.Module:
    """Kaiming initialisation, which keeps the scale of a signal from layer to layer, and weight normalisation."""
    nn.init.kaiming_normal_(layer.weight, a=SLOPE)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return weight_norm(layer)


def accuracy(recorded: Outputs, generated: Outputs) -> Tensor:
    """Fraction of correct scores, mean over the discriminators; 0.5 is chance.

    Args:
        recorded, generated: outputs of the discriminators for recorded and generated waveforms.
    """
    correct = [
        ((fake[-1] < 0).float().mean() + (real[-1] > 0).float().mean()) / 2
        for real, fake in zip(recorded, generated, strict=True)
    ]
    return torch.stack(correct).mean()
