"""Architecture and front end of the CAM++ encoder."""

from dataclasses import dataclass, field

from encoder.config import PartialsConfig, check_sizes
from speech.errors import ConfigError


@dataclass(frozen=True)
class CAMPPlusConfig:
    """Architecture of the encoder, stored whole in its model file.

    The default has half the width and depth of the paper, so that it embeds on a CPU about as fast as the LSTM
    encoder. The paper's sizes are head_channels 32, channels 128, growth_rate 32, layers (12, 24, 16) and
    embedding_size 512.
    """

    n_mels: int = 80
    """Mel bands, a multiple of 8."""
    embedding_size: int = 192
    """Length of an embedding."""
    head_channels: int = 16
    """Channels of the 2-D convolutions at the input."""
    channels: int = 64
    """Channels at the input of the first dense block."""
    growth_rate: int = 16
    """Channels that each layer of a dense block adds."""
    bottleneck: int = 4
    """Channels of a layer's bottleneck, as a multiple of the growth rate."""
    layers: tuple[int, int, int] = (6, 12, 8)
    """Layers of the three dense blocks."""
    segment_frames: int = 100
    """Frames of 20 ms in a segment of the context-aware masking."""
    band_means: bool = False
    """Keep the mean of each band over the window, and subtract only the mean level. The paper subtracts the mean of
    each band. That removes the microphone's frequency response, and also the long-term spectrum of the voice, which
    training without labels learns from first."""
    sample_rate: int = 16_000
    """Samples per second."""
    hop_length: int = 160
    """Samples between two frames."""
    partials: PartialsConfig = field(default_factory=lambda: PartialsConfig(partial_frames=200, partial_step=200))

    def __post_init__(self) -> None:
        check_sizes(self, (
            "n_mels", "embedding_size", "head_channels", "channels", "growth_rate", "bottleneck", "segment_frames",
            "sample_rate", "hop_length",
        ))  # fmt: skip
        if self.n_mels % 8:
            raise ConfigError(f"The encoder's n_mels is {self.n_mels}: CAM++ needs a multiple of 8.")
        if len(self.layers) != 3 or min(self.layers) < 1 or max(self.layers) > 64:
            raise ConfigError(f"The encoder's layers are {self.layers}: give three numbers from 1 to 64.")
