"""Waveforms as the stages take them, and the features that a store holds of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preparation.task import Refused
from speech.errors import AudioError

if TYPE_CHECKING:
    import numpy as np

    from speech.mel_config import MelConfig

MIN_PREPARED_SAMPLES = 1600  # at 16 kHz; the speaker encoder needs as many samples of speech


def trimmed(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """Without silence at the ends and with a peak of 0.9, as synthesizer and vocoder take it.

    Raises:
        Refused: the clip is silent.
    """
    from speech.audio import normalize_peak
    from speech.vad import trim_edges

    wav = trim_edges(wav, sample_rate)
    if not len(wav):
        raise Refused("silent")
    return normalize_peak(wav)


def encoder_ready(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """At 16 kHz, without long silences and with raised volume, as the speaker encoder takes it.

    Raises:
        Refused: the clip holds no speech.
    """
    from speech.audio import SAMPLE_RATE, resample
    from speech.vad import prepare_reference

    try:
        wav = prepare_reference(resample(wav, sample_rate, SAMPLE_RATE))
    except AudioError as error:
        raise Refused(f"no speech ({error})") from error
    if len(wav) < MIN_PREPARED_SAMPLES:
        raise Refused("no speech (less than 0.1 s of it)")
    return wav


def stored_encoder_mel(wav: np.ndarray, n_mels: int) -> np.ndarray:
    """Power mels as the store of the speaker encoder holds them: float16 [frames, n_mels]. Args: wav: at 16 kHz."""
    from preparation.float16 import to_float16
    from speech.mel import encoder_mel

    return to_float16(encoder_mel(wav, n_mels=n_mels))


def stored_mel(wav: np.ndarray, config: MelConfig) -> np.ndarray:
    """The log mel of a trimmed clip as the stores of synthesizer and vocoder hold it: uint8 [frames, n_mels]."""
    import numpy as np

    from speech.mel import code_mel, synthesis_mel

    return np.ascontiguousarray(code_mel(synthesis_mel(wav, config), config.max_abs_value).T)


def stored_samples(wav: np.ndarray, frames: int, config: MelConfig) -> np.ndarray:
    """A trimmed clip as stores hold it: int16 [frames * hop]. Sample k belongs to frame k // hop; zeros at the end."""
    import numpy as np

    from speech.audio import INT16_SCALE

    samples = np.zeros(frames * config.hop_length, np.int16)
    count = min(len(samples), len(wav))
    samples[:count] = np.rint(wav[:count] * INT16_SCALE)
    return samples
