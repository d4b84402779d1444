"""Settings for training a refiner. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from speech.errors import ConfigError


@dataclass(frozen=True)
class RefinerFlags:
    """Training data of the refiner."""

    recordings: int = 12_000
    """Recordings to decode by teacher forcing before training, about 40 per second."""
    generated: Path | None = None
    """Feature store of these mels, filled before training and used again by a later one; by default in --run."""
    rows: int = 16
    """Crops in a batch."""
    frames: int = 160
    """Mel frames in a crop; 160 are 2 seconds."""
    reference_frames: int = 280
    """Most mel frames of the reference; 280 are 3.5 seconds."""

    def __post_init__(self) -> None:
        for name in ("recordings", "rows"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--refine.{name} must be at least 1, not {getattr(self, name)}.")
        for name in ("frames", "reference_frames"):
            value = getattr(self, name)
            if not 32 <= value <= 800 or value % 2:
                flag = name.replace("_", "-")
                raise ConfigError(f"--refine.{flag} must be an even number from 32 to 800, not {value}.")
