"""A WaveRNN from its config, and what both shapes can do."""

from typing import Protocol

from torch import Tensor

from vocoder.wavernn.classic import ClassicWaveRNN
from vocoder.wavernn.compact import CompactWaveRNN
from vocoder.wavernn.config import WaveRNNConfig

WaveRNN = ClassicWaveRNN | CompactWaveRNN


class Stepper(Protocol):
    """A WaveRNN that runs one sample at a time over a batch of streams, its states zero at the start.

    Streams end from the back of the batch: `begin_frame` with fewer rows drops the last ones for good.
    """

    def begin_frame(self, windows: Tensor) -> None:
        """Take up a frame's conditioning: windows [batch, n_mels, 2 * pad + 1] in [-1, 1], the frame in the middle."""
        ...

    def step(self, offset: int, samples: Tensor) -> Tensor:
        """Outputs [batch, config.outputs] for sample `offset` of the frame, given the samples [batch] before it."""
        ...


def build_wavernn(config: WaveRNNConfig) -> WaveRNN:
    """A model with fresh weights from torch's random state."""
    return ClassicWaveRNN(config) if config.shape == "classic" else CompactWaveRNN(config)
