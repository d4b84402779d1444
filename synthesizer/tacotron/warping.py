"""Free running, warped to the timing of a recording.

With teacher forcing, the decoder's input contains the voice of the recording. Here the decoder runs free, as in use,
and the result is warped to the recording by dynamic time warping (Sakoe & Chiba 1978) of their smoothed spectra.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from synthesizer.refiner.sampling import spoken_symbols
from synthesizer.tacotron.config import InferenceSettings
from synthesizer.tacotron.decoding import SentenceInput, free_run
from synthesizer.tacotron.model import Tacotron2

Floats = NDArray[np.float32]

COEFFICIENTS = 12  # of the cepstra that are compared
STRETCHING = 1.5  # cost of a frame of one side that has no frame of its own on the other side


@dataclass(frozen=True, eq=False)
class WarpedMel:
    """A decoded sentence with the timing of a recording.

    Attributes:
        mel: float32 [n_mels, frames], before refiner and postfilter.
        symbols: the symbol that is spoken in each frame, int64 [frames].
    """

    mel: Floats
    symbols: NDArray[np.int64]


def decode_like(
    model: Tacotron2,
    sentences: Sequence[SentenceInput],
    recorded: Sequence[Floats],
    settings: InferenceSettings,
) -> list[WarpedMel]:
    """Decode sentences, and warp each to a recording of it.

    Args:
        recorded: mels [n_mels, frames].
    """
    warped: list[WarpedMel] = []
    results = free_run(model, sentences, settings, stage="postnet")
    for sentence, decoded, mel in zip(sentences, results, recorded, strict=True):
        first, last = warping(mel, decoded.mel)
        sums = np.concatenate([np.zeros((len(mel), 1)), np.cumsum(decoded.mel, 1, dtype=np.float64)], 1)
        means = (sums[:, last + 1] - sums[:, first]) / (last + 1 - first)
        symbols = spoken_symbols(sentence.symbols, decoded.alignment, decoded.mel.shape[1])
        warped.append(WarpedMel(means.astype(np.float32), symbols[(first + last) // 2]))
    return warped


def warping(mel: Floats, source: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each frame of `mel` the first and the last frame of `source` that fits it; both [n_mels, frames].

    Returns:
        int64 [frames] each, rising.
    """
    import librosa

    wanted, given = (dct(values, axis=0, norm="ortho")[:COEFFICIENTS] for values in (mel, source))
    steps, weights = np.array([[1, 1], [1, 0], [0, 1]]), np.array([1.0, STRETCHING, STRETCHING])
    _, path = librosa.sequence.dtw(wanted, given, step_sizes_sigma=steps, weights_mul=weights)
    path = path[::-1]
    starts = np.searchsorted(path[:, 0], np.arange(mel.shape[1]))
    ends = np.append(starts[1:], len(path)) - 1
    return path[starts, 1], path[ends, 1]
