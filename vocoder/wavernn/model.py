"""A WaveRNN of either shape, made from its config."""

from typing import Protocol

from torch import Tensor

from vocoder.wavernn.classic import ClassicWaveRNN
from vocoder.wavernn.compact import CompactWaveRNN
from vocoder.wavernn.config import WaveRNNConfig

WaveRNN = ClassicWaveRNN | CompactWaveRNN


class Stepper(Protocol):
    """A WaveRNN that generates one sample at a time for a batch of streams, with states that start at zero.

    Streams end from the back of the batch: `begin_frame` with fewer rows drops the last ones.
    """

    def begin_frame(self, windows: Tensor) -> None:
        """Set the conditioning of a frame: windows [batch, n_mels, 2 * pad + 1] in [-1, 1], the frame in the middle."""
        ...

    def step(self, offset: int, samples: Tensor) -> Tensor:
        """Outputs [batch, config.outputs] for sample `offset` of the frame, given the samples [batch] before it."""
        ...


def build_wavernn(config: WaveRNNConfig) -> WaveRNN:
    """A model with random weights from torch's random state."""
    return ClassicWaveRNN(config) if config.shape == "classic" else CompactWaveRNN(config)
