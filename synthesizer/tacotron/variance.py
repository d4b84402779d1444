"""Restore the variance that mels lose by training on mean errors.

Mels that are trained on mean errors are too smooth: each band varies less than in recordings, and the audio sounds
muffled. The ratio is measured after training for each band and corrected by moving each frame away from the mean of
its utterance (global variance: Toda & Tokuda, IEICE 2007; as a postfilter: Silén et al., Interspeech 2012).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from speech.mel_config import MelConfig

GAIN_RANGE = (1.0, 2.0)  # trained models need gains well inside it
LEAST_FRAMES = 40  # half a second; a shorter utterance is dominated by single phones


def variance_gains(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[float, ...]:
    """How much less the bands of generated mels vary than those of recordings.

    Args:
        pairs: a recording's mel and the generated one, [frames, n_mels] each.

    Returns:
        n_mels factors in GAIN_RANGE: mean standard deviation over time in recordings over that in generated mels;
        empty if there are no pairs of half a second.
    """
    natural, generated = [], []
    for recording, mel in pairs:
        if min(len(recording), len(mel)) >= LEAST_FRAMES:
            natural.append(recording.std(0))
            generated.append(mel.std(0))
    if not natural:
        return ()
    gains = np.mean(natural, 0) / np.maximum(np.mean(generated, 0), 1e-3)
    return tuple(round(float(gain), 3) for gain in np.clip(gains, *GAIN_RANGE))


def restore_variance(
    mel: np.ndarray, gains: Sequence[float], emphasis: float = 1.0, limit: float = MelConfig.max_abs_value
) -> np.ndarray:
    """Move every frame of an utterance away from the mean of the utterance.

    Args:
        mel: [n_mels, frames], dB scaled to [-limit, limit].
        gains: one for each band, from `variance_gains`; an empty sequence changes nothing.
        emphasis: 0 changes nothing, 1 gives the variance of recordings, 2 twice the correction.

    Returns:
        float32 [n_mels, frames] in [-limit, limit]. An utterance under half a second is not changed.
    """
    if not len(gains) or emphasis == 0 or mel.shape[1] < LEAST_FRAMES:
        return mel
    mean = mel.mean(1, keepdims=True)
    factors = 1 + emphasis * (np.asarray(gains, np.float32)[:, None] - 1)
    return np.clip(mean + (mel - mean) * factors, -limit, limit).astype(np.float32, copy=False)
