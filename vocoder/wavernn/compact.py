"""The compact WaveRNN: one GRU, a few conditioning vectors per frame, and a table for the last sample.

The input of a GRU step is `table[label of the last sample] + condition`. The table is the product of an embedding and
the GRU's input weights. The product of the conditioning vector and these weights is computed once per subframe. So the
only large product per sample is the recurrent one.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoder.wavernn.config import WaveRNNConfig
from vocoder.wavernn.recurrence import gru_weights, label_gru
from vocoder.wavernn.samples import as_labels


class _Conditioning(nn.Module):
    """Mel frames with their neighbours -> a few conditioning vectors for each frame."""

    def __init__(self, config: WaveRNNConfig) -> None:
        super().__init__()
        channels = config.condition_size
        self.subframes = config.subframes
        self.context = nn.Conv1d(config.mel.n_mels, channels, 2 * config.pad + 1)
        self.dense = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in range(2))
        self.spread = nn.Conv1d(channels, channels * config.subframes, 1)

    def forward(self, mel: Tensor) -> Tensor:
        """[batch, n_mels, frames + 2 * pad] -> [batch, frames * subframes, condition_size] in [-1, 1]."""
        x = F.silu(self.context(mel))
        for layer in self.dense:
            x = x + F.silu(layer(x))
        x = torch.tanh(self.spread(x))
        batch, _, frames = x.shape
        return x.view(batch, self.subframes, -1, frames).permute(0, 3, 1, 2).reshape(batch, frames * self.subframes, -1)


class CompactWaveRNN(nn.Module):
    def __init__(self, config: WaveRNNConfig) -> None:
        super().__init__()
        self.config = config
        self.conditioning = _Conditioning(config)
        self.sample_embedding = nn.Embedding(config.labels, config.sample_embedding_size)
        self.sample_embedding.weight.data = _smooth_table(config.labels, config.sample_embedding_size)
        self.gru = nn.GRU(config.sample_embedding_size + config.condition_size, config.hidden_size, batch_first=True)
        self.fc = nn.Linear(config.hidden_size, config.fc_size)
        self.output = nn.Linear(config.fc_size, config.outputs)

    def input_table(self) -> Tensor:
        """Contribution of each label to the GRU's gates: [labels, 3 * hidden_size]."""
        weight = gru_weights(self.gru).input[:, : self.config.sample_embedding_size]
        return F.linear(self.sample_embedding.weight, weight)

    def condition_gates(self, mel: Tensor) -> Tensor:
        """That of the mel: [batch, n_mels, frames + 2 * pad] -> [batch, frames * subframes, 3 * hidden_size]."""
        weights = gru_weights(self.gru)
        return F.linear(
            self.conditioning(mel), weights.input[:, self.config.sample_embedding_size :], weights.input_bias
        )

    def forward(self, samples: Tensor, mel: Tensor) -> Tensor:
        """Teacher-forced outputs; see `ClassicWaveRNN.forward`."""
        labels = as_labels(samples, self.config)
        states = self._states_on_cpu(labels, mel) if mel.device.type == "cpu" else self._states(labels, mel)
        return self.output(F.relu(self.fc(states)))

    def _states(self, labels: Tensor, mel: Tensor) -> Tensor:
        """States of PyTorch's GRU over the whole crop: [batch, samples, hidden_size]."""
        per_subframe = self.config.hop_length // self.config.subframes
        condition = self.conditioning(mel).repeat_interleave(per_subframe, dim=1)
        return self.gru(torch.cat([self.sample_embedding(labels), condition], dim=2))[0]

    def _states_on_cpu(self, labels: Tensor, mel: Tensor) -> Tensor:
        """The same states, several times faster on a CPU."""
        table, condition = self.input_table(), self.condition_gates(mel)
        weights, low = gru_weights(self.gru), _wants_low_precision()
        with torch.autocast("cpu", enabled=False):
            states = label_gru(
                labels.t().contiguous(),
                table.float(),
                condition.float().transpose(0, 1).contiguous(),
                weights.recurrent,
                weights.recurrent_bias,
                torch.zeros(len(labels), self.config.hidden_size),
                low=low,
            )
        states = states.transpose(0, 1)
        return states if torch.is_autocast_enabled("cpu") else states.to(self.fc.weight.dtype)

    def stepper(self, batch: int) -> "CompactStepper":
        return CompactStepper(self, batch)


class CompactStepper:
    """A compact WaveRNN that generates one sample at a time; see `model.Stepper`."""

    def __init__(self, model: CompactWaveRNN, batch: int) -> None:
        self.model = model
        self.per_subframe = model.config.hop_length // model.config.subframes
        self.table = model.input_table()
        self.weights = gru_weights(model.gru)
        self.state = torch.zeros(batch, model.config.hidden_size, device=self.table.device)
        self.gates = torch.empty(0)

    def begin_frame(self, windows: Tensor) -> None:
        self.state = self.state[: len(windows)]
        self.gates = self.model.condition_gates(windows)

    def step(self, offset: int, samples: Tensor) -> Tensor:
        model = self.model
        inputs = self.table[as_labels(samples, model.config)] + self.gates[:, offset // self.per_subframe]
        recurrent = F.linear(self.state, self.weights.recurrent, self.weights.recurrent_bias)
        input_r, input_z, input_n = inputs.chunk(3, dim=1)
        recurrent_r, recurrent_z, recurrent_n = recurrent.chunk(3, dim=1)
        reset, keep = torch.sigmoid(input_r + recurrent_r), torch.sigmoid(input_z + recurrent_z)
        new = torch.tanh(input_n + reset * recurrent_n)
        self.state = torch.lerp(new, self.state, keep)
        return model.output(F.relu(model.fc(self.state)))


def _smooth_table(labels: int, size: int) -> Tensor:
    """Initial embedding, similar for similar labels: the sample value and cosines of it, of about unit variance."""
    level = torch.linspace(-1, 1, labels).unsqueeze(1)
    cosines = torch.cos((level + 1) * (math.pi / 2) * torch.arange(1, size))
    return torch.cat([math.sqrt(3) * level, math.sqrt(2) * cosines], dim=1)


def _wants_low_precision() -> bool:
    """Whether autocast or `torch.set_float32_matmul_precision("medium")` requests bfloat16 products."""
    return torch.is_autocast_enabled("cpu") or torch.get_float32_matmul_precision() == "medium"
