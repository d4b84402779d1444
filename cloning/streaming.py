"""A text spoken while it is being made: sentence after sentence, chunk after chunk.

The first sentence is vocoded as soon as it is synthesized, and its first tenth of a second is heard while the rest is
still to come. Only what needs to know the whole is different from `VoiceCloner.speak`: the level is the vocoder's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from speech.errors import ModelFileError
from synthesizer.options import SynthesisOptions

if TYPE_CHECKING:
    from cloning import Speech, Voice, VoiceCloner
    from synthesizer import Synthesis
    from synthesizer.text.lexicon import Lexicon

FADE_SECONDS = 0.005  # a cut at a non-zero sample clicks; 5 ms are not heard as a fade


def stream_speech(
    cloner: VoiceCloner,
    text: str,
    voice: Voice,
    seed: int,
    on_sentence: Callable[[Synthesis], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    *,
    speed: float = 1.0,
    pauses: float = 1.0,
    pitch_range: float = 1.0,
    lexicon: Lexicon | None = None,
) -> Iterator[np.ndarray]:
    """See `VoiceCloner.stream`."""
    options = SynthesisOptions(speed=speed, pauses=pauses, pitch_range=pitch_range, lexicon=lexicon)
    syntheses = cloner.synthesizer.stream(text, voice, options, seed=seed, cancelled=cancelled)
    return faded(_chunks(cloner, syntheses, seed, on_sentence, cancelled), round(FADE_SECONDS * cloner.sample_rate))


def _chunks(
    cloner: VoiceCloner,
    syntheses: Iterator[Synthesis],
    seed: int,
    on_sentence: Callable[[Synthesis], None] | None,
    cancelled: Callable[[], bool] | None,
) -> Iterator[np.ndarray]:
    for synthesis in _cancellable(syntheses):
        if on_sentence is not None:
            on_sentence(synthesis)
        for chunk in cloner.vocoder.stream(synthesis.mel, seed=seed, cancelled=cancelled):
            if not np.isfinite(chunk).all():
                raise ModelFileError("The vocoder made no usable sound: its file is damaged or does not belong here.")
            yield chunk


def _cancellable(syntheses: Iterator[Synthesis]) -> Iterator[Synthesis]:
    """The listener who cancels need not know in which of the models that happened."""
    from synthesizer.tacotron.decoding import DecodingCancelled
    from vocoder.base import VocodingCancelled

    try:
        yield from syntheses
    except DecodingCancelled as reason:
        raise VocodingCancelled from reason


def as_speech(chunks: list[np.ndarray], sentences: list[Synthesis], sample_rate: int, text: str, seed: int) -> Speech:
    """What was streamed, at the level and with the judgement that `VoiceCloner.speak` gives it.

    Raises:
        ModelFileError: there is no sound.
    """
    import cloning.cloner
    from synthesizer.tacotron.inference import join_syntheses

    return cloning.cloner.as_speech(np.concatenate(chunks), join_syntheses(sentences), sample_rate, text, seed)


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
