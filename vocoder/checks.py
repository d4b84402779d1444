"""What a vocoder accepts: one check of the mel for every kind, so that each says the same sentence."""

import math

import numpy as np

from speech.errors import AudioError

LOUDEST = 16.0  # four times the scale: a mel beyond it is one in decibels, or of another program


def check_mel(mel: np.ndarray, n_mels: int = 80) -> np.ndarray:
    """A mel that a vocoder can work on, or a sentence that says why not.

    Args:
        mel: [n_mels, frames], log magnitude scaled to [-4, 4]; any floating dtype, or a tensor that numpy can read.
        n_mels: bands that the vocoder was made for.

    Returns:
        float32 [n_mels, frames], contiguous, frames >= 1.

    Raises:
        AudioError: the array has another shape, no frames, values that are not finite, or far beyond the scale.
    """
    mel = np.asarray(mel)
    if mel.ndim != 2 or mel.shape[0] != n_mels:
        transposed = mel.ndim == 2 and mel.shape[1] == n_mels
        advice = "it seems transposed" if transposed else "make it with the same mel settings"
        raise AudioError(
            f"A vocoder needs a mel spectrogram of shape [{n_mels}, frames], but this array has shape "
            f"{list(mel.shape)}: {advice}."
        )
    if mel.shape[1] == 0:
        raise AudioError(
            "The mel spectrogram has no frames, so there is nothing to vocode; synthesize some speech first."
        )
    low, high = (float(mel.min()), float(mel.max())) if mel.dtype.kind in "fiu" else (math.nan, math.nan)
    if not (math.isfinite(low) and math.isfinite(high)):  # without an array as large as the mel, which may be long
        raise AudioError(
            "The mel spectrogram has values that are not finite numbers; synthesize it again, "
            "and try another model if it stays so."
        )
    if max(-low, high) > LOUDEST:
        raise AudioError(
            f"The mel spectrogram has values from {low:.3g} to {high:.3g}, but a vocoder reads decibels "
            "scaled to [-4, 4]: make it with the same mel settings."
        )
    return np.ascontiguousarray(mel, dtype=np.float32)
