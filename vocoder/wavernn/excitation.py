"""The excitation WaveRNN: the compact network on the excitation of a linear prediction.

A sample is the linear prediction from the samples before it plus the excitation, whose label the network predicts
(Valin & Skoglund 2019, "LPCNet", arXiv 1810.11846). The coefficients come from the mel. Beside the label of the last
excitation, the network has the label of the prediction, the last sample, and the excitation one pitch period back
(Valin et al. 2024, "FARGAN", arXiv 2405.21069); the pitch comes from the mel too.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from vocoder.wavernn.config import WaveRNNConfig
from vocoder.wavernn.prediction import AROUND, FLOOR, SIGNALS, longest_lag, predict_from_mel
from vocoder.wavernn.recurrence import gru_weights
from vocoder.wavernn.samples import curve_of, label_of_curve, level_table
from vocoder.wavernn.single_gru import SingleGRU, SingleGRUStepper, label_embedding


class ExcitationWaveRNN(SingleGRU):
    def __init__(self, config: WaveRNNConfig) -> None:
        super().__init__(config, config.sample_embedding_size + SIGNALS)
        self.prediction_embedding = label_embedding(config)

    def forward(self, labels: Tensor, signals: Tensor, mel: Tensor) -> Tensor:
        """Teacher-forced outputs, with the history that `excitation_data` prepares.

        Args:
            labels: int64 [batch, frames * hop, 2], of the last excitation and of the prediction.
            signals: float32 [batch, frames * hop, SIGNALS] on the mu-law curve: the last sample, then the excitation
                around one pitch period back.
            mel: [batch, n_mels, frames + 2 * pad] in [-1, 1].

        Returns:
            [batch, frames * hop, config.outputs], logits of the excitation's labels.
        """
        return self._outputs(labels, signals, mel)

    def input_table(self) -> Tensor:
        first = self.config.sample_embedding_size + self.config.condition_size
        weight = gru_weights(self.gru).input[:, first : self._known_inputs]
        return torch.cat([super().input_table(), F.linear(self.prediction_embedding.weight, weight)])

    @property
    def _known_inputs(self) -> int:
        return 2 * self.config.sample_embedding_size + self.config.condition_size

    def _gru_inputs(self, labels: Tensor, signals: Tensor, condition: Tensor) -> list[Tensor]:
        known = super()._gru_inputs(labels, signals, condition)
        return [*known, self.prediction_embedding(labels[..., 1]), signals.to(condition.dtype)]

    def stepper(self, batch: int) -> "ExcitationStepper":
        return ExcitationStepper(self, batch)


class ExcitationStepper(SingleGRUStepper):
    """An excitation WaveRNN that generates one sample at a time. What is drawn are labels of the excitation."""

    def __init__(self, model: ExcitationWaveRNN, batch: int) -> None:
        super().__init__(model, batch)
        config = self.config = model.config
        device = self.table.device
        self.signal_gates = model.signal_gates()
        self.levels = torch.from_numpy(level_table(config)).to(device)
        self.latest_first = torch.zeros(batch, config.prediction_order, device=device)  # samples
        self.reach = longest_lag(config) + AROUND
        self.excitation = torch.zeros(batch, self.reach, device=device)  # on the mu-law curve, the latest last
        self.around = torch.arange(-AROUND, AROUND + 1, device=device)
        self.coefficients = self.lags = self.powers = torch.empty(0)
        self.predicted = self.power = torch.empty(0)

    def begin_frame(self, windows: Tensor) -> None:
        super().begin_frame(windows)
        self.latest_first, self.excitation = self.latest_first[: len(windows)], self.excitation[: len(windows)]
        prediction = predict_from_mel(windows.float().cpu().numpy(), self.config)
        self.coefficients, self.lags, self.powers = (
            torch.from_numpy(values).to(windows.device)
            for values in (prediction.coefficients, prediction.lags, prediction.powers())
        )

    def step(self, offset: int, drawn: Tensor) -> Tensor:
        subframe = offset // self.per_subframe
        self.predicted = (self.coefficients[:, subframe] * self.latest_first).sum(1).clamp(-1, 1)
        self.power = self.powers[:, subframe, None]
        labels = label_of_curve(curve_of(self.predicted, self.config), self.config)
        lag = self.lags[:, subframe, None].long()
        period = self.excitation.gather(1, self.reach - lag.clamp(min=AROUND + 1) + self.around) * (lag > 0)
        signals = torch.cat([curve_of(self.latest_first[:, :1], self.config), period], dim=1)
        table = self.table[drawn] + self.table[self.config.labels + labels]
        return self.advance(table + signals @ self.signal_gates + self.gates[:, subframe])

    def sharpened(self, outputs: Tensor) -> Tensor:
        """Raise the distribution to a power that grows with the clarity of the pitch, and subtract `FLOOR`."""
        outputs = outputs * self.power
        relative = torch.exp(outputs - outputs.max(dim=1, keepdim=True).values)
        return torch.log((relative - FLOOR).clamp(min=0))

    def samples(self, drawn: Tensor) -> Tensor:
        values = (self.predicted + self.levels[drawn]).clamp(-1, 1)
        self.latest_first = torch.cat([values[:, None], self.latest_first[:, :-1]], dim=1)
        curve = drawn * (2 / (self.config.labels - 1)) - 1
        self.excitation = torch.cat([self.excitation[:, 1:], curve[:, None]], dim=1)
        return values
