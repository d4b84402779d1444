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
class JointFlags:
    """Settings of --dino, which trains a CAM++ speaker encoder too."""

    encoder: Path | None = None
    """CAM++ model file to start from instead of random weights."""
    noisy_share: float = 0.35
    """Fraction of the recordings that get noise, as targets and as references."""
    reference_noise: float = 0.35
    """Probability that a reference crop gets noise of its own."""
    snr: tuple[float, float] = (0.0, 20.0)
    """Signal-to-noise ratio in dB, lowest and highest."""
    long_seconds: float = 2.0
    """Length of a long reference crop. The first one gives the speaker embedding."""
    short_seconds: float = 1.0
    """Length of a short reference crop, for the DINO loss."""
    short_crops: int = 2
    """Short crops of a recording."""
    prototypes: int = 1024
    """Outputs of the projection head."""
    momentum: tuple[float, float] = (0.996, 1.0)
    """Momentum of the teacher's weights at the start and at the end. Short trainings need less, such as 0.98."""
    dino_weight: float = 1.0
    """Weight of the DINO loss."""
    consistency_weight: float = 1.0
    """Weight of the distance between the clone's embedding and that of the clean recording, by the teacher."""

    def __post_init__(self) -> None:
        if not (0 <= self.noisy_share <= 1 and 0 <= self.reference_noise <= 1):
            raise ConfigError("--joint.noisy-share and --joint.reference-noise must lie in [0, 1].")
        if not -30 <= self.snr[0] <= self.snr[1] <= 60:
            raise ConfigError("--joint.snr must be the lowest and the highest ratio, from -30 to 60 dB.")
        if not 0.3 <= self.short_seconds <= self.long_seconds <= 20:
            raise ConfigError(
                "--joint.short-seconds and --joint.long-seconds must lie in [0.3, 20], the long one last."
            )
        if not 0 <= self.short_crops <= 16 or self.prototypes < 1:
            raise ConfigError("--joint.short-crops must lie in [0, 16], and --joint.prototypes be at least 1.")
        if not (0 <= self.dino_weight <= 1000 and 0 <= self.consistency_weight <= 1000):
            raise ConfigError("--joint.dino-weight and --joint.consistency-weight must lie in [0, 1000].")


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
    dino: bool = False
    """Train a CAM++ speaker encoder in the same run, robust to noise (DINO-VITS). It is saved beside the model."""
    joint: JointFlags = field(default_factory=JointFlags)
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
