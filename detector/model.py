"""The detector's network: convolutions over spectrograms of several resolutions.

Its branches are of the type of the multi-resolution discriminators of vocoders (Jang et al. 2021, UnivNet, arXiv
2106.07889): each reads a log spectrogram as an image. Unlike those, they also stride along time and end in one score
for the clip.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detector.config import DetectorConfig

SLOPE = 0.1  # of the leaky ReLU
TINY = 1e-8


class DetectorNetwork(nn.Module):
    """Clips -> scores, above zero where a clip is classified as synthesized.

    `calibration` holds the factor and the offset by which the mean score of a clip becomes the logarithm of the odds.
    """

    calibration: Tensor

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.branches = nn.ModuleList(Branch(config, window) for window in config.windows)
        size = sum(branch.size for branch in self.branches)  # type: ignore[misc]
        self.head = nn.Sequential(
            nn.Linear(size, config.hidden), nn.LeakyReLU(SLOPE), nn.Dropout(0.2), nn.Linear(config.hidden, 1)
        )
        self.register_buffer("calibration", torch.tensor([1.0, 0.0]))

    def forward(self, wave: Tensor) -> Tensor:
        """[batch, samples], at least 0.5 s at any level -> float32 [batch]."""
        wave = wave / wave.square().mean(dim=1, keepdim=True).sqrt().clamp_min(TINY)
        return self.head(torch.cat([branch(wave) for branch in self.branches], dim=1))[:, 0]


class Branch(nn.Module):
    """Convolutions over the spectrogram of one window size, and their mean and standard deviation over time."""

    window: Tensor

    def __init__(self, config: DetectorConfig, window: int) -> None:
        super().__init__()
        self.bins = config.bins(window)
        self.floor = 10 ** (config.floor_db / 10)
        self.register_buffer("window", torch.hann_window(window), persistent=False)
        widths = (1, *config.channels)
        self.layers = nn.ModuleList()
        bands = self.bins
        for number, (ins, outs) in enumerate(zip(widths, widths[1:], strict=False)):
            kernel = 5 if number == 0 else 3
            convolution = nn.Conv2d(ins, outs, kernel, stride=2, padding=kernel // 2, bias=False)
            self.layers.append(nn.Sequential(convolution, nn.BatchNorm2d(outs), nn.LeakyReLU(SLOPE)))
            bands = (bands - 1) // 2 + 1
        self.size = 2 * bands * config.channels[-1]

    def forward(self, wave: Tensor) -> Tensor:
        """[batch, samples] -> [batch, size]."""
        x = self.spectrogram(wave)[:, None]
        for layer in self.layers:
            x = layer(x)
        x = x.flatten(1, 2)  # [batch, channels * bands, frames]
        return torch.cat([x.mean(dim=2), (x.var(dim=2, unbiased=False) + TINY).sqrt()], dim=1)

    def spectrogram(self, wave: Tensor) -> Tensor:
        """Log power without its mean over time, which depends on microphone and room: -> [batch, bins, frames]."""
        size = len(self.window)
        with torch.autocast(wave.device.type, enabled=False):
            spectrum = torch.stft(wave.float(), size, size // 2, window=self.window, return_complex=True)
            power = spectrum.abs().square()[:, 1 : self.bins + 1] / self.window.sum() ** 2 * 4
            power = (power + self.floor / self.bins).log()
        return (power - power.mean(dim=2, keepdim=True)) / 4


def loss_of(scores: Tensor, synthetic: Tensor) -> Tensor:
    """Binary cross entropy. Args: scores [batch]; synthetic [batch], 1 where the clip is synthesized, else 0."""
    return F.binary_cross_entropy_with_logits(scores.float(), synthetic.float())
