"""A voice made of several references, and detection of references by a different speaker."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cloning.voices import Voice, mean_pitch
from speech.reference_mel import ReferenceMel
from synthesizer.adapter import VoiceAdapter

# Measured with the default encoder on 35 speakers of three corpora, 700 draws each. Of 3 to 8 clips of one person none
# was marked, of two clips 4 in 1,000 draws. Of clips of a different person among 2 to 8 clips, 92 to 97 % were marked.
OUTLIER_SIMILARITY = 0.76


@dataclass(frozen=True, eq=False)
class Reference:
    """One clip of a voice.

    Attributes:
        embedding: float32 [embedding_size], L2 norm 1.
        source: file name, or a title.
        date: ISO date on which it was added.
        seconds: of speech, as measured by the quality check; 0 if unknown. Its weight in the mean.
        key: unique within its voice.
        has_audio: whether a copy of its audio is stored (`VoiceStore.audio`).
        pitch: median F0 in Hz; None if unknown.
    """

    embedding: np.ndarray
    source: str
    date: str = ""
    seconds: float = 0.0
    key: str = field(default_factory=lambda: secrets.token_hex(6))
    has_audio: bool = False
    pitch: float | None = None


@dataclass(frozen=True, eq=False)
class StoredVoice:
    """A voice with its references.

    Attributes:
        reference: a few seconds of one reference, for synthesizers with a refiner; None if no audio is known.
        reference_of: the key of that reference.
        adapter: what a synthesizer was adapted to the references with; None if it was not.
        similarity: float32 [references], cosine of each with the mean of the others; NaN for a single one.
        outliers: keys of references that differ from the others.
    """

    name: str
    embedding_space: str
    references: tuple[Reference, ...]
    consent: str = ""
    created: str = ""
    reference: ReferenceMel | None = None
    reference_of: str = ""
    adapter: VoiceAdapter | None = None

    @property
    def voice(self) -> Voice:
        """The input of the synthesizer: the mean of the references, weighted by seconds of speech."""
        rows = np.stack([reference.embedding for reference in self.references])
        sources = tuple(reference.source for reference in self.references)
        weights = _weights(self.references)
        pitch = mean_pitch([reference.pitch for reference in self.references], weights)
        return Voice(
            weights @ rows, self.embedding_space, self.name, sources, self.created, self.consent, pitch,
            self.reference, self.adapter,
        )  # fmt: skip

    def with_reference_mel(self, audio_of: Callable[[str], np.ndarray | None]) -> StoredVoice:
        """The voice with the `reference` of the clip that has the greatest weight, among those with known audio.

        Args:
            audio_of: the audio of a clip by its key, float32 [samples] at 16 kHz; None if unknown.
        """
        weights = _weights(self.references)
        for number in np.argsort(-weights, kind="stable"):
            key = self.references[number].key
            if self.reference is not None and key == self.reference_of:
                return self
            wav = audio_of(key)
            mel = None if wav is None else ReferenceMel.of_recording(wav)
            if mel is not None:
                return replace(self, reference=mel, reference_of=key)
        return replace(self, reference=None, reference_of="")

    @property
    def similarity(self) -> np.ndarray:
        rows = np.stack([reference.embedding for reference in self.references])
        return similarity_to_others(rows, _weights(self.references))

    @property
    def outliers(self) -> tuple[str, ...]:
        rows = np.stack([reference.embedding for reference in self.references])
        outliers = find_outliers(rows, _weights(self.references))
        return tuple(self.references[number].key for number in outliers)

    def lines(self) -> list[str]:
        """Warnings about outliers, a sentence each."""
        similarity = dict(zip((reference.key for reference in self.references), self.similarity, strict=True))
        named = {reference.key: reference.source for reference in self.references}
        if len(self.references) == 2 and self.outliers:
            return ["The two references do not sound like the same person: remove the wrong one."]
        return [
            f"{named[key]} does not sound like the other references (similarity {similarity[key]:.2f}): remove it, "
            "unless it is the same person."
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
    """Indices of embeddings that differ from the others.

    While the smallest similarity is below `least`, that embedding is set aside and no longer counts for the others, so
    that one outlier does not mark all others. Of two that differ both are marked, because either may be the wrong one.
    """
    left = list(range(len(rows)))
    outliers: list[int] = []
    while len(left) > 1:
        similarity = similarity_to_others(rows[left], weights[left])
        worst = int(np.argmin(similarity))
        if similarity[worst] >= least:
            break
        if len(left) == 2:
            if not outliers:
                outliers += left
            break
        outliers.append(left.pop(worst))
    return sorted(outliers)


def _weights(references: Sequence[Reference]) -> np.ndarray:
    """Weights in the mean: seconds of speech, or their average where unknown; they sum to 1."""
    seconds = np.array([reference.seconds for reference in references], np.float32)
    known = seconds[seconds > 0]
    seconds[seconds <= 0] = known.mean() if len(known) else 1.0
    return seconds / seconds.sum()
