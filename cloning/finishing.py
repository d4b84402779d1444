"""The last steps of the chain: level and fades of the waveform, and a summary of the alignment checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from speech.errors import ModelFileError

if TYPE_CHECKING:
    from synthesizer import Sentence

PEAK = 0.9  # the level that vocoders are trained at, with headroom for lossy codecs
MAX_GAIN = 10.0  # 20 dB; a nearly silent result is a failure, and amplified noise would hide it
FADE_SECONDS = 0.005  # long enough to avoid a click, too short to be audible as a fade


def finish(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """Scale the vocoder's output to a peak of 0.9 (by 20 dB at most) and fade 5 ms in and out.

    Args:
        wav: float32 [samples].
        sample_rate: in Hz.

    Returns:
        float32 [samples].

    Raises:
        ModelFileError: the waveform is empty or not finite, which only a damaged model produces.
    """
    check_finite(wav)
    if not len(wav):
        raise ModelFileError("The models produced no audio: their files are damaged or do not belong together.")
    largest = float(np.max(np.abs(wav)))
    wav = wav * np.float32(min(PEAK / max(largest, 1e-9), MAX_GAIN))
    fade = min(round(FADE_SECONDS * sample_rate), len(wav) // 2)
    if fade:
        ramp = np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
        wav[:fade] *= ramp
        wav[-fade:] *= ramp[::-1]
    return wav.astype(np.float32, copy=False)


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
    """The lowest alignment score of the sentences, 0 to 1, and a remark for each fault that was found."""
    remarks = [
        f"sentence {number}: {remark}"
        for number, sentence in enumerate(sentences, start=1)
        for remark in sentence.remarks
    ]
    return round(min((sentence.score for sentence in sentences), default=0.0), 3), tuple(remarks)
