"""A few seconds of a speaker as a coded mel spectrogram: kept with a voice, for synthesizers that use a reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech.errors import ConfigError
from speech.mel_config import MelConfig

SECONDS = 3.5
LEAST_SECONDS = 1.0


@dataclass(frozen=True, eq=False)
class ReferenceMel:
    """The part of a recording that has the most speech.

    Attributes:
        coded: uint8 [frames, n_mels], see `speech.mel.code_mel`.
        config: mel settings.

    Raises:
        ConfigError: the shape or the type does not fit, or it is longer than `SECONDS`.
    """

    coded: NDArray[np.uint8]
    config: MelConfig

    def __post_init__(self) -> None:
        most = round(SECONDS * self.config.frames_per_second)
        coded = np.array(self.coded)
        if coded.dtype != np.uint8 or coded.ndim != 2 or coded.shape[1] != self.config.n_mels or len(coded) > most:
            raise ConfigError(
                f"A reference mel must be uint8 with up to {most} frames of {self.config.n_mels} bands, "
                f"not {coded.dtype} of shape {coded.shape}."
            )
        coded.setflags(write=False)
        object.__setattr__(self, "coded", coded)

    @classmethod
    def of_recording(cls, wav: NDArray[np.floating], config: MelConfig | None = None) -> ReferenceMel | None:
        """The reference of a recording; None if it is silent or shorter than `LEAST_SECONDS`.

        Args:
            wav: float32 [samples] at 16 kHz; of a long one the first minute of speech is searched.
        """
        from speech.audio import SAMPLE_RATE, remove_offset, resample
        from speech.mel import code_mel, synthesis_mel
        from speech.mel_f0 import PEAK, first_minute_of_speech

        config = config or MelConfig()
        wav = remove_offset(np.asarray(wav, np.float32), SAMPLE_RATE)
        wav = first_minute_of_speech(resample(wav, SAMPLE_RATE, config.sample_rate), config.sample_rate)
        peak = float(np.abs(wav).max(initial=0))
        if len(wav) < LEAST_SECONDS * config.sample_rate or peak < 1e-4:
            return None
        mel = synthesis_mel((PEAK / peak * wav).astype(np.float32), config)
        length = min(mel.shape[1], round(SECONDS * config.frames_per_second))
        energy = np.concatenate(([0.0], np.cumsum(mel.mean(0), dtype=np.float64)))
        start = int(np.argmax(energy[length:] - energy[:-length]))
        return cls(code_mel(mel[:, start : start + length].T, config.max_abs_value), config)

    @property
    def mel(self) -> NDArray[np.float32]:
        """float32 [n_mels, frames], dB scaled to [-max_abs_value, max_abs_value]."""
        from speech.mel import decode_mel

        return decode_mel(self.coded, self.config.max_abs_value).T
