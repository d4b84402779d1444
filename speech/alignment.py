"""Forced alignment of a transcript with its recording, and segmentation at pauses.

Read speech has pauses where its transcript has no comma. A synthesizer trained on such utterances learns pauses at
random positions, and long utterances cost memory and make attention harder to learn. `split_at_silences` cuts a
recording at its pauses and writes the remaining pauses into the text as commas.

The aligner is PocketSphinx with the English model in its wheel. One core aligns about 100 s of audio per second.
"""

from __future__ import annotations

import functools
import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from speech.audio import SAMPLE_RATE
from speech.errors import AudioError
from speech.packages import require_package

logger = logging.getLogger(__name__)

FRAMES_PER_SECOND = 100  # PocketSphinx's frame rate
CUT_PAUSE, COMMA_PAUSE = 0.35, 0.12  # seconds
NOT_SPOKEN = ("SIL", "+NSN+", "+SPN+")  # names of pauses and noises among the phones
MARGIN = 0.08  # seconds of silence kept at the edges of a segment

# Fallback pronunciation of words that the aligner's dictionary does not have: the usual phone of each letter group.
LETTER_PHONES = {
    "sh": "SH", "ch": "CH", "th": "TH", "ph": "F", "wh": "W", "ck": "K", "ng": "NG", "qu": "K W", "ee": "IY",
    "ea": "IY", "oo": "UW", "ou": "AW", "ow": "OW", "ai": "EY", "ay": "EY", "oi": "OY", "oy": "OY", "au": "AO",
    "aw": "AO", "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH",
    "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T",
    "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "IY", "z": "Z",
}  # fmt: skip
LETTER_PATTERN = re.compile("|".join(sorted(LETTER_PHONES, key=len, reverse=True)))


@dataclass(frozen=True)
class Word:
    """One word of the transcript as written, with its start and end in seconds."""

    word: str
    start: float
    end: float


@dataclass(frozen=True)
class Phone:
    """One phone of a recording, in the notation of CMUdict without stress, with its start and end in seconds."""

    phone: str
    start: float
    end: float


@dataclass(frozen=True)
class Segment:
    """A segment of a recording between two pauses.

    Attributes:
        start, end: in seconds.
        text: transcript of the segment.
        words: with times relative to the start of the segment.
    """

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()


@functools.cache
def _decoder():
    return require_package("pocketsphinx", "Splitting at silences").Decoder(
        lm=None, loglevel="FATAL", samprate=SAMPLE_RATE, cmn="batch"
    )


def _spelled(word: str) -> str:
    return re.sub(r"[^a-z']", "", word.lower().replace("’", "'")).strip("'")


def _ensure_pronounceable(word: str) -> None:
    if _decoder().lookup_word(word) is None:
        _decoder().add_word(word, fallback_phones(word), True)


def fallback_phones(word: str) -> str:
    """Approximate phones of a lower-case word, separated by spaces, for words that no dictionary has."""
    return " ".join(LETTER_PHONES[match] for match in LETTER_PATTERN.findall(word)) or "AH"


def align_words(wav: np.ndarray, text: str) -> list[Word]:
    """Forced alignment of a transcript.

    Args:
        wav: float32 [samples] at 16 kHz, in [-1, 1].
        text: transcript in words (numbers spelled out); punctuation stays with its word.

    Returns:
        The words in order, times in seconds.

    Raises:
        AudioError: the recording does not match the text, or one of them is empty.
        ConfigError: PocketSphinx is not installed.
    """
    return _aligned(wav, text)[0]


def align_phones(wav: np.ndarray, text: str) -> list[Phone]:
    """Forced alignment of the phones of a transcript. Arguments and errors as `align_words`.

    Returns:
        The phones in order. Pauses between words have none.
    """
    decoder = _decoder()
    _, samples = _aligned(wav, text)
    try:
        decoder.set_alignment()
        _process(samples)
    except RuntimeError as error:  # the phones have no path within the times of the words
        raise AudioError("The recording does not match its transcript: its phones cannot be aligned.") from error
    return [
        Phone(phone.name, phone.start / FRAMES_PER_SECOND, (phone.start + phone.duration) / FRAMES_PER_SECOND)
        for word in decoder.get_alignment() or ()
        for phone in word
        if phone.name not in NOT_SPOKEN and phone.duration > 0
    ]


def phone_per_frame(phones: Sequence[Phone], frames: int, seconds: float) -> list[str]:
    """The phone at the centre of each frame; "" in pauses.

    Args:
        seconds: length of a frame.
    """
    names = [""] * frames
    for phone in phones:
        first, last = (max(0, math.ceil(time / seconds - 0.5)) for time in (phone.start, phone.end))
        names[first:last] = [phone.phone] * len(names[first:last])
    return names


