"""The check of a mel that all vocoders share."""

import math

import numpy as np

from speech.errors import AudioError

MAX_ABS = 16.0  # four times the scale; larger values are unscaled decibels or come from a different program


def check_mel(mel: np.ndarray, n_mels: int = 80) -> np.ndarray:
    """Check a mel and return it in the form that vocoders use.

    Args:
        mel: [n_mels, frames], dB scaled to [-4, 4]; any numeric dtype, or a tensor that numpy can read.
        n_mels: bands that the vocoder expects.

    Returns:
        float32 [n_mels, frames], contiguous, frames >= 1.

    Raises:
        AudioError: the array has a different shape, no frames, or values that are not finite or far out of range.
    """
    mel = np.asarray(mel)
    if mel.ndim != 2 or mel.shape[0] != n_mels:
        transposed = mel.ndim == 2 and mel.shape[1] == n_mels
        advice = "it seems to be transposed" if transposed else "compute it with the vocoder's mel settings"
        raise AudioError(
            f"A vocoder needs a mel spectrogram of shape [{n_mels}, frames], but this array has shape "
            f"{list(mel.shape)}: {advice}."
        )
    if mel.shape[1] == 0:
        raise AudioError("The mel spectrogram has no frames: synthesize some speech first.")
    low, high = (float(mel.min()), float(mel.max())) if mel.dtype.kind in "fiu" else (math.nan, math.nan)
    if not (math.isfinite(low) and math.isfinite(high)):  # this way no array of the mel's size is needed
        raise AudioError(
            "The mel spectrogram has values that are not finite: synthesize it again, or try a different model."
        )
    if max(-low, high) > MAX_ABS:
        raise AudioError(
            f"The mel spectrogram has values from {low:.3g} to {high:.3g}, but a vocoder needs decibels "
            "scaled to [-4, 4]: compute it with the vocoder's mel settings."
        )
    return np.ascontiguousarray(mel, dtype=np.float32)
