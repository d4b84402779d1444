"""The network of the PerTh watermark: residuals for a magnitude spectrogram, and a detector at three time scales."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

BINS = 128  # up to 2 kHz
CHANNELS = 256
KERNEL = 7
SCALES = {"slow": 1.25, "normal": 1.0, "fast": 0.75}
LOUD = 0.05  # frames whose sum is below this fraction of the highest are left out


class ConvStack(nn.Module):
    """Seven convolutions over time: [batch, BINS, frames] -> [batch, outputs, frames]."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        middle = [nn.Conv1d(CHANNELS, CHANNELS, KERNEL, padding=KERNEL // 2) for _ in range(5)]
        self.layers = nn.ModuleList([nn.Conv1d(BINS, CHANNELS, 1), *middle, nn.Conv1d(CHANNELS, outputs, 1)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in list(self.layers)[:-1]:
            x = functional.leaky_relu(layer(x))
        last: Tensor = self.layers[-1](x)
        return last


class WatermarkNetwork(nn.Module):
    """Embeds and detects. Magnitudes are in dB, scaled to about [0, 1]: [bins, frames] of a whole clip."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = ConvStack(BINS)
        self.decoders = nn.ModuleDict({name: ConvStack(2) for name in SCALES})

    def residual(self, magnitudes: Tensor) -> Tensor:
        """What to add to the lowest bins: [bins, frames] -> [BINS, frames]."""
        residual: Tensor = self.encoder(magnitudes[None, :BINS])[0] * loud_frames(magnitudes)
        return residual

    def score(self, magnitudes: Tensor) -> Tensor:
        """About 1 with a watermark, about 0 without: [bins, frames] -> scalar."""
        loud, frames = loud_frames(magnitudes)[None, None], magnitudes.shape[1]
        weights, scores = [], []
        for name, scale in SCALES.items():
            size = max(int(frames * scale), 1)
            stretched = functional.interpolate(magnitudes[None, :BINS], size, mode="linear", align_corners=True)
            mask = functional.interpolate(loud, size)[0, 0]
            weight, score = (self.decoders[name](stretched)[0] * mask).sum(dim=1) / mask.sum()
            weights.append(weight)
            scores.append(score)
        return (torch.stack(scores) * torch.softmax(torch.stack(weights), dim=0)).sum()


def loud_frames(magnitudes: Tensor) -> Tensor:
    """1 for frames with audio, 0 for digital silence: [bins, frames] -> [frames]."""
    sums = magnitudes.sum(dim=0)
    return (sums > LOUD * sums.max()).to(magnitudes.dtype)
