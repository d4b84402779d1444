"""Flags for training a VITS. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tyro.conf import OmitArgPrefixes

from speech.errors import ConfigError
from synthesizer.training_flags import SynthesizerFlags
from synthesizer.vits.config import KIND, Architecture, InferenceSettings
from training.flags import Kind


@dataclass(frozen=True)
class DiscriminatorFlags:
    """Sizes of the discriminators, which only training needs."""

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    """Periods of the multi-period discriminators."""
    period_channels: int = 16
    """Channels of their first layer."""
    scales: tuple[int, ...] = (1, 2)
    """Samples that a multi-scale discriminator averages first."""
    scale_channels: int = 16
    """Channels of its first layer, a multiple of 4."""

    def __post_init__(self) -> None:
        if not self.periods and not self.scales:
            raise ConfigError("Training needs a discriminator: give --disc.periods or --disc.scales.")
        if any(not 1 <= value <= 64 for value in (*self.periods, *self.scales)):
            raise ConfigError("--disc.periods and --disc.scales must lie between 1 and 64.")
        if self.period_channels < 1 or self.scale_channels < 4 or self.scale_channels % 4:
            raise ConfigError("--disc.period-channels must be at least 1, --disc.scale-channels a multiple of 4.")


@dataclass(frozen=True)
class VitsFlags(SynthesizerFlags):
    """Train a VITS on a feature store that `preprocess.py synthesizer --keep-audio` made.

    It generates audio itself, so its model file needs no vocoder. With --warm-start a finished model is fine-tuned.
    """

    kind: Kind = KIND
    run: Path = Path("runs/vits")
    steps: int = 200_000
    batch_frames: int = 3_200
    """Padded mel frames in a batch."""
    segment_frames: int = 32
    """Mel frames of each recording that the decoder generates in a step."""
    learning_rate: float = 2e-4
    final_learning_rate: float = 2e-5
    """Learning rate at the end."""
    mel_weight: float = 15.0
    """Weight of the L1 distance of the mels in [-4, 4]."""
    kl_weight: float = 1.0
    """Weight of the divergence between posterior and prior."""
    duration_weight: float = 1.0
    """Weight of the error of the log durations."""
    adversarial_weight: float = 0.5
    """Norm of the discriminators' gradient at the audio, relative to that of the mel distance."""
    discriminator_warmup_steps: int = 2_000
    """Steps in which the discriminators learn without an effect; then their weight rises for as long."""
    disc: DiscriminatorFlags = field(default_factory=DiscriminatorFlags)
    architecture: OmitArgPrefixes[Architecture] = field(default_factory=Architecture)
    inference: OmitArgPrefixes[InferenceSettings] = field(default_factory=InferenceSettings)

    def __post_init__(self) -> None:
        for name in ("mel_weight", "kl_weight", "duration_weight", "adversarial_weight"):
            if not 0 <= getattr(self, name) <= 1000:
                raise ConfigError(f"--{name.replace('_', '-')} must lie in [0, 1000].")
        if self.segment_frames < 8:
            raise ConfigError("--segment-frames must be at least 8.")
        if self.discriminator_warmup_steps < 0:
            raise ConfigError("--discriminator-warmup-steps must be 0 or more.")

    def resolved(self) -> Self:
        if self.adapt is not None:
            raise ConfigError(
                "A VITS has no --adapt: prepare a store of the voice with --keep-audio, and give it with --warm-start."
            )
        return super().resolved()
