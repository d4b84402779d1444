"""Inputs at 50 frames per second: log mels for the network, and MFCC, the first labels. Both normalised over a clip."""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from speech.audio import TARGET_DBFS, as_wav, rms_dbfs
from speech.errors import AudioError
from speech.mel import encoder_mel
from synthesizer.units.config import HOP, INPUT_SIZE, N_MELS

Floats = NDArray[np.float32]

FLOOR = 1e-5  # power of a silent band at a level of -30 dBFS
CEPSTRA = 13
TINY = 1e-5


def frames_of(samples: int) -> int:
    """Number of units of a clip."""
    return samples // HOP


def log_mels(wav: np.ndarray) -> Floats:
    """Log mels of two successive frames of 10 ms in each row, with mean 0 and variance 1 over the clip.

    Args:
        wav: float32 [samples] at 16 kHz, at any level.

    Returns:
        float32 [samples // 320, 80].

    Raises:
        AudioError: it is shorter than a frame, silent, or not one channel of finite numbers.
    """
    return normalised(_pairs(wav))


def mfcc(wav: np.ndarray) -> Floats:
    """13 cepstral coefficients with first and second differences, normalised like `log_mels`: [samples // 320, 39]."""
    pairs = _pairs(wav).reshape(-1, 2, N_MELS).mean(axis=1)
    cepstra = scipy.fft.dct(pairs, axis=1, norm="ortho")[:, :CEPSTRA]
    first = np.gradient(cepstra, axis=0) if len(cepstra) > 1 else np.zeros_like(cepstra)
    second = np.gradient(first, axis=0) if len(cepstra) > 1 else np.zeros_like(cepstra)
    return normalised(np.concatenate([cepstra, first, second], axis=1))


def normalised(rows: np.ndarray) -> Floats:
    """Mean 0 and variance 1 of each column: float32 [frames, columns]."""
    centred = rows - rows.mean(axis=0)
    return (centred / (centred.std(axis=0) + TINY)).astype(np.float32)


def _pairs(wav: np.ndarray) -> Floats:
    wav = as_wav(wav)
    count = frames_of(len(wav))
    if not count or not np.any(wav):
        raise AudioError(f"Units need at least {HOP} samples that are not silent: give a longer recording.")
    wav = wav * np.float32(10 ** ((TARGET_DBFS - rms_dbfs(wav)) / 20))
    mel = encoder_mel(wav, frames=2 * count, n_mels=N_MELS)
    return np.log(mel + FLOOR).reshape(count, INPUT_SIZE)
