"""What the synthesizer and the vocoder mean by a mel spectrogram. Imports neither numpy nor scipy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from speech.errors import ConfigError

MOST = {"sample_rate": 768_000, "n_fft": 2**15, "hop_length": 2**15, "n_mels": 512}  # no sensible setting has more


@dataclass(frozen=True)
class MelConfig:
    """Settings of the log-mel front end, stored in feature stores and in the model files of synthesizer and vocoder.

    The defaults are those of public SV2TTS checkpoints.
    """

    sample_rate: int = 16_000
    """Sample rate in Hz."""
    n_fft: int = 800
    """Length of the Fourier transform in samples."""
    hop_length: int = 200
    """Samples from one frame to the next; it must divide the sample rate. 12.5 ms by default."""
    win_length: int = 800
    """Length of the Hann window in samples, at most n-fft. 50 ms by default."""
    n_mels: int = 80
    """Number of mel bands."""
    fmin: float = 55.0
    """Lower edge of the lowest band in Hz."""
    fmax: float = 7600.0
    """Upper edge of the highest band in Hz."""
    ref_level_db: float = 20.0
    """Level in dB that is subtracted before scaling."""
    min_level_db: float = -100.0
    """Level in dB below the reference that maps to -max-abs-value."""
    max_abs_value: float = 4.0
    """Half the range of the scaled values: the reference level maps to max-abs-value."""
    preemphasis: float = 0.97
    """Coefficient of the pre-emphasis filter; 0 for none."""

    def __post_init__(self) -> None:
        for name in ("sample_rate", "n_fft", "hop_length", "win_length", "n_mels", "max_abs_value"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"The mel setting {name} must be above 0, not {getattr(self, name)}.")
        for name, most in MOST.items():
            if getattr(self, name) > most:
                raise ConfigError(f"The mel setting {name} must be at most {most}, not {getattr(self, name)}.")
        if self.sample_rate % self.hop_length:
            raise ConfigError(
                f"A hop of {self.hop_length} samples does not divide {self.sample_rate} Hz: choose one that does."
            )
        if self.win_length > self.n_fft:
            raise ConfigError(f"The window ({self.win_length}) must fit into the transform ({self.n_fft} samples).")
        if not 0 <= self.fmin < self.fmax <= self.sample_rate / 2:
            raise ConfigError(
                f"Mel bands from {self.fmin} to {self.fmax} Hz do not lie between 0 and half of {self.sample_rate} Hz."
            )
        if not self.min_level_db < 0:
            raise ConfigError(f"The mel setting min_level_db must be below 0, not {self.min_level_db}.")
        if not 0 <= self.preemphasis < 1:
            raise ConfigError(f"The mel setting preemphasis must lie in [0, 1), not {self.preemphasis}.")

    @property
    def frames_per_second(self) -> int:
        return self.sample_rate // self.hop_length

    @property
    def n_frequencies(self) -> int:
        return self.n_fft // 2 + 1

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> MelConfig:
        """The settings as a store or a file holds them; the defaults for None.

        Raises:
            ConfigError: a setting is unknown or out of range.
        """
        stored = stored or {}
        unknown = sorted(set(stored) - {setting.name for setting in fields(cls)})
        if unknown:
            raise ConfigError(f"The mel settings {', '.join(unknown)} are unknown: update the program.")
        return cls(**stored)

    @classmethod
    def of_model(cls, config: Mapping[str, Any]) -> MelConfig:
        """The settings in the config of a model file's header: its entry "mel", or that of one of its parts.

        Raises:
            ConfigError: a setting is unknown or out of range.
        """
        parts = [config, *(part for part in config.values() if isinstance(part, Mapping))]
        return cls.from_json(next((part["mel"] for part in parts if isinstance(part.get("mel"), Mapping)), None))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def require_same_mel(
    a: MelConfig, b: MelConfig, what_a: str, what_b: str, advice: str = "use two that were made with the same ones"
) -> None:
    """Refuse to combine two things with different mel settings.

    Args:
        what_a, what_b: what has the settings `a` and `b`, as in a sentence ("the feature store stores/voices").
        advice: what to do.

    Raises:
        ConfigError: one sentence that names every setting that differs, with both values.
    """
    names = [setting.name for setting in fields(MelConfig) if getattr(a, setting.name) != getattr(b, setting.name)]
    if not names:
        return

    def values(config: MelConfig) -> str:
        return ", ".join(f"{name} {getattr(config, name):g}" for name in names)

    raise ConfigError(
        f"{what_a[:1].upper()}{what_a[1:]} ({values(a)}) and {what_b} ({values(b)}) have different mel settings: "
        f"{advice}."
    )
