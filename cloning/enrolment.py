"""From examined clips to a voice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cloning.voices import Voice

if TYPE_CHECKING:
    from encoder.enrolment import EnrolmentReport


def voice_of_clips(
    report: EnrolmentReport,
    median_f0s: Iterable[float | None],
    embedding_space: str,
    name: str = "",
    consent: str = "",
) -> Voice:
    """The voice of some clips: the normalised weighted mean of their embeddings, and their mean pitch.

    Skipped clips are left out.

    Args:
        median_f0s: of each clip, in Hz; None if unknown.
        embedding_space: of the encoder that examined the clips.

    Raises:
        AudioError: a clip cannot be used.
    """
    report.raise_for_errors()
    voices = [
        Voice(clip.embedding, embedding_space, sources=(clip.source,), pitch=median_f0)
        for clip, median_f0 in zip(report.clips, median_f0s, strict=True)
        if not clip.skipped
    ]
    weights = [float(weight) for clip, weight in zip(report.clips, report.weights, strict=True) if not clip.skipped]
    return Voice.average(voices, name, consent, weights)
