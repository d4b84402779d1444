"""Speaker similarity by an independent speaker encoder, the public one.

The chain's own encoder would overrate the results, because the synthesizer was trained on its embeddings. (The default
encoder was distilled from the public one, so the two are related. The nearest reference, which needs only the order of
the similarities, suffers least from that.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from speech.errors import AudioError, ConfigError


class IndependentEncoder:
    """Embeds waveforms, and reports those without speech as None.

    Args:
        encoder: a `SpeakerEncoder`; the public one if None.

    Raises:
        ConfigError: the public encoder is not installed.
    """

    def __init__(self, encoder: Any = None) -> None:
        self.encoder = encoder or public_encoder()

    def embed(self, wav: np.ndarray) -> np.ndarray | None:
        """float32 [256]; None if no speech is detected. Args: wav: float32 [samples] at 16 kHz, in [-1, 1]."""
        try:
            return self.encoder.embed(wav)
        except AudioError:
            return None


def public_encoder() -> Any:
    """The public encoder as a `SpeakerEncoder`. Raises: ConfigError if the package resemblyzer is missing."""
    from encoder.convert import find_resemblyzer_weights, load_public_encoder

    weights = find_resemblyzer_weights()
    if weights is None:
        raise ConfigError(
            "The public encoder's weights are in the package resemblyzer: run pip install --no-deps resemblyzer."
        )
    return load_public_encoder(weights)


def nearest(embedding: np.ndarray | None, references: Sequence[np.ndarray]) -> int | None:
    """Index of the reference with the largest cosine similarity; None if there is no embedding."""
    if embedding is None or not len(references):
        return None
    return int(np.argmax(np.stack(references) @ embedding))


def mean_embedding(encoder: Any, wavs: Sequence[np.ndarray]) -> np.ndarray | None:
    """Normalised mean of the embeddings of some clips; None if no speech is detected in any.

    Args:
        encoder: see `IndependentEncoder`.
        wavs: float32 [samples] at 16 kHz each.
    """
    embeddings = [embedding for wav in wavs if (embedding := encoder.embed(wav)) is not None]
    if not embeddings:
        return None
    mean = np.mean(embeddings, 0)
    return mean / np.linalg.norm(mean)
