"""Speaker similarity by the public encoder of resemblyzer, and embeddings of voices by any speaker judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from speech.errors import AudioError, ConfigError

REFERENCE_CLIPS = 4  # of a voice that outputs are compared with


class SpeakerJudge(Protocol):
    """A speaker encoder. A cosine of at least `threshold` counts as the same speaker; None if that is unknown."""

    name: str
    note: str
    threshold: float | None

    def embed(self, wav: np.ndarray) -> np.ndarray | None:
        """float32 [dim], L2 norm 1; None without speech. Args: wav: float32 [samples] at 16 kHz, in [-1, 1]."""
        ...


class EncoderJudge:
    """A `SpeakerEncoder` as a `SpeakerJudge`. It is independent if nothing was trained on its embeddings.

    Args:
        encoder: the `SpeakerEncoder`.
        name, threshold: see `SpeakerJudge`.
    """

    def __init__(self, encoder: Any, name: str, threshold: float | None = None) -> None:
        self.encoder = encoder
        self.name = name
        self.note = f"Voice: {name} is an encoder of this toolkit.{acceptance(threshold)}"
        self.threshold = threshold

    def embed(self, wav: np.ndarray) -> np.ndarray | None:
        """float32 [256]; None if no speech is detected. Args: wav: float32 [samples] at 16 kHz, in [-1, 1]."""
        try:
            return self.encoder.embed(wav)
        except AudioError:
            return None


class Resemblyzer(EncoderJudge):
    """The public encoder: the fallback that needs no model file.

    Raises:
        ConfigError: the public encoder is not installed.
    """

    NAME = "resemblyzer"

    def __init__(self) -> None:
        super().__init__(public_encoder(), self.NAME)
        self.note = (
            "Voice: resemblyzer is not independent. It is the teacher of the default encoder, so it overrates clones "
            "by that encoder. An independent model can be given with --speaker-judge."
        )


def acceptance(threshold: float | None) -> str:
    """What a threshold means, as a sentence for a note; empty without one."""
    return "" if threshold is None else f" It accepts a clip as the speaker from a cosine of {threshold:g}."


def public_encoder() -> Any:
    """The public encoder as a `SpeakerEncoder`. Raises: ConfigError if the package resemblyzer is missing."""
    from encoder.convert import find_resemblyzer_weights, load_public_encoder

    weights = find_resemblyzer_weights()
    if weights is None:
        raise ConfigError(
            "The public encoder's weights are in the package resemblyzer: run pip install --no-deps resemblyzer."
        )
    return load_public_encoder(weights)


def nearest(embedding: np.ndarray | None, voices: Mapping[str, np.ndarray]) -> str | None:
    """The voice with the largest cosine similarity; None if there is no embedding, or no voice."""
    if embedding is None or not voices:
        return None
    return max(voices, key=lambda voice: float(voices[voice] @ embedding))


def embed_voices(judge: SpeakerJudge, clips: Mapping[str, Sequence[np.ndarray]]) -> dict[str, np.ndarray]:
    """The embedding of each voice: the normalised mean over its clips. Voices without speech are left out.

    Args:
        clips: by voice, float32 [samples] at 16 kHz each.

    Returns:
        By voice: float32 [dim], L2 norm 1.
    """
    from encoder.partials import mean_embedding

    found = {}
    for voice, wavs in clips.items():
        embeddings = [embedding for wav in wavs if (embedding := judge.embed(wav)) is not None]
        if embeddings:
            found[voice] = mean_embedding(embeddings)
    return found
