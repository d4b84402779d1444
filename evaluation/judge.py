"""The independent judge of voices: the public encoder's weights, which no stage of a chain under test was chosen by.

The chain's own encoder would flatter: a synthesizer learns to please the space it is conditioned on. (The starter
encoder is distilled into the judge's space, so even this judge is a relative; the nearest-reference share, which asks
only who is the most alike, suffers least from that.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from speech.errors import AudioError, ConfigError


class VoiceJudge:
    """Compares outputs with references by the cosine of their embeddings."""

    def __init__(self, encoder=None) -> None:
        """Args: encoder: a `SpeakerEncoder`; the public one where None. Raises: ConfigError if that is missing."""
        self.encoder = encoder or public_encoder()

    def embed(self, wav: np.ndarray) -> np.ndarray | None:
        """float32 [256], or None where no speech is heard. Args: wav: float32 [samples] at 16 kHz, in [-1, 1]."""
        try:
            return self.encoder.embed(wav)
        except AudioError:
            return None


def public_encoder():
    """The weights in the package resemblyzer as a `SpeakerEncoder`. Raises: ConfigError where they are missing."""
    from encoder.convert import find_resemblyzer_weights, load_public_encoder

    weights = find_resemblyzer_weights()
    if weights is None:
        raise ConfigError(
            "The public encoder's weights are in the package resemblyzer: run pip install --no-deps resemblyzer."
        )
    return load_public_encoder(weights)


def nearest(embedding: np.ndarray | None, references: Sequence[np.ndarray]) -> int | None:
    """Index of the reference with the largest cosine; None where the output holds no speech."""
    if embedding is None or not len(references):
        return None
    return int(np.argmax(np.stack(references) @ embedding))
