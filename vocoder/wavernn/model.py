"""A WaveRNN of any shape, made from its config."""

from vocoder.wavernn.classic import ClassicWaveRNN
from vocoder.wavernn.compact import CompactWaveRNN
from vocoder.wavernn.config import WaveRNNConfig
from vocoder.wavernn.excitation import ExcitationWaveRNN

WaveRNN = ClassicWaveRNN | CompactWaveRNN | ExcitationWaveRNN


def build_wavernn(config: WaveRNNConfig) -> WaveRNN:
    """A model with random weights from torch's random state."""
    if config.shape == "classic":
        return ClassicWaveRNN(config)
    return ExcitationWaveRNN(config) if config.predicts else CompactWaveRNN(config)
