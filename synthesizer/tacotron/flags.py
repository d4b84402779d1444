"""Flags for training a Tacotron 2. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from tyro.conf import OmitArgPrefixes

from modelfile.locations import DEFAULT_MODELS
from speech.errors import ConfigError
from synthesizer.refiner.flags import RefinerFlags
from synthesizer.tacotron.config import KIND, Architecture, InferenceSettings, TrainingSettings
from synthesizer.tacotron.postfilter_flags import PostfilterFlags
from synthesizer.training_flags import SynthesizerFlags
from training.flags import Kind


@dataclass(frozen=True)
class TacotronFlags(SynthesizerFlags):
    """Train the synthesizer on a feature store that `preprocess.py synthesizer` made.

    Attention is learnt when free_aligned in the log comes near 1, with the default attention after a few thousand
    steps. The audio then gets clearer for as long as validation_mel falls.
    """

    # A short training with a low learning rate, so that the model keeps what it has learnt.
    adaptation: ClassVar[Mapping[str, Any]] = {
        "run": Path("runs/adapted"),
        "warm_start": DEFAULT_MODELS / "synthesizer.safetensors",
        "steps": 400,
        "batch_frames": 4_000,
        "learning_rate": 2e-4,
        "final_learning_rate": 2e-5,
        "validate_every": 50,
        "save_every": 50,
        "voice_loss": 1.0,
    }
    former_names: ClassVar[Mapping[str, str]] = {
        "melody-size": "pitch-predictor-size",
        "melody-emphasis": "pitch-predictor-emphasis",
    }

    kind: Kind = KIND
    steps: int = 60_000
    batch_frames: int = 12_800
    """Padded mel frames in a batch."""
    reduction_schedule: tuple[str, ...] = ("0:4",)
    """Mel frames per decoder step, with the first step of each: 0:4 20000:3 starts with 4 and has 3 from step 20000."""
    phoneme_probability: float = 0.85
    """Probability that a word with a known pronunciation is encoded as phonemes, not as letters."""
    guided_attention: float = 0.0
    """Weight of the guided-attention loss; use 1 or more with --attention location-sensitive."""
    postfilter: bool = False
    """Train the postfilter of the finished model of --warm-start, which restores harmonics; the rest is not changed."""
    post: PostfilterFlags = field(default_factory=PostfilterFlags)
    refiner: bool = False
    """Train the refiner of the finished model of --warm-start, which makes mels sharp; the rest is not changed."""
    refine: RefinerFlags = field(default_factory=RefinerFlags)
    phone_classifier: bool = False
    """Train the phone classifier of the finished model of --warm-start, which chooses the clearest of several decodings
    of a sentence; the rest is not changed. Its data are those of --refine."""
    voice_loss: float = 0.0
    """Weight of the speaker-consistency loss with teacher forcing."""
    free_voice_loss: float = 0.0
    """Weight of the speaker-consistency loss in free running, for new voices. Use it on a model that aligns."""
    final_learning_rate: float = 1e-5
    """Learning rate at the end."""
    architecture: OmitArgPrefixes[Architecture] = field(default_factory=Architecture)
    training: OmitArgPrefixes[TrainingSettings] = field(default_factory=TrainingSettings)
    inference: OmitArgPrefixes[InferenceSettings] = field(default_factory=InferenceSettings)

    def resolved(self) -> Self:
        parts = ("adapt", "postfilter", "refiner", "phone_classifier")
        given = [f"--{name.replace('_', '-')}" for name in parts if getattr(self, name)]
        if len(given) > 1:
            raise ConfigError(
                f"{given[0]} and {given[1]} exclude each other: do one, then the other from its best.safetensors."
            )
        return super().resolved()
