"""Giving a generated mel back the variance that averaging took from it.

A network that is trained on mean errors answers with the mean of what could follow: its mels are smooth, each band
moves less than in speech, and the voice sounds muffled and like nobody in particular. How much less is known after
training, band by band, and can be made good by moving each frame away from the mean of its utterance (the "global
variance" of Toda & Tokuda, IEICE 2007; as a filter after synthesis: Silén et al., Interspeech 2012).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from speech.mel import MelConfig

GAIN_RANGE = (1.0, 2.0)  # what a trained model needs lies well inside
LEAST_FRAMES = 40  # half a second: below it the mean of an utterance is that of one sound


def variance_gains(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[float, ...]:
    """How much less the bands of generated mels move than those of the recordings.

    Args:
        pairs: a recording's mel and the generated one, [frames, n_mels] each.

    Returns:
        n_mels factors in GAIN_RANGE: mean standard deviation in time of the recordings over that of the others; empty
        if there are no pairs of half a second.
    """
    natural, generated = [], []
    for recorded, made in pairs:
        if min(len(recorded), len(made)) >= LEAST_FRAMES:
            natural.append(recorded.std(0))
            generated.append(made.std(0))
    if not natural:
        return ()
    gains = np.mean(natural, 0) / np.maximum(np.mean(generated, 0), 1e-3)
    return tuple(round(float(gain), 3) for gain in np.clip(gains, *GAIN_RANGE))


def restore_variance(
    mel: np.ndarray, gains: Sequence[float], emphasis: float = 1.0, limit: float = MelConfig.max_abs_value
) -> np.ndarray:
    """Move every frame of an utterance away from its mean.

    Args:
        mel: [n_mels, frames], dB scaled to [-limit, limit].
        gains: one for each band, from `variance_gains`; none leave the mel as it is.
        emphasis: 0 leaves the mel, 1 gives it the variance of speech, 2 as much again.

    Returns:
        float32 [n_mels, frames] in [-limit, limit]. An utterance under half a second stays as it is.
    """
    if not len(gains) or emphasis == 0 or mel.shape[1] < LEAST_FRAMES:
        return mel
    mean = mel.mean(1, keepdims=True)
    factors = 1 + emphasis * (np.asarray(gains, np.float32)[:, None] - 1)
    return np.clip(mean + (mel - mean) * factors, -limit, limit).astype(np.float32, copy=False)
