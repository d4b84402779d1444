"""What a speaker encoder is: its sizes and how it cuts an utterance into partials."""

from dataclasses import dataclass
from typing import Literal, get_args

from speech.errors import ConfigError

Compression = Literal["none", "log"]

PUBLIC_SPACE = "ge2e-public-256"
"""Name of the embedding space of the public SV2TTS encoder, and of whatever is distilled from it."""


@dataclass(frozen=True)
class EncoderConfig:
    """Shape of the encoder, stored whole in its model file.

    The sizes and the partials are those of the public SV2TTS encoder; changing `n_mels`, `sample_rate` or `hop_length`
    takes another mel front end too.
    """

    n_mels: int = 40
    """Mel bands."""
    hidden_size: int = 256
    """Units of an LSTM layer."""
    num_layers: int = 3
    """LSTM layers."""
    embedding_size: int = 256
    """Numbers in an embedding."""
    compression: Compression = "none"
    """What the model does to the power mels it is given: the public weights read them as they are, over ten orders of
    magnitude; "log" squashes them first and is learnt in fewer steps."""
    sample_rate: int = 16_000
    """Samples a second."""
    hop_length: int = 160
    """Samples between two frames."""
    partial_frames: int = 160
    """Frames of a partial: 1.6 s."""
    partial_step: int = 77
    """Frames between two partials: 1.3 partials a second, so that neighbours share half of their frames."""
    min_coverage: float = 0.75
    """Share of the last partial that must be sound for it to count."""

    def __post_init__(self) -> None:
        for name in ("n_mels", "hidden_size", "num_layers", "embedding_size", "sample_rate", "hop_length"):
            if getattr(self, name) < 1:
                raise ConfigError(f"The encoder's {name} is {getattr(self, name)}; it must be at least 1.")
        if self.compression not in get_args(Compression):
            raise ConfigError(f"The encoder's compression is {self.compression!r}; choose 'none' or 'log'.")
        if not 1 <= self.partial_step <= self.partial_frames:
            raise ConfigError(
                f"The encoder's partial_step is {self.partial_step}; it must lie between 1 and partial_frames "
                f"({self.partial_frames}), or parts of the utterance are never heard."
            )
        if not 0 < self.min_coverage <= 1:
            raise ConfigError(f"The encoder's min_coverage is {self.min_coverage}; it must lie above 0 and up to 1.")

    @property
    def partial_samples(self) -> int:
        """Length of a partial in samples."""
        return self.partial_frames * self.hop_length
