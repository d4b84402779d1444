"""What the compact and the excitation shape share: one GRU, a few conditioning vectors per frame, and tables of labels.

The input of a GRU step is the sum of `table[label]` for each kind of label, of the condition, and in the excitation
shape of a product with a few signals. A table is the product of an embedding and the GRU's input weights. The product
of the conditioning vector and these weights is computed once per subframe. So the only large product per sample is the
recurrent one.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoder.wavernn.config import WaveRNNConfig
from vocoder.wavernn.recurrence import StepInputs, gru_weights, label_gru
from vocoder.wavernn.stepper import Stepper


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


class SingleGRU(nn.Module):
    """Base of the two shapes.

    Args:
        further_inputs: of the GRU, after the embedding of the last label and the condition.
    """

    def __init__(self, config: WaveRNNConfig, further_inputs: int = 0) -> None:
        super().__init__()
        self.config = config
        known = config.sample_embedding_size + config.condition_size
        self.conditioning = _Conditioning(config)
        self.sample_embedding = label_embedding(config)
        self.gru = nn.GRU(known + further_inputs, config.hidden_size, batch_first=True)
        self.fc = nn.Linear(config.hidden_size, config.fc_size)
        self.output = nn.Linear(config.fc_size, config.outputs)

    def input_table(self) -> Tensor:
        """Contribution of each label to the GRU's gates, table after table: [tables * labels, 3 * hidden_size]."""
        weight = gru_weights(self.gru).input[:, : self.config.sample_embedding_size]
        return F.linear(self.sample_embedding.weight, weight)

    def condition_gates(self, mel: Tensor) -> Tensor:
        """That of the mel: [batch, n_mels, frames + 2 * pad] -> [batch, frames * subframes, 3 * hidden_size]."""
        weights, first = gru_weights(self.gru), self.config.sample_embedding_size
        columns = weights.input[:, first : first + self.config.condition_size]
        return F.linear(self.conditioning(mel), columns, weights.input_bias)

    def signal_gates(self) -> Tensor:
        """That of the signals: [signals, 3 * hidden_size]."""
        return gru_weights(self.gru).input[:, self._known_inputs :].t()

    @property
    def _known_inputs(self) -> int:
        """Inputs of the GRU before the signals."""
        return self.config.sample_embedding_size + self.config.condition_size

    def _outputs(self, labels: Tensor, signals: Tensor, mel: Tensor) -> Tensor:
        """Teacher-forced outputs.

        Args:
            labels: int64 [batch, frames * hop, tables].
            signals: float32 [batch, frames * hop, signals].
            mel: [batch, n_mels, frames + 2 * pad] in [-1, 1].

        Returns:
            [batch, frames * hop, config.outputs].
        """
        run = self._states_on_cpu if mel.device.type == "cpu" else self._states
        return self.output(F.relu(self.fc(run(labels, signals, mel))))

    def _states(self, labels: Tensor, signals: Tensor, mel: Tensor) -> Tensor:
        """States of PyTorch's GRU over the whole crop: [batch, samples, hidden_size]."""
        per_subframe = self.config.hop_length // self.config.subframes
        condition = self.conditioning(mel).repeat_interleave(per_subframe, dim=1)
        return self.gru(torch.cat(self._gru_inputs(labels, signals, condition), dim=2))[0]

    def _gru_inputs(self, labels: Tensor, signals: Tensor, condition: Tensor) -> list[Tensor]:
        """The inputs of the GRU in the order of its weights."""
        return [self.sample_embedding(labels[..., 0]), condition]

    def _states_on_cpu(self, labels: Tensor, signals: Tensor, mel: Tensor) -> Tensor:
        """The same states, several times faster on a CPU."""
        table, condition, signal_weight = self.input_table(), self.condition_gates(mel), self.signal_gates()
        weights, low = gru_weights(self.gru), _wants_low_precision()
        rows = labels + self.config.labels * torch.arange(labels.shape[2])
        with torch.autocast("cpu", enabled=False):
            states = label_gru(
                StepInputs(
                    rows.transpose(0, 1).contiguous(),
                    table.float(),
                    signals.transpose(0, 1).contiguous(),
                    signal_weight.float(),
                ),
                condition.float().transpose(0, 1).contiguous(),
                weights.recurrent,
                weights.recurrent_bias,
                torch.zeros(len(labels), self.config.hidden_size),
                low=low,
            )
        states = states.transpose(0, 1)
        return states if torch.is_autocast_enabled("cpu") else states.to(self.fc.weight.dtype)


class SingleGRUStepper(Stepper):
    """Base of the steppers. A shape's `step` sums the inputs of the gates and calls `advance`."""

    def __init__(self, model: SingleGRU, batch: int) -> None:
        self.network = model
        self.per_subframe = model.config.hop_length // model.config.subframes
        self.table = model.input_table()
        self.weights = gru_weights(model.gru)
        self.state = torch.zeros(batch, model.config.hidden_size, device=self.table.device)
        self.gates = torch.empty(0)

    def begin_frame(self, windows: Tensor) -> None:
        self.state = self.state[: len(windows)]
        self.gates = self.network.condition_gates(windows)

    def advance(self, inputs: Tensor) -> Tensor:
        """Inputs of the gates [batch, 3 * hidden_size] -> outputs [batch, config.outputs]."""
        recurrent = F.linear(self.state, self.weights.recurrent, self.weights.recurrent_bias)
        input_r, input_z, input_n = inputs.chunk(3, dim=1)
        recurrent_r, recurrent_z, recurrent_n = recurrent.chunk(3, dim=1)
        reset, keep = torch.sigmoid(input_r + recurrent_r), torch.sigmoid(input_z + recurrent_z)
        new = torch.tanh(input_n + reset * recurrent_n)
        self.state = torch.lerp(new, self.state, keep)
        return self.network.output(F.relu(self.network.fc(self.state)))


def label_embedding(config: WaveRNNConfig) -> nn.Embedding:
    """An embedding of labels whose initial values are similar for similar labels."""
    embedding = nn.Embedding(config.labels, config.sample_embedding_size)
    embedding.weight.data = _smooth_table(config.labels, config.sample_embedding_size)
    return embedding


def _smooth_table(labels: int, size: int) -> Tensor:
    """The sample value and cosines of it, of about unit variance: [labels, size]."""
    level = torch.linspace(-1, 1, labels).unsqueeze(1)
    cosines = torch.cos((level + 1) * (math.pi / 2) * torch.arange(1, size))
    return torch.cat([math.sqrt(3) * level, math.sqrt(2) * cosines], dim=1)


def _wants_low_precision() -> bool:
    """Whether autocast or `torch.set_float32_matmul_precision("medium")` requests bfloat16 products."""
    return torch.is_autocast_enabled("cpu") or torch.get_float32_matmul_precision() == "medium"
