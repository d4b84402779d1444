"""Clips for training and measuring the detector, and the names in the store that holds them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STAGE = "detection"  # of the store
RECORDED = "recording"  # name of the class of recordings among the generators
SPLITS = ("train", "calibration", "test")
CONDITIONS = ("as it is", "mp3 24 kbit/s", "opus 24 kbit/s", "8 kHz", "noise 10 dB")
DRAWN = "drawn"  # a random distortion, of clips for training and calibration
UNCODED = "as generated"  # a further condition of synthesized speech
CODEC_KILOBITS = 32.0  # of the recordings' own coding, about


@dataclass(frozen=True, eq=False)
class Clip:
    """Speech of one speaker. wav: float32 [samples] at 16 kHz; generator: `RECORDED`, or what synthesized it."""

    key: str
    speaker: str
    split: str
    generator: str
    wav: np.ndarray
