"""Settings for training a refiner. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from speech.errors import ConfigError


@dataclass(frozen=True)
class RefinerFlags:
    """Training data of the refiner."""

    recordings: int = 12_000
    """Recordings that the synthesizer decodes or converts before training, 10 to 20 per second."""
    generated: Path | None = None
    """Feature store of these mels, filled before training and used again by a later one; by default in --run."""
    start: Path | None = None
    """For a VITS: synthesizer of any family whose refiner and phone classifier to start from, instead of those of
    --warm-start."""
    rows: int = 16
    """Crops in a batch."""
    frames: int = 160
    """Mel frames in a crop; 160 are 2 seconds."""
    reference_frames: int = 280
    """Most mel frames of the reference; 280 are 3.5 seconds."""
    reference_noise: float = 0.0
    """Probability of noise or babble in a reference, at 0 to 20 dB, so that a voice can come from a noisy recording."""
    adversarial: bool = False
    """Train the refiner of --warm-start against discriminators, for sampling in one step."""
    adversarial_weight: float = 1.0
    """Norm of the adversarial gradient relative to that of the L1 distance."""
    phone_weight: float = 0.0
    """Norm of the gradient of a loss of the words, relative to that of the L1 distance: of the phone classifier, if a
    Tacotron 2 has one; for a VITS the distance of the units by --unit-encoder."""
    voice_weight: float = 0.0
    """Norm of the gradient of the voice distance, measured by the encoder of --encoder, relative to that of the losses
    above."""
    exchanged_weight: float = 0.0
    """Norm of the gradient of refined mels in the voice of another crop of the batch, relative to that of the L1
    distance. There is no recording of them: the discriminators decide on voice and sound, and --refine.phone-weight on
    the words."""
    discriminator_lr_scale: float = 2.0
    """Learning rate of the discriminators relative to --learning-rate."""
    discriminator_warmup_steps: int = 200
    """Steps in which only the discriminators are trained adversarially; then the weight rises for as many."""

    def __post_init__(self) -> None:
        for name in ("recordings", "rows"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--refine.{name} must be at least 1, not {getattr(self, name)}.")
        for name in ("frames", "reference_frames"):
            value = getattr(self, name)
            if not 32 <= value <= 800 or value % 2:
                flag = name.replace("_", "-")
                raise ConfigError(f"--refine.{flag} must be an even number from 32 to 800, not {value}.")
        if not 0 <= self.reference_noise <= 1:
            raise ConfigError(f"--refine.reference-noise must lie in [0, 1], not {self.reference_noise}.")
        if not 0 < self.discriminator_lr_scale <= 100:
            raise ConfigError(
                f"--refine.discriminator-lr-scale must lie in (0, 100], not {self.discriminator_lr_scale}."
            )
        if self.exchanged_weight and not self.adversarial:
            raise ConfigError("--refine.exchanged-weight needs --refine.adversarial.")
        for name in ("phone_weight", "voice_weight", "exchanged_weight"):
            if not 0 <= getattr(self, name) <= 10:
                raise ConfigError(f"--refine.{name.replace('_', '-')} must lie in [0, 10].")
        if not 0 <= self.adversarial_weight <= 10 or self.discriminator_warmup_steps < 0:
            raise ConfigError(
                "--refine.adversarial-weight must lie in [0, 10], and --refine.discriminator-warmup-steps must be 0 "
                "or more."
            )
