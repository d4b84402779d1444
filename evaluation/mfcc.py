"""The baselines that any trained encoder has to beat: a voice's mean spectrum, as MFCC (Davis & Mermelstein, 1980).

A clip becomes the mean of 20 cepstral coefficients over its frames, without the zeroth one, the level. The mean over
all clips of a test is taken off, or else the cosine would hear little but what all voices share. The harder rival adds
the standard deviations and brings every column to variance 1 over the test. Both look at the whole test at once, which
is more help than an encoder gets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.fft

from speech.mel import encoder_mel

CEPSTRA = 20
FLOOR = 1e-8  # of the power mels of a clip at -30 dBFS: 60 dB and more below the speech


class MfccBaseline:
    """Statistics of MFCC in the place of an encoder.

    Args:
        standardised: means and deviations, each column of variance 1; otherwise the means as they are.
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
