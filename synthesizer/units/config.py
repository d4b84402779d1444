"""Settings of unit encoders, stored in their model files. Imports no PyTorch."""

from dataclasses import dataclass, field

from speech.errors import ConfigError

SAMPLE_RATE = 16_000
HOP = 320  # samples per frame: 50 frames per second
N_MELS = 40  # of the mels at twice the frame rate
INPUT_SIZE = 2 * N_MELS
PHONES = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH", "K",
    "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip
"""Phones of English in the notation of CMUdict, without stress."""


@dataclass(frozen=True)
class NetworkConfig:
    """A transformer encoder as of HuBERT (Hsu et al. 2021, arXiv 2106.07447), much smaller and on mels.

    Attributes:
        width, layers, heads, feed_forward: of the transformer.
        position_kernel: frames of the convolution that encodes positions; odd.
        dropout: while training.
    """

    width: int = 192
    layers: int = 4
    heads: int = 4
    feed_forward: int = 768
    position_kernel: int = 31
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if min(self.width, self.layers, self.heads, self.feed_forward, self.position_kernel) < 1:
            raise ConfigError("The sizes of a unit encoder must be 1 or more.")
        if self.width % self.heads or self.position_kernel % 2 == 0:
            raise ConfigError("width must be a multiple of heads, and position_kernel odd.")
        if not 0 <= self.dropout < 1:
            raise ConfigError("dropout must be in [0, 1).")


@dataclass(frozen=True)
class UnitConfig:
    """Features and their number of clusters.

    Attributes:
        units: number of clusters (k-means).
        layer: whose output is clustered, from 1; 0 is the last one. MFCC have no layers.
        network: of the family "network"; other families do not use it.
    """

    units: int = 100
    layer: int = 0
    network: NetworkConfig = field(default_factory=NetworkConfig)

    def __post_init__(self) -> None:
        if not 2 <= self.units <= 10_000:
            raise ConfigError(f"units must lie between 2 and 10,000, not {self.units}.")
        if self.layer < 0:
            raise ConfigError(f"layer must be 0 or more, not {self.layer}.")


@dataclass(frozen=True)
class MaskConfig:
    """Spans of frames that are hidden from the network while it predicts their labels (arXiv 2106.07447, section 4.2).

    Attributes:
        probability: that a span starts at a frame.
        frames: length of a span; spans may overlap.
    """

    probability: float = 0.08
    frames: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.probability < 1 or self.frames < 1:
            raise ConfigError("The probability of a mask must be in (0, 1), and its frames 1 or more.")
