"""The compact WaveRNN: a single GRU that looks up the last sample in a table; see `single_gru`."""

from torch import Tensor

from vocoder.wavernn.samples import as_labels
from vocoder.wavernn.single_gru import SingleGRU, SingleGRUStepper


class CompactWaveRNN(SingleGRU):
    def forward(self, samples: Tensor, mel: Tensor) -> Tensor:
        """Teacher-forced outputs; see `ClassicWaveRNN.forward`."""
        labels = as_labels(samples, self.config)[..., None]
        return self._outputs(labels, mel.new_empty(*samples.shape, 0), mel)

    def stepper(self, batch: int) -> "CompactStepper":
        return CompactStepper(self, batch)


class CompactStepper(SingleGRUStepper):
    """A compact WaveRNN that generates one sample at a time."""

    def step(self, offset: int, drawn: Tensor) -> Tensor:
        labels = as_labels(drawn, self.network.config)
        return self.advance(self.table[labels] + self.gates[:, offset // self.per_subframe])
