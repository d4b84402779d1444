"""Settings of a postfilter's training."""

from dataclasses import dataclass

from speech.errors import ConfigError


@dataclass(frozen=True)
class PostfilterConfig:
    """How much the finished synthesizer reads to learn from, and how that is cut up."""

    recordings: int = 3000
    """Recordings that the synthesizer reads along, at the beginning; they are kept in memory, 0.1 MB a second."""
    rows: int = 24
    """Crops in a batch."""
    frames: int = 128
    """Mel frames of a crop; 128 are 1.6 seconds."""

    def __post_init__(self) -> None:
        for name in ("recordings", "rows"):
            if getattr(self, name) < 1:
                raise ConfigError(f"The postfilter's training needs {name} of at least 1, not {getattr(self, name)}.")
        if not 16 <= self.frames <= 800:
            raise ConfigError(f"The postfilter's crops must have 16 to 800 frames, not {self.frames}.")
