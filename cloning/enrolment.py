"""From examined clips to a voice."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from cloning.voices import Voice
from speech.reference_mel import ReferenceMel

if TYPE_CHECKING:
    from encoder.enrolment import EnrolmentReport


def voice_of_clips(
    report: EnrolmentReport,
    samples: Iterable[np.ndarray],
    embedding_space: str,
    name: str = "",
    consent: str = "",
) -> Voice:
    """The voice of some clips.

    It has the normalised weighted mean of their embeddings, their mean pitch, and a few seconds of the clip with the
    greatest weight. Skipped clips are left out.

    Args:
        samples: of each clip, float32 [samples] at 16 kHz; empty for one that cannot be read.
        embedding_space: of the encoder that examined the clips.

    Raises:
        AudioError: a clip cannot be used.
    """
    from speech.mel_f0 import median_f0

    report.raise_for_errors()
    used = [
        (clip, wav, float(weight))
        for clip, wav, weight in zip(report.clips, samples, report.weights, strict=True)
        if not clip.skipped
    ]
    voices = [
        Voice(clip.embedding, embedding_space, sources=(clip.source,), pitch=median_f0(wav)) for clip, wav, _ in used
    ]
    voice = Voice.average(voices, name, consent, [weight for *_, weight in used])
    _, longest, _ = max(used, key=lambda one: one[2])
    return dataclasses.replace(voice, reference=ReferenceMel.of_recording(longest))
