"""Flags for training a VITS. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tyro.conf import OmitArgPrefixes

from speech.errors import ConfigError
from synthesizer.ranges import require_ranges
from synthesizer.refiner.flags import RefinerFlags
from synthesizer.training_flags import SynthesizerFlags
from synthesizer.vits.config import KIND, Architecture, InferenceSettings
from training.flags import Kind

WEIGHT = (0, 1000)
RANGES = {
    **dict.fromkeys(
        ("mel_weight", "kl_weight", "duration_weight", "adversarial_weight", "voice_weight", "content_weight"), WEIGHT
    ),
    "segment_frames": (8, 10_000),
    "discriminator_lr_scale": (0.01, 100),
    **dict.fromkeys(("discriminator_start", "discriminator_warmup_steps"), (0, 10**9)),
}
JOINT_RANGES = {
    **dict.fromkeys(("noisy_share", "reference_noise"), (0, 1)),
    **dict.fromkeys(("dino_weight", "consistency_weight"), WEIGHT),
    "short_crops": (0, 16),
    "prototypes": (1, 2**20),
}
DISCRIMINATOR_RANGES = {"period_channels": (1, 4096), "scale_channels": (4, 4096), "resolution_channels": (1, 4096)}


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
    resolutions: tuple[int, ...] = ()
    """Window lengths of multi-resolution discriminators, which the paper does not have, in samples."""
    resolution_channels: int = 16
    """Channels of their first layers; the last ones have twice as many."""

    def __post_init__(self) -> None:
        if not self.periods and not self.scales and not self.resolutions:
            raise ConfigError(
                "Training needs a discriminator: give --disc.periods, --disc.scales or --disc.resolutions."
            )
        if any(not 64 <= value <= 4096 or value % 4 for value in self.resolutions):
            raise ConfigError("--disc.resolutions must lie between 64 and 4096, divisible by 4.")
        if any(not 1 <= value <= 64 for value in (*self.periods, *self.scales)):
            raise ConfigError("--disc.periods and --disc.scales must lie between 1 and 64.")
        require_ranges(self, DISCRIMINATOR_RANGES, "--disc.")
        if self.scale_channels % 4:
            raise ConfigError("--disc.scale-channels must be a multiple of 4.")


@dataclass(frozen=True)
class JointFlags:
    """Settings of --dino, which trains the speaker encoder too."""

    encoder: Path | None = None
    """Model file of an encoder to start from, of any family, instead of a CAM++ with random weights."""
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
        require_ranges(self, JOINT_RANGES, "--joint.")
        if not -30 <= self.snr[0] <= self.snr[1] <= 60:
            raise ConfigError("--joint.snr must be the lowest and the highest ratio, from -30 to 60 dB.")
        if not 0.3 <= self.short_seconds <= self.long_seconds <= 20:
            raise ConfigError(
                "--joint.short-seconds and --joint.long-seconds must lie in [0.3, 20], the long one last."
            )


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
    kl_weight: float = 3.0
    """Weight of the divergence between posterior and prior, a mean over frames and channels. With 20, which has about
    the balance of the paper, a short training left almost nothing in the latent variable."""
    duration_weight: float = 1.0
    """Weight of the error of the log durations."""
    voice_weight: float = 0.0
    """Weight of the speaker-consistency loss: recordings of a batch in the voices of others, measured by --encoder.
    Needs a spectral decoder."""
    content_weight: float = 0.0
    """Weight of the distance of the units of these conversions from those of the recordings."""
    unit_encoder: Path | None = None
    """Unit file of the store, for --content-weight and --refine.phone-weight."""
    adversarial_weight: float = 0.5
    """Norm of the discriminators' gradient at the audio, relative to that of the mel distance."""
    discriminator_start: int = 0
    """First step in which the discriminators learn. The steps before it are faster. With a spectral decoder, they
    generate no audio and train its mel only."""
    discriminator_warmup_steps: int = 2_000
    """Steps in which the discriminators learn without an effect; then their weight rises for as long."""
    discriminator_lr_scale: float = 1.0
    """Learning rate of the discriminators, relative to that of the network."""
    vocoder: Path | None = None
    """Spectral vocoder to start from. The decoder is then "spectral", of the vocoder's sizes."""
    refiner: bool = False
    """Train the refiner of the finished model of --warm-start on conversions: it makes mels sharp and gives them the
    voice of a reference; the rest is not changed."""
    refine: RefinerFlags = field(default_factory=RefinerFlags)
    dino: bool = False
    """Train a speaker encoder in the same run, robust to noise (DINO-VITS). It is saved beside the model."""
    joint: JointFlags = field(default_factory=JointFlags)
    disc: DiscriminatorFlags = field(default_factory=DiscriminatorFlags)
    architecture: OmitArgPrefixes[Architecture] = field(default_factory=Architecture)
    inference: OmitArgPrefixes[InferenceSettings] = field(default_factory=InferenceSettings)

    def __post_init__(self) -> None:
        require_ranges(self, RANGES, "--")
        if self.dino and (self.voice_weight or self.content_weight):
            raise ConfigError(
                "--dino has a loss of the voice of its own: leave --voice-weight and --content-weight out."
            )
        if (self.content_weight or self.refine.phone_weight) and self.unit_encoder is None:
            name = "content-weight" if self.content_weight else "refine.phone-weight"
            raise ConfigError(f"--{name} needs the unit file of the store: give --unit-encoder.")
        if self.refiner and self.dino:
            raise ConfigError("--refiner and --dino exclude each other: do one, then the other.")
        if self.vocoder is not None and self.warm_start is not None:
            raise ConfigError("Give --vocoder or --warm-start, not both: a VITS to start from has a decoder.")

    def resolved(self) -> Self:
        if self.adapt is not None:
            raise ConfigError(
                "A VITS has no --adapt: prepare a store of the voice with --keep-audio, and give it with --warm-start."
            )
        return super().resolved()
