"""Settings for training a postfilter."""

from dataclasses import dataclass

from speech.errors import ConfigError


@dataclass(frozen=True)
class PostfilterFlags:
    """Training data of the postfilter."""

    recordings: int = 3000
    """Recordings to decode by teacher forcing before training; they take 0.1 MB of memory per second."""
    rows: int = 24
    """Crops in a batch."""
    frames: int = 128
    """Mel frames in a crop; 128 are 1.6 seconds."""

    def __post_init__(self) -> None:
        for name in ("recordings", "rows"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--post.{name} must be at least 1, not {getattr(self, name)}.")
        if not 16 <= self.frames <= 800:
            raise ConfigError(f"--post.frames must lie between 16 and 800, not {self.frames}.")
