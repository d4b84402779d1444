"""Settings of a spectral vocoder and of its training against discriminators."""

from dataclasses import dataclass, field

from speech.errors import ConfigError
from speech.mel_config import MelConfig

SHORTEST_JUDGED = 1024  # samples that every discriminator can judge


@dataclass(frozen=True)
class SpectralConfig:
    """Shape of the generator: ConvNeXt blocks at frame rate, as in Vocos (Siuzdak 2023, arXiv 2306.00814)."""

    channels: int = 320
    """Width of the residual stream."""
    hidden: int = 960
    """Width inside a block."""
    blocks: int = 8
    """Blocks, one after the other."""
    kernel: int = 7
    """Frames that a block sees at once; odd."""
    mel: MelConfig = field(default_factory=MelConfig)
    """What a mel is for this model; its n_fft and hop are also those of the spectrum that is made."""

    def __post_init__(self) -> None:
        for name, most in (("channels", 4096), ("hidden", 16384), ("blocks", 64)):
            if not 1 <= getattr(self, name) <= most:
                raise ConfigError(f"The spectral vocoder's {name} is {getattr(self, name)}: it must be 1 to {most}.")
        if not 1 <= self.kernel <= 31 or self.kernel % 2 == 0:
            raise ConfigError(f"The spectral vocoder's kernel is {self.kernel}: it must be odd, from 1 to 31.")
        if self.mel.n_fft % self.mel.hop_length or self.mel.n_fft < 2 * self.mel.hop_length:
            raise ConfigError(
                f"A spectral vocoder needs a transform of two or more hops, which {self.mel.n_fft} samples are not "
                f"for a hop of {self.mel.hop_length}."
            )

    @property
    def hop_length(self) -> int:
        return self.mel.hop_length

    @property
    def reach(self) -> int:
        """Frames on either side that a frame of the spectrum depends on."""
        return (self.blocks + 1) * (self.kernel // 2)

    @property
    def overlap(self) -> int:
        """Frames after a frame whose spectra reach into its samples: half a window, in whole frames."""
        return -(-self.mel.n_fft // (2 * self.mel.hop_length))

    @property
    def lookahead(self) -> int:
        """Frames of mel after a frame that its samples depend on."""
        return self.reach + self.overlap


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Sizes of the discriminators."""

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    """Samples from one that a discriminator looks at to the next; primes overlap least."""
    period_channels: int = 32
    """Width of the first layer of a period's discriminator; it doubles up to four times that."""
    resolutions: tuple[int, ...] = (256, 512, 1024)
    """Samples of a window of each spectrogram that is judged, a quarter of it each hop."""
    resolution_channels: int = 16
    """Width of the first layers of a spectrogram's discriminator; the later ones are twice as wide."""

    def __post_init__(self) -> None:
        for name in ("period_channels", "resolution_channels"):
            if not 1 <= getattr(self, name) <= 1024:
                raise ConfigError(f"The discriminators' {name} is {getattr(self, name)}: it must be 1 to 1024.")
        for name, least, most in (("periods", 1, 32), ("resolutions", 64, SHORTEST_JUDGED)):
            values = getattr(self, name)
            if len(set(values)) != len(values) or len(values) > 16 or not all(least <= v <= most for v in values):
                raise ConfigError(
                    f"The discriminators' {name} are {values}: they must be different, from {least} to {most}."
                )
        if not self.periods and not self.resolutions:
            raise ConfigError("There must be a discriminator: give periods or resolutions.")
        if any(size % 4 for size in self.resolutions):
            raise ConfigError(f"The discriminators' resolutions are {self.resolutions}: they must be divisible by 4.")


@dataclass(frozen=True)
class AdversarialConfig:
    """How the discriminators take part in the training of a generator."""

    adversarial_share: float = 0.5
    """Length of the discriminators' gradient at the generator's output, in units of that of the spectral losses."""
    discriminators_alone: int = 200
    """Steps for which the discriminators only learn; over as many again their share rises to the whole."""
    discriminators_rate: float = 1.5
    """Learning rate of the discriminators, in units of the generator's."""
    judged_frames: int = 24
    """Mel frames of each crop, from a random place in it, that the discriminators hear."""

    def __post_init__(self) -> None:
        for name in ("adversarial_share", "discriminators_rate"):
            if not 0 < getattr(self, name) <= 100:
                raise ConfigError(f"The {name} is {getattr(self, name)}: it must be above 0, at most 100.")
        if self.discriminators_alone < 0:
            raise ConfigError(f"The discriminators are alone for {self.discriminators_alone} steps: give 0 or more.")
