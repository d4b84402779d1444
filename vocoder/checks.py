"""What a vocoder accepts: one check of the mel for every kind, so that each says the same sentence."""

import numpy as np

from speech.errors import AudioError


def check_mel(mel: np.ndarray, n_mels: int = 80) -> np.ndarray:
    """A mel that a vocoder can work on, or a sentence that says why not.

    Args:
        mel: [n_mels, frames], log magnitude scaled to [-4, 4]; any floating dtype, or a tensor that numpy can read.
        n_mels: bands that the vocoder was made for.

    Returns:
        float32 [n_mels, frames], contiguous, frames >= 1.

    Raises:
        AudioError: the array has another shape, no frames, or values that are not finite.
    """
    mel = np.asarray(mel)
    if mel.ndim != 2 or mel.shape[0] != n_mels:
        raise AudioError(
            f"A vocoder needs a mel spectrogram of shape [{n_mels}, frames], but this array has shape "
            f"{list(mel.shape)}; transpose it or make it with the same mel settings."
        )
    if mel.shape[1] == 0:
        raise AudioError(
            "The mel spectrogram has no frames, so there is nothing to vocode; synthesize some speech first."
        )
    if not np.issubdtype(mel.dtype, np.number) or not np.isfinite(mel).all():
        raise AudioError(
            "The mel spectrogram has values that are not finite numbers; synthesize it again, "
            "and try another model if it stays so."
        )
    return np.ascontiguousarray(mel, dtype=np.float32)
