"""Flags for training a Tacotron 1. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from tyro.conf import OmitArgPrefixes

from speech.errors import ConfigError
from synthesizer.ranges import require_range
from synthesizer.tacotron1.config import KIND, Architecture, InferenceSettings
from synthesizer.training_flags import SynthesizerFlags
from training.flags import Kind


@dataclass(frozen=True)
class Tacotron1Flags(SynthesizerFlags):
    """Train a Tacotron 1 on a feature store that `preprocess.py synthesizer` made.

    It reads letters. With --warm-start, a converted public synthesizer is fine-tuned; with --adapt too, on a folder of
    clips of one voice.
    """

    adaptation: ClassVar[Mapping[str, Any]] = {
        "run": Path("runs/adapted"),
        "steps": 400,
        "batch_frames": 4_000,
        "learning_rate": 1e-4,
        "final_learning_rate": 1e-5,
        "validate_every": 50,
        "save_every": 50,
    }

    kind: Kind = KIND
    steps: int = 100_000
    batch_frames: int = 12_800
    """Padded mel frames in a batch."""
    guided_attention: float = 0.0
    """Weight of the guided-attention loss (arXiv 1710.08969), for a store without the times of words."""
    final_learning_rate: float = 1e-5
    """Learning rate at the end."""
    architecture: OmitArgPrefixes[Architecture] = field(default_factory=Architecture)
    inference: OmitArgPrefixes[InferenceSettings] = field(default_factory=InferenceSettings)

    def __post_init__(self) -> None:
        require_range(self, "guided_attention", 0, 100, "--")

    def resolved(self) -> Self:
        if self.adapt is not None and self.warm_start is None:
            raise ConfigError("--adapt changes a finished model: name its file with --warm-start.")
        return super().resolved()
