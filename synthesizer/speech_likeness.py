"""Check that a mel can be speech at all: an untrained model gives mels that no alignment shows to be wrong.

The limits lie outside the range of 326 natural recordings of eight corpora and of 250 sentences of the default models
(10 voices):

                                           recordings    default models    limit
    level, 5 to 95 % of the frames         17.9 dB       13.1 dB           10 dB at least
    spectrum over time, per band           6.0 to 13.2   2.3 to 11.1       1.5 to 15 dB
    change between frames, relative to it  0.42          0.42              0.65 at most
    loudest tenth of a second              -12.8 dB      -18.0 dB          -5 dB at most
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speech.mel_config import MelConfig
from speech.mel_f0 import MIN_SIMILARITY, harmonic_similarity
from synthesizer.pacing import QUIET_DECIBELS, frame_levels, loudest

LEAST_CONTRAST = 10.0  # dB between quiet and loud frames, from the first to the last that is not silent
STEADY, ERRATIC = 1.5, 15.0  # dB, standard deviation of a band over time, without the level of the frame
ROUGHEST = 0.65  # change from frame to frame, relative to that of independent frames; noise has 1
TOO_LOUD = -5.0  # dB; full scale is about 0
SHORTEST_SECONDS = 0.25  # less has no meaningful statistics
VOICED_SECONDS = 1.0  # of speech, of which some must be voiced


def unlike_speech(mel: NDArray[np.float32], config: MelConfig) -> str:
    """Why a mel cannot be speech, as the rest of a sentence: "its level hardly changes". "" if it can.

    Args:
        mel: of one sentence, float32 [n_mels, frames], dB scaled to [-4, 4].
    """
    levels = frame_levels(mel, config)
    top = loudest(levels, config)
    speaking = levels >= top - QUIET_DECIBELS
    if np.count_nonzero(speaking) < SHORTEST_SECONDS * config.frames_per_second:
        return ""
    first, last = np.flatnonzero(speaking)[[0, -1]]
    mel, levels, speaking = mel[:, first : last + 1], levels[first : last + 1], speaking[first : last + 1]
    decibels = mel * np.float32(-config.min_level_db / (2 * config.max_abs_value))
    low, high = np.percentile(levels, [5, 95])
    variety = _spread(decibels[:, speaking])
    pairs = speaking[1:] & speaking[:-1]
    roughness = _spread(np.diff(decibels, axis=1)[:, pairs]) / (np.sqrt(2) * max(variety, STEADY))
    findings = [
        (top > TOO_LOUD, "it is louder than any speech"),
        (variety < STEADY, "it is one steady noise or tone"),
        (roughness > ROUGHEST, "its spectrum changes at random from frame to frame"),
        (variety > ERRATIC, "its spectrum changes more than that of any speech"),
        (high - low < LEAST_CONTRAST, "its level hardly changes"),
        (_without_voice(mel[:, speaking], config), "it has no pitch"),
    ]
    return next((reason for found, reason in findings if found), "")


def _spread(decibels: NDArray[np.floating]) -> float:
    """Standard deviation over time, without the mean of each frame: the mean of the bands, in dB. [bands, frames]"""
    return float((decibels - decibels.mean(axis=0)).std(axis=1).mean()) if decibels.shape[1] > 1 else 0.0


def _without_voice(mel: NDArray[np.float32], config: MelConfig) -> bool:
    """Whether no frame of at least a second of speech is voiced."""
    if mel.shape[1] < VOICED_SECONDS * config.frames_per_second:
        return False
    some = mel[None, :, ::4]  # enough, and fast
    return bool(harmonic_similarity(some, config).max() < MIN_SIMILARITY)
