"""Architecture of the detector, and where its default file is. Imports no PyTorch."""

from dataclasses import dataclass

from modelfile.locations import DEFAULT_MODELS
from speech.errors import ConfigError

DEFAULT_DETECTOR = DEFAULT_MODELS / "detector.safetensors"


@dataclass(frozen=True)
class DetectorConfig:
    """Architecture, stored in every model file.

    Attributes:
        windows: sizes in samples of the spectrograms' windows; each has its own convolutions. The hop is a half.
        channels: of the convolutions; each halves time and frequency.
        hidden: size of the layer before the score.
        highest_hz: frequencies above are not used, because many recordings have none.
        floor_db: power that is added to the spectrograms, relative to the level of the clip. It hides digital silence.
        sample_rate: in Hz.
    """

    windows: tuple[int, ...] = (512, 128)
    channels: tuple[int, ...] = (12, 24, 40, 56)
    hidden: int = 64
    highest_hz: float = 7000.0
    floor_db: float = -60.0
    sample_rate: int = 16_000

    def __post_init__(self) -> None:
        if not self.windows or min(self.windows) < 64 or any(size % 4 for size in self.windows):
            raise ConfigError("windows must be multiples of 4 of at least 64 samples.")
        if not self.channels or min(self.channels) < 1 or self.hidden < 1:
            raise ConfigError("channels and hidden must be 1 or more.")
        if not 0 < self.highest_hz <= self.sample_rate / 2:
            raise ConfigError(f"highest_hz must be above 0 and at most {self.sample_rate / 2:g}.")
        if not -120 <= self.floor_db <= 0:
            raise ConfigError("floor_db must lie between -120 and 0.")
        if min(self.bins(size) for size in self.windows) < 2 ** len(self.channels):
            raise ConfigError("The smallest window has too few frequencies for so many convolutions.")

    def bins(self, window: int) -> int:
        """Frequencies of a spectrogram that are used, without the constant one."""
        return int(self.highest_hz * window / self.sample_rate)