def _aligned(wav: np.ndarray, text: str) -> tuple[list[Word], bytes]:
    """What `align_words` returns, and the samples as PocketSphinx takes them."""
    written = [word for word in text.split() if _spelled(word)]
    if not written or not len(wav):
        raise AudioError("There is nothing to align: the text or the recording is empty.")
    spelled = [_spelled(word) for word in written]
    for word in spelled:
        _ensure_pronounceable(word)
    samples = (np.clip(wav, -1, 1) * 32767).astype(np.int16).tobytes()
    _decoder().set_align_text(" ".join(spelled))
    _process(samples)
    # Noise and silence come as <sil>, [NOISE], [SPEECH]; a second pronunciation as word(2).
    segments = [segment for segment in _decoder().seg() or () if segment.word[0] not in "<["]
    if [re.sub(r"\(\d+\)$", "", segment.word) for segment in segments] != spelled:
        raise AudioError("The recording does not match its transcript: the aligner found no path through the words.")
    words = [
        Word(word, segment.start_frame / FRAMES_PER_SECOND, (segment.end_frame + 1) / FRAMES_PER_SECOND)
        for word, segment in zip(written, segments, strict=True)
    ]
    return words, samples


def _process(samples: bytes) -> None:
    decoder = _decoder()
    decoder.start_utt()
    decoder.process_raw(samples, full_utt=True)
    decoder.end_utt()


def split_at_silences(wav: np.ndarray, text: str, min_seconds: float = 1.6, max_seconds: float = 8.0) -> list[Segment]:
    """Cut a recording at its pauses into segments of a suitable length for training a synthesizer.

    The recording is cut at every pause of at least 0.35 s, unless that would leave a segment shorter than
    `min_seconds`. A segment longer than `max_seconds` is then cut at its longest pauses of at least 0.12 s. Pauses
    inside a segment become commas where the text has no punctuation. Each segment keeps 0.08 s of silence at either
    edge.

    Args:
        wav: float32 [samples] at 16 kHz, in [-1, 1].
        text: transcript in words, as for `align_words`.

    Returns:
        Segments in order; together they contain each word of the text once.

    Raises:
        AudioError, ConfigError: as `align_words`.
    """
    words = align_words(wav, text)
    spans: list[tuple[int, int]] = []
    for first, last in _cut_at_pauses(words, (0, len(words) - 1), CUT_PAUSE, min_seconds):
        too_long = _seconds(words, first, last) > max_seconds
        spans += _cut_at_pauses(words, (first, last), COMMA_PAUSE, min_seconds) if too_long else [(first, last)]
    total = len(wav) / SAMPLE_RATE
    return [_segment(words, first, last, total) for first, last in spans]


def _seconds(words: list[Word], first: int, last: int) -> float:
    return words[last].end - words[first].start


def _pause_after(words: list[Word], index: int) -> float:
    return words[index + 1].start - words[index].end


def _cut_at_pauses(
    words: list[Word], span: tuple[int, int], min_pause: float, min_seconds: float
) -> list[tuple[int, int]]:
    """Cut the words first..last of a span recursively at the longest pause that leaves two segments long enough."""
    first, last = span
    for k in sorted(range(first, last), key=lambda k: -_pause_after(words, k)):
        if _pause_after(words, k) < min_pause:
            break
        halves = (first, k), (k + 1, last)
        if all(_seconds(words, *half) >= min_seconds for half in halves):
            return [cut for half in halves for cut in _cut_at_pauses(words, half, min_pause, min_seconds)]
    return [span]


def _segment(words: list[Word], first: int, last: int, total: float) -> Segment:
    """The segment of words first..last of a recording of `total` seconds, with pauses written as commas."""
    parts = [
        _with_punctuation(words[k].word, ",") if _pause_after(words, k) >= COMMA_PAUSE else words[k].word
        for k in range(first, last)
    ]
    parts.append(_with_punctuation(words[last].word, "." if last == len(words) - 1 else ","))
    start = max(0.0, words[first].start - MARGIN)
    inside = tuple(
        Word(part, word.start - start, word.end - start)
        for part, word in zip(parts, words[first : last + 1], strict=True)
    )
    return Segment(start, min(total, words[last].end + MARGIN), " ".join(parts), inside)


def _with_punctuation(word: str, mark: str) -> str:
    return word if word[-1] in ",.;:!?-" else word + mark
