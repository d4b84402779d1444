"""The last steps of the chain: loudness and fades of the audio, and a summary of the checks of the sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from speech.errors import ModelFileError
from speech.loudness import level

if TYPE_CHECKING:
    from cloning.watermark import Watermarker
    from synthesizer import Sentence

CHUNK_SECONDS = 0.1
UNINTELLIGIBLE = "the speech is probably unintelligible: train the synthesizer longer, or choose another one"
FADE_SECONDS = 0.005  # long enough to avoid a click, too short to be audible as a fade


def finish_stream(
    chunks: Iterable[np.ndarray],
    lengths: Sequence[int],
    sample_rate: int,
    loudness: float,
    watermarker: Watermarker | None = None,
) -> Iterator[np.ndarray]:
    """Bring each sentence of a stream to a loudness, and fade the edges.

    A sentence is held back until its last sample is known. So the result does not depend on the chunks.

    Args:
        chunks: float32 [samples] each, as the vocoder generates them.
        lengths: samples of each sentence with the pause after it. May grow, but has a sentence's before its samples.
        sample_rate: in Hz.
        loudness: in LUFS, of each sentence.
        watermarker: adds a watermark to each sentence.

    Returns:
        float32 [samples] each, at most 0.1 s.

    Raises:
        ModelFileError: the watermark is not detected in a sentence. Nothing of that sentence is returned.
    """
    size = round(CHUNK_SECONDS * sample_rate)
    for sentence in fade_edges(_levelled(chunks, lengths, sample_rate, loudness, watermarker), sample_rate):
        for start in range(0, len(sentence), size):
            yield sentence[start : start + size]


def finish(wav: np.ndarray, lengths: Sequence[int], sample_rate: int, loudness: float) -> np.ndarray:
    """What `finish_stream` gives for audio that is complete: float32 [samples] -> float32 [samples].

    Raises:
        ModelFileError: the waveform is empty or not finite, which only a damaged model produces.
    """
    check_finite(wav)
    return joined(finish_stream([wav], lengths, sample_rate, loudness))


def joined(chunks: Iterable[np.ndarray]) -> np.ndarray:
    """The chunks of finished audio as one. Raises: ModelFileError if there are no samples."""
    parts = list(chunks)
    if not sum(map(len, parts)):
        raise ModelFileError("The models produced no audio: their files are damaged or do not belong together.")
    return np.concatenate(parts)


def samples_of(sentences: Sequence[Sentence], sample_rate: int) -> list[int]:
    """Samples of each sentence with the pause after it."""
    return [round((sentence.seconds + sentence.pause) * sample_rate) for sentence in sentences]


def _levelled(
    chunks: Iterable[np.ndarray],
    lengths: Sequence[int],
    sample_rate: int,
    loudness: float,
    watermarker: Watermarker | None,
) -> Iterator[np.ndarray]:
    """Sentence by sentence; samples after the last one are a sentence of their own."""

    def finished(sentence: np.ndarray) -> np.ndarray:
        if watermarker is None:
            return level(sentence, sample_rate, loudness)
        marked = level(watermarker.apply(sentence, sample_rate), sample_rate, loudness)
        watermarker.check(marked, sample_rate)
        return marked

    held, number = np.zeros(0, np.float32), 0
    for chunk in chunks:
        held = np.concatenate([held, chunk])
        while number < len(lengths) and len(held) >= lengths[number]:
            yield finished(held[: lengths[number]])
            held = held[lengths[number] :]
            number += 1
    yield finished(held)


def check_finite(wav: np.ndarray) -> None:
    """Raises: ModelFileError if a sample is NaN or infinite."""
    if not np.isfinite(wav).all():
        raise ModelFileError("The models produced no usable audio: their files are damaged or do not belong together.")


def fade_edges(chunks: Iterable[np.ndarray], sample_rate: int) -> Iterator[np.ndarray]:
    """Fade the first and last 5 ms of a stream. The last 5 ms of each chunk are held back until the next one.

    Args:
        chunks: float32 [samples] each.
        sample_rate: in Hz.
    """
    samples = round(FADE_SECONDS * sample_rate)
    ramp = np.linspace(0, 1, samples, endpoint=False, dtype=np.float32)
    held, started = np.zeros(0, dtype=np.float32), False
    for chunk in chunks:
        held = np.concatenate([held, chunk])
        if len(held) <= 2 * samples:
            continue
        if not started:
            held[:samples] *= ramp
            started = True
        yield held[: len(held) - samples]
        held = held[len(held) - samples :]
    fade = min(samples, len(held) if started else len(held) // 2)
    if fade:
        ramp = np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
        if not started:
            held[:fade] *= ramp
        held[-fade:] *= ramp[::-1]
    if len(held):
        yield held


def check_alignment(sentences: Sequence[Sentence]) -> tuple[float, tuple[str, ...]]:
    """The lowest score of the sentences, 0 to 1, and a remark for each fault that was found."""
    remarks = [] if is_intelligible(sentences) else [UNINTELLIGIBLE]
    remarks += [
        f"sentence {number}: {remark}"
        for number, sentence in enumerate(sentences, start=1)
        for remark in sentence.remarks
    ]
    return round(min((sentence.score for sentence in sentences), default=0.0), 3), tuple(remarks)


def is_intelligible(sentences: Sequence[Sentence]) -> bool:
    """Whether at least half of the time can probably be understood."""
    seconds = [sentence.seconds or 1.0 for sentence in sentences]
    understood = (each for each, sentence in zip(seconds, sentences, strict=True) if sentence.intelligible)
    return sum(understood) >= sum(seconds) / 2
