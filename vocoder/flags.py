"""Flags that all trained vocoder families share. Imports no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from training.flags import TrainingFlags


@dataclass(frozen=True)
class VocoderFlags(TrainingFlags):
    """Base of a vocoder family's training flags. Add `kind`, `model` (the family's config) and what else it needs."""

    run: Path = Path("runs/vocoder")
    steps: int = 12_000
    validate_every: int = 1000
    start_from: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """Model file to start from: to train it further, to adapt it to one voice, or to prune it. Its config is used,
    except for settings that a flag changes."""
    batch_size: int = 16
    """Crops in a batch."""
    frames: int = 6
    """Mel frames in a crop."""
