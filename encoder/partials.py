"""Partial utterances: the overlapping windows of an utterance that an encoder embeds, and their mean."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encoder.config import PartialsConfig
from speech.errors import ConfigError

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Partials:
    """The embedded partials of one clip.

    Attributes:
        embeddings: float32 [partials, embedding_size], L2 norm 1.
        starts, ends: float64 [partials], seconds in the clip as it was given, with its silences. Where silences were
            removed, a partial spans more time than its own length.
        speech_seconds: length of the clip after its silences were removed.
    """

    embeddings: Floats
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    speech_seconds: float

    @property
    def embedding(self) -> Floats:
        """float32 [embedding_size]: the voice, the normalised mean of the partials."""
        return mean_embedding(self.embeddings)

    @property
    def similarity(self) -> Floats:
        """float32 [partials]: cosine of each partial with the mean of the others; 1 if there are no others.

        The curve is flat in a clip of one voice and dips where a second person speaks.
        """
        if len(self.embeddings) < 2:
            return np.ones(len(self.embeddings), dtype=np.float32)
        others = self.embeddings.sum(axis=0) - self.embeddings
        norms = np.maximum(np.linalg.norm(others, axis=1), 1e-8)
        return np.einsum("ij,ij->i", self.embeddings, others) / norms


def partial_starts(samples: int, hop_length: int, config: PartialsConfig) -> NDArray[np.int64]:
    """First sample of each partial of an utterance.

    The last partial reaches over the end. It is dropped if less than `min_coverage` of it would be audio. A single
    partial is always kept.

        |----------------|                 audio
        [-------]                          partial 0
            [-------]
                [-------]
                    [-------]              half of it beyond the end: dropped

    Args:
        samples: length of the utterance.
        hop_length: samples between two frames.

    Returns:
        int64 [partials], in samples, at least one.
    """
    frames = samples // hop_length + 1
    steps = max(1, frames - config.partial_frames + config.partial_step + 1)
    starts = np.arange(0, steps, config.partial_step, dtype=np.int64) * hop_length
    if len(starts) > 1 and samples - starts[-1] < config.min_coverage * config.partial_frames * hop_length:
        starts = starts[:-1]
    return starts


def mean_embedding(embeddings: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """The normalised weighted mean of several embeddings of one voice.

    Args:
        embeddings: [n, embedding_size], each of L2 norm 1.
        weights: [n], at least 0 and not all 0; equal if not given. Seconds of speech are a good choice: an embedding of
            more speech is closer to the voice.

    Returns:
        float32 [embedding_size], L2 norm 1.

    Raises:
        ConfigError: there are no embeddings, or the weights do not fit them.
    """
    rows = np.asarray(embeddings, dtype=np.float32)
    if rows.ndim != 2 or not len(rows):
        raise ConfigError(f"A mean needs at least one embedding, [n, size], not an array of shape {list(rows.shape)}.")
    factors = normalised_weights(np.ones(len(rows)) if weights is None else weights, len(rows), "embeddings")
    mean = factors @ rows
    return mean / max(float(np.linalg.norm(mean)), 1e-8)


def normalised_weights(weights: ArrayLike, count: int, what: str) -> Floats:
    """float32 [count], sum 1.

    Raises:
        ConfigError: not one weight for each of `count` items, a negative one, or all 0.
    """
    factors = np.asarray(weights, dtype=np.float32)
    if factors.shape != (count,) or not np.isfinite(factors).all() or factors.min() < 0 or factors.sum() <= 0:
        raise ConfigError(f"{count} {what} need {count} weights: none below 0 and at least one above.")
    return factors / factors.sum()
