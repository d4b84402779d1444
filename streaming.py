"""A text spoken while it is being made: sentence after sentence, chunk after chunk.

The first sentence is vocoded as soon as it is synthesized, and its first tenth of a second is heard while the rest is
still to come. Only what needs to know the whole is different from `VoiceCloner.speak`: the level is the vocoder's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from speech.errors import ModelFileError

if TYPE_CHECKING:
    from cloning import Speech, Voice, VoiceCloner
    from synthesizer import Synthesis

FADE_SECONDS = 0.005  # a cut at a non-zero sample clicks; 5 ms are not heard as a fade


def stream_speech(
    cloner: VoiceCloner,
    text: str,
    voice: Voice,
    seed: int,
    on_sentence: Callable[[Synthesis], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[np.ndarray]:
    """See `VoiceCloner.stream`."""
    chunks = _chunks(cloner, text, voice, seed, on_sentence, cancelled)
    return faded(chunks, round(FADE_SECONDS * cloner.sample_rate))


def _chunks(
    cloner: VoiceCloner,
    text: str,
    voice: Voice,
    seed: int,
    on_sentence: Callable[[Synthesis], None] | None,
    cancelled: Callable[[], bool] | None,
) -> Iterator[np.ndarray]:
    for synthesis in cloner.synthesizer.stream(text, voice.embedding, seed):
        if on_sentence is not None:
            on_sentence(synthesis)
        for chunk in cloner.vocoder.stream(synthesis.mel, seed=seed, cancelled=cancelled):
            if not np.isfinite(chunk).all():
                raise ModelFileError("The vocoder made no usable sound: its file is damaged or does not belong here.")
            yield chunk


def as_speech(chunks: list[np.ndarray], sentences: list[Synthesis], sample_rate: int, text: str, seed: int) -> Speech:
    """What was streamed, at the level and with the judgement that `VoiceCloner.speak` gives it.

    Raises:
        ModelFileError: there is no sound.
    """
    from cloning import Speech, finish, judge_attention
    from synthesizer.inference import join_syntheses

    synthesis = join_syntheses(sentences)
    score, remarks = judge_attention(synthesis)
    return Speech(
        wav=finish(np.concatenate(chunks), sample_rate),
        sample_rate=sample_rate,
        text=text,
        seed=seed,
        mel=synthesis.mel,
        alignment=synthesis.alignment,
        tokens=tuple(synthesis.tokens),
        alignment_score=score,
        remarks=remarks,
    )


def faded(chunks: Iterator[np.ndarray], samples: int) -> Iterator[np.ndarray]:
    """Fade the first samples of a sound in and the last ones out; so many are held back until it is known to go on.

    Args:
        chunks: float32 [any] each.
        samples: of either fade.
    """
    ramp = np.linspace(0, 1, samples, endpoint=False, dtype=np.float32)
    held, begun = np.zeros(0, dtype=np.float32), False
    for chunk in chunks:
        held = np.concatenate([held, chunk])
        if len(held) <= 2 * samples:
            continue
        if not begun:
            held[:samples] *= ramp
            begun = True
        yield held[: len(held) - samples]
        held = held[len(held) - samples :]
    fade = min(samples, len(held) if begun else len(held) // 2)
    if fade:
        ramp = np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
        if not begun:
            held[:fade] *= ramp
        held[-fade:] *= ramp[::-1]
    if len(held):
        yield held
