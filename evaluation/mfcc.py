"""Baselines without learning: statistics of MFCC (Davis & Mermelstein, 1980).

The first baseline is the mean of 20 cepstral coefficients over a clip, without the zeroth one, which is the level. The
mean over all clips of a test is subtracted; without that, all cosines would be near 1. The second adds the standard
deviations and scales every column to variance 1 over the test. Both use statistics of the whole test, which no encoder
does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.fft

from speech.mel import encoder_mel

CEPSTRA = 20
FLOOR = 1e-8  # of the power mels of a clip at -30 dBFS: 60 dB and more below the speech


class MfccBaseline:
    """Statistics of MFCC as an `evaluation.clip_tests.Embedder`.

    Args:
        standardised: use means and deviations, each column scaled to variance 1; otherwise means alone.
    """

    def __init__(self, standardised: bool = False) -> None:
        self.standardised = standardised

    def embed(self, wavs: Sequence[np.ndarray]) -> np.ndarray:
        """Statistics of clips.

        Args:
            wavs: float32 [samples] at 16 kHz, prepared as for an encoder.

        Returns:
            float32 [len(wavs), 20], or 40 columns with deviations.
        """
        return np.stack([self._statistics(wav) for wav in wavs])

    def finish(self, rows: np.ndarray) -> np.ndarray:
        """Rows [clips, columns] of a whole test, centred over it, then of L2 norm 1."""
        normalised = rows - rows.mean(axis=0)
        if self.standardised:
            normalised /= np.maximum(rows.std(axis=0), 1e-6)
        return normalised / np.maximum(np.linalg.norm(normalised, axis=1, keepdims=True), 1e-8)

    def _statistics(self, wav: np.ndarray) -> np.ndarray:
        logarithm = np.log(np.maximum(encoder_mel(wav), FLOOR))
        cepstra = scipy.fft.dct(logarithm, axis=1, norm="ortho")[:, 1 : CEPSTRA + 1]
        mean = cepstra.mean(axis=0)
        return np.concatenate([mean, cepstra.std(axis=0)]) if self.standardised else mean
