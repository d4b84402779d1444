"""The classic WaveRNN of public SV2TTS checkpoints: two GRUs with residual connections, conditioning at sample rate.

The mel conditions the samples in two ways. It is upsampled in steps and smoothed. And a small residual network computes
a vector per frame, whose four parts are inputs of the input layer, the second GRU and the two fully connected layers.
The architecture must not change, because public weights depend on it.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoder.wavernn.config import WaveRNNConfig
from vocoder.wavernn.recurrence import gru_weights
from vocoder.wavernn.samples import as_values
from vocoder.wavernn.stepper import Stepper


class _ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(channels, channels, 1, bias=False),
            nn.BatchNorm1d(channels),
            nn.ReLU(),
            nn.Conv1d(channels, channels, 1, bias=False),
            nn.BatchNorm1d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class _Upsampling(nn.Module):
    """Nearest-neighbour upsampling in steps, each followed by one learned filter that all bands share."""

    def __init__(self, factors: tuple[int, ...], pad: int) -> None:
        super().__init__()
        self.factors, self.pad = factors, pad
        self.filters = nn.ModuleList(nn.Conv1d(1, 1, 2 * factor + 1, padding=factor, bias=False) for factor in factors)
        for smoothing, factor in zip(self.filters, factors, strict=True):
            nn.init.constant_(cast(Tensor, smoothing.weight), 1 / (2 * factor + 1))

    def forward(self, mel: Tensor) -> Tensor:
        """[batch, n_mels, frames + 2 * pad] -> [batch, frames * hop, n_mels]."""
        batch, n_mels, padded = mel.shape
        bands = mel.reshape(batch * n_mels, 1, padded)
        for smoothing, factor in zip(self.filters, self.factors, strict=True):
            bands = smoothing(bands.repeat_interleave(factor, dim=2))
        margin = self.pad * (bands.shape[2] // padded)
        return bands[:, 0, margin : bands.shape[2] - margin].reshape(batch, n_mels, -1).transpose(1, 2)


class ClassicWaveRNN(nn.Module):
    def __init__(self, config: WaveRNNConfig) -> None:
        super().__init__()
        self.config = config
        mels, hidden, fc, part = config.mel.n_mels, config.hidden_size, config.fc_size, config.condition_size // 4
        self.upsampling = _Upsampling(config.upsample_factors, config.pad)
        self.residual_network = nn.Sequential(
            nn.Conv1d(mels, config.residual_size, 2 * config.pad + 1, bias=False),
            nn.BatchNorm1d(config.residual_size),
            nn.ReLU(),
            *(_ResidualBlock(config.residual_size) for _ in range(config.residual_blocks)),
            nn.Conv1d(config.residual_size, config.condition_size, 1),
        )
        self.input = nn.Linear(1 + mels + part, hidden)
        self.gru1 = nn.GRU(hidden, hidden, batch_first=True)
        self.gru2 = nn.GRU(hidden + part, hidden, batch_first=True)
        self.fc1 = nn.Linear(hidden + part, fc)
        self.fc2 = nn.Linear(fc + part, fc)
        self.output = nn.Linear(fc, config.outputs)

    def condition(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Conditioning of the samples.

        Args:
            mel: [batch, n_mels, frames + 2 * pad] in [-1, 1].

        Returns:
            mel at sample rate [batch, frames * hop, n_mels] and the residual network's [batch, frames, condition_size].
        """
        return self.upsampling(mel), self.residual_network(mel).transpose(1, 2)

    def forward(self, samples: Tensor, mel: Tensor) -> Tensor:
        """Teacher-forced outputs.

        Args:
            samples: [batch, frames * hop], the sample before each predicted one.
            mel: [batch, n_mels, frames + 2 * pad] in [-1, 1].

        Returns:
            [batch, frames * hop, config.outputs].
        """
        upsampled, frames = self.condition(mel)
        parts = frames.repeat_interleave(self.config.hop_length, dim=1).chunk(4, dim=2)
        values = as_values(samples, self.config).unsqueeze(2)
        x = self.input(torch.cat([values, upsampled, parts[0]], dim=2))
        x = x + self.gru1(x)[0]
        x = x + self.gru2(torch.cat([x, parts[1]], dim=2))[0]
        x = F.relu(self.fc1(torch.cat([x, parts[2]], dim=2)))
        x = F.relu(self.fc2(torch.cat([x, parts[3]], dim=2)))
        return self.output(x)

    def stepper(self, batch: int) -> "ClassicStepper":
        return ClassicStepper(self, batch)


class ClassicStepper(Stepper):
    """A classic WaveRNN that generates one sample at a time."""

    def __init__(self, model: ClassicWaveRNN, batch: int) -> None:
        self.model = model
        self.first = torch.zeros(batch, model.config.hidden_size, device=model.input.weight.device)
        self.second = self.first.clone()
        self.upsampled = torch.empty(0)
        self.parts: tuple[Tensor, ...] = ()

    def begin_frame(self, windows: Tensor) -> None:
        self.first, self.second = self.first[: len(windows)], self.second[: len(windows)]
        self.upsampled, frame = self.model.condition(windows)
        self.parts = frame[:, 0].chunk(4, dim=1)

    def step(self, offset: int, drawn: Tensor) -> Tensor:
        model = self.model
        values = as_values(drawn, model.config).unsqueeze(1).to(self.upsampled.dtype)
        x = model.input(torch.cat([values, self.upsampled[:, offset], self.parts[0]], dim=1))
        self.first = _cell(model.gru1, x, self.first)
        x = x + self.first
        self.second = _cell(model.gru2, torch.cat([x, self.parts[1]], dim=1), self.second)
        x = x + self.second
        x = F.relu(model.fc1(torch.cat([x, self.parts[2]], dim=1)))
        x = F.relu(model.fc2(torch.cat([x, self.parts[3]], dim=1)))
        return model.output(x)


def _cell(gru: nn.GRU, x: Tensor, state: Tensor) -> Tensor:
    return torch.gru_cell(x, state, *gru_weights(gru))
