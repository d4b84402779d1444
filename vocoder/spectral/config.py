"""Architecture of a spectral vocoder, and settings of its adversarial training. Imports no torch."""

from dataclasses import dataclass, field

from speech.errors import ConfigError
from speech.mel_config import MelConfig

MIN_DISCRIMINATED = 1024  # samples that the discriminators need at least


@dataclass(frozen=True)
class SpectralConfig:
    """Architecture of the generator: ConvNeXt blocks at frame rate, as in Vocos (Siuzdak 2023, arXiv 2306.00814)."""

    channels: int = 320
    """Width of the residual stream."""
    hidden: int = 960
    """Hidden width of a block."""
    blocks: int = 8
    """Number of blocks."""
    kernel: int = 7
    """Kernel size of the convolutions over frames; odd."""
    mel: MelConfig = field(default_factory=MelConfig)
    """Mel settings of the input. A new model takes them from the feature store unless they are given. Its n_fft and hop
    are also those of the generated spectrum."""

    def __post_init__(self) -> None:
        for name, most in (("channels", 4096), ("hidden", 16384), ("blocks", 64)):
            if not 1 <= getattr(self, name) <= most:
                raise ConfigError(f"The spectral vocoder's {name} is {getattr(self, name)}: it must be 1 to {most}.")
        if not 1 <= self.kernel <= 31 or self.kernel % 2 == 0:
            raise ConfigError(f"The spectral vocoder's kernel is {self.kernel}: it must be odd, from 1 to 31.")
        if self.mel.n_fft % self.mel.hop_length or self.mel.n_fft < 2 * self.mel.hop_length:
            raise ConfigError(
                f"A spectral vocoder needs an n_fft that is a multiple of the hop, and at least two hops: "
                f"{self.mel.n_fft} does not fit a hop of {self.mel.hop_length}."
            )

    @property
    def hop_length(self) -> int:
        return self.mel.hop_length

    @property
    def reach(self) -> int:
        """Receptive field: mel frames on either side that a frame of the spectrum depends on."""
        return (self.blocks + 1) * (self.kernel // 2)

    @property
    def overlap(self) -> int:
        """Later frames whose windows overlap a frame's samples: half a window, in whole frames."""
        return -(-self.mel.n_fft // (2 * self.mel.hop_length))

    @property
    def lookahead(self) -> int:
        """Later mel frames that a frame's samples depend on."""
        return self.reach + self.overlap


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Architecture of the discriminators."""

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    """Periods of the multi-period discriminators, in samples; primes overlap least."""
    period_channels: int = 32
    """Channels of the first layer of a period discriminator; the last ones have four times as many."""
    resolutions: tuple[int, ...] = (256, 512, 1024)
    """Window lengths of the multi-resolution discriminators, in samples; the hop is a quarter of that."""
    resolution_channels: int = 16
    """Channels of the first layers of a resolution discriminator; the last ones have twice as many."""

    def __post_init__(self) -> None:
        for name in ("period_channels", "resolution_channels"):
            if not 1 <= getattr(self, name) <= 1024:
                raise ConfigError(f"The discriminators' {name} is {getattr(self, name)}: it must be 1 to 1024.")
        for name, least, most in (("periods", 1, 32), ("resolutions", 64, MIN_DISCRIMINATED)):
            values = getattr(self, name)
            if len(set(values)) != len(values) or len(values) > 16 or not all(least <= v <= most for v in values):
                raise ConfigError(
                    f"The discriminators' {name} are {values}: give different numbers from {least} to {most}."
                )
        if not self.periods and not self.resolutions:
            raise ConfigError("There is no discriminator: give periods or resolutions.")
        if any(size % 4 for size in self.resolutions):
            raise ConfigError(f"The discriminators' resolutions are {self.resolutions}: they must be divisible by 4.")


@dataclass(frozen=True)
class AdversarialConfig:
    """How a generator is trained against discriminators."""

    adversarial_weight: float = 0.5
    """Norm of the adversarial gradient at the generator's output, relative to that of the spectral losses."""
    discriminator_warmup_steps: int = 200
    """Steps without an adversarial gradient. Over as many more it rises to its full norm."""
    discriminator_lr_scale: float = 1.5
    """Learning rate of the discriminators, relative to the generator's."""
    discriminator_frames: int = 24
    """Mel frames of each crop that the discriminators process, at a random position."""

    def __post_init__(self) -> None:
        for name in ("adversarial_weight", "discriminator_lr_scale"):
            if not 0 < getattr(self, name) <= 100:
                raise ConfigError(f"The {name} is {getattr(self, name)}: it must be above 0, at most 100.")
        if self.discriminator_warmup_steps < 0:
            raise ConfigError(
                f"A discriminator warm-up of {self.discriminator_warmup_steps} steps is out of range: give 0 or more."
            )
