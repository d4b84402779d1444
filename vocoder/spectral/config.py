"""Settings of a spectral vocoder."""

from dataclasses import dataclass, field

from speech.errors import ConfigError
from speech.mel import MelConfig


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
