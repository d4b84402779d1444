"""Forced alignment of a transcript with its recording, and segmentation at pauses.

Read speech has pauses where its transcript has no comma. A synthesizer trained on such utterances learns pauses at
random positions, and long utterances cost memory and make attention harder to learn. `split_at_silences` cuts a
recording at its pauses and writes the remaining pauses into the text as commas.

The aligner is PocketSphinx with the English model in its wheel. One core aligns about 100 s of audio per second.
"""

from __future__ import annotations

import functools
import logging
import re
from dataclasses import dataclass

import numpy as np

from speech.audio import SAMPLE_RATE
from speech.errors import AudioError, CorpusError

logger = logging.getLogger(__name__)

FRAMES_PER_SECOND = 100  # PocketSphinx's frame rate

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
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise CorpusError("Splitting at silences needs the aligner: pip install pocketsphinx.") from error
    return Decoder(lm=None, loglevel="FATAL", samprate=SAMPLE_RATE, cmn="batch")


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
        CorpusError: PocketSphinx is not installed.
    """
    written = [word for word in text.split() if _spelled(word)]
    if not written or not len(wav):
        raise AudioError("There is nothing to align: the text or the recording is empty.")
    spelled = [_spelled(word) for word in written]
    for word in spelled:
        _ensure_pronounceable(word)
    decoder = _decoder()
    decoder.set_align_text(" ".join(spelled))
    decoder.start_utt()
    decoder.process_raw((np.clip(wav, -1, 1) * 32767).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    # Noise and silence come as <sil>, [NOISE], [SPEECH]; a second pronunciation as word(2).
    segments = [segment for segment in decoder.seg() or () if segment.word[0] not in "<["]
    if [re.sub(r"\(\d+\)$", "", segment.word) for segment in segments] != spelled:
        raise AudioError("The recording does not match its transcript: the aligner found no path through the words.")
    return [
        Word(word, segment.start_frame / FRAMES_PER_SECOND, (segment.end_frame + 1) / FRAMES_PER_SECOND)
        for word, segment in zip(written, segments, strict=True)
    ]


def split_at_silences(
    wav: np.ndarray,
    text: str,
    min_seconds: float = 1.6,
    max_seconds: float = 8.0,
    cut_pause: float = 0.35,
    comma_pause: float = 0.12,
    margin: float = 0.08,
) -> list[Segment]:
    """Cut a recording at its pauses into segments of a suitable length for training a synthesizer.

    The recording is cut at every pause of at least `cut_pause` seconds, unless that would leave a segment shorter than
    `min_seconds`. A segment longer than `max_seconds` is then cut at its longest pause of at least `comma_pause`.
    Pauses inside a segment become commas where the text has no punctuation. Each segment keeps `margin` seconds of
    silence at either edge.

    Args:
        wav: float32 [samples] at 16 kHz, in [-1, 1].
        text: transcript in words, as for `align_words`.

    Returns:
        Segments in order; together they contain each word of the text once.

    Raises:
        AudioError, CorpusError: as `align_words`.
    """
    words = align_words(wav, text)
    pauses = np.array([after.start - before.end for before, after in zip(words, words[1:], strict=False)])

    def seconds(first: int, last: int) -> float:
        return words[last].end - words[first].start

    def cut(first: int, last: int, threshold: float) -> list[tuple[int, int]]:
        """Cut words first..last recursively at the longest pause that leaves two segments long enough."""
        for k in sorted(range(first, last), key=lambda k: -pauses[k]):
            if pauses[k] < threshold:
                break
            if min(seconds(first, k), seconds(k + 1, last)) >= min_seconds:
                return cut(first, k, threshold) + cut(k + 1, last, threshold)
        return [(first, last)]

    spans = []
    for first, last in cut(0, len(words) - 1, cut_pause):
        spans += cut(first, last, comma_pause) if seconds(first, last) > max_seconds else [(first, last)]

    total = len(wav) / SAMPLE_RATE
    segments = []
    for first, last in spans:
        parts = [_with_pause_mark(words[k].word, pauses[k] >= comma_pause) for k in range(first, last)]
        ending = "." if last == len(words) - 1 else ","
        parts.append(_with_pause_mark(words[last].word, True, ending))
        start = max(0.0, words[first].start - margin)
        inside = tuple(
            Word(part, word.start - start, word.end - start)
            for part, word in zip(parts, words[first : last + 1], strict=True)
        )
        segments.append(Segment(start, min(total, words[last].end + margin), " ".join(parts), inside))
    return segments


def _with_pause_mark(word: str, pause: bool, mark: str = ",") -> str:
    return word + mark if pause and word[-1] not in ",.;:!?-" else word
