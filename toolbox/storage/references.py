"""A voice as several references, and which of them does not sound like the rest."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cloning.voices import Voice, mean_pitch

# With the default encoder, 35 speakers of three corpora and 700 draws each: of 3 to 8 clips of one person none was ever
# marked, of two in 4 of 1,000 draws; of strangers among 2 to 8 clips, 92 to 97 % were marked.
OUTLIER_SIMILARITY = 0.76


@dataclass(frozen=True, eq=False)
class Reference:
    """One clip of a voice.

    Attributes:
        embedding: float32 [embedding_size], L2 norm 1.
        source: its file's name, or what it is called.
        date: ISO date at which it was added.
        seconds: of speech, as the quality gate counts; 0 where that is not known. What it counts in the mean.
        key: names it within its voice.
        has_sound: whether a copy of its sound is kept (`VoiceShelf.sound`).
        pitch: the median of how high it is spoken, in Hz; None where that is not known.
    """

    embedding: np.ndarray
    source: str
    date: str = ""
    seconds: float = 0.0
    key: str = field(default_factory=lambda: secrets.token_hex(6))
    has_sound: bool = False
    pitch: float | None = None


@dataclass(frozen=True, eq=False)
class ShelvedVoice:
    """A voice with its references.

    Attributes:
        similarity: float32 [references], cosine of each with the mean of the others; NaN for an only one.
        outliers: keys of references that do not sound like the rest.
    """

    name: str
    embedding_space: str
    references: tuple[Reference, ...]
    consent: str = ""
    created: str = ""

    @property
    def voice(self) -> Voice:
        """What the synthesizer needs: the mean of the references, each by its seconds of speech."""
        rows = np.stack([reference.embedding for reference in self.references])
        sources = tuple(reference.source for reference in self.references)
        weights = _weights(self.references)
        pitch = mean_pitch([reference.pitch for reference in self.references], weights)
        return Voice(weights @ rows, self.embedding_space, self.name, sources, self.created, self.consent, pitch)

    @property
    def similarity(self) -> np.ndarray:
        rows = np.stack([reference.embedding for reference in self.references])
        return similarity_to_others(rows, _weights(self.references))

    @property
    def outliers(self) -> tuple[str, ...]:
        rows = np.stack([reference.embedding for reference in self.references])
        odd = find_outliers(rows, _weights(self.references))
        return tuple(self.references[number].key for number in odd)

    def lines(self) -> list[str]:
        """What to say of the references that stand out, a sentence each."""
        similarity = dict(zip((reference.key for reference in self.references), self.similarity, strict=True))
        named = {reference.key: reference.source for reference in self.references}
        if len(self.references) == 2 and self.outliers:
            return ["The two references do not sound like one person: remove the one that is not meant."]
        return [
            f"{named[key]} does not sound like the other references ({similarity[key]:.2f} alike): remove it, unless "
            "the same person speaks in it."
            for key in self.outliers
        ]


def similarity_to_others(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Cosine of each embedding with the weighted mean of the others: [n, size], [n] -> float32 [n]; NaN if n is 1."""
    weighted = weights[:, None] * rows
    others = weighted.sum(axis=0) - weighted
    norms = np.linalg.norm(others, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norms > 1e-6, np.einsum("ij,ij->i", rows, others) / norms, np.nan).astype(np.float32)


def find_outliers(rows: np.ndarray, weights: np.ndarray, least: float = OUTLIER_SIMILARITY) -> list[int]:
    """Which embeddings do not sound like the rest.

    As long as the least alike of them is below `least`, it is set aside and no longer counts for the others: so one
    stranger does not make strangers of all. Two that differ are both marked, since nothing says which one is meant.
    """
    left = list(range(len(rows)))
    odd: list[int] = []
    while len(left) > 1:
        similarity = similarity_to_others(rows[left], weights[left])
        worst = int(np.argmin(similarity))
        if similarity[worst] >= least:
            break
        if len(left) == 2:
            if not odd:
                odd += left
            break
        odd.append(left.pop(worst))
    return sorted(odd)


def _weights(references: Sequence[Reference]) -> np.ndarray:
    """What each counts in the mean: its seconds of speech, or the average where that is not known; they sum to 1."""
    seconds = np.array([reference.seconds for reference in references], np.float32)
    known = seconds[seconds > 0]
    seconds[seconds <= 0] = known.mean() if len(known) else 1.0
    return seconds / seconds.sum()
