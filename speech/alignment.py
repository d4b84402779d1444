"""Where each word of a transcript lies in its recording, and the pieces between the pauses.

Read speech pauses where its transcript shows no comma. A synthesizer that is trained on such utterances learns pauses
at random places, and long ones cost it memory and attention. `split_at_silences` cuts a recording where the reader
paused and writes the pauses that remain into the text as commas.

The aligner is PocketSphinx's forced alignment with the English model inside its wheel: about a hundred times faster
than real time on one core.
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

# A word that no dictionary has still needs some pronunciation to be aligned. Letters as they mostly sound do.
LETTER_SOUNDS = {
    "sh": "SH", "ch": "CH", "th": "TH", "ph": "F", "wh": "W", "ck": "K", "ng": "NG", "qu": "K W", "ee": "IY",
    "ea": "IY", "oo": "UW", "ou": "AW", "ow": "OW", "ai": "EY", "ay": "EY", "oi": "OY", "oy": "OY", "au": "AO",
    "aw": "AO", "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH",
    "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T",
    "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "IY", "z": "Z",
}  # fmt: skip
SOUND_PATTERN = re.compile("|".join(sorted(LETTER_SOUNDS, key=len, reverse=True)))


@dataclass(frozen=True)
class Word:
    """One word of the transcript as it was written, with its start and end in seconds."""

    word: str
    start: float
    end: float


@dataclass(frozen=True)
class Piece:
    """A stretch of a recording between two pauses: start and end in seconds, its text, and each word of the text with
    its times, counted from the start of the piece."""

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()


@functools.cache
def _decoder():
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise CorpusError("splitting at silences needs the aligner: pip install pocketsphinx") from error
    return Decoder(lm=None, loglevel="FATAL", samprate=SAMPLE_RATE, cmn="batch")


def _spelled(word: str) -> str:
    return re.sub(r"[^a-z']", "", word.lower().replace("’", "'")).strip("'")


def _ensure_pronounceable(word: str) -> None:
    if _decoder().lookup_word(word) is None:
        sounds = " ".join(LETTER_SOUNDS[match] for match in SOUND_PATTERN.findall(word))
        _decoder().add_word(word, sounds or "AH", True)


def align_words(wav: np.ndarray, text: str) -> list[Word]:
    """Forced alignment of a transcript.

    Args:
        wav: float32 [samples] at 16 kHz, in [-1, 1].
        text: what is said, in words (digits must be spelled out before); punctuation stays with its word.

    Returns:
        The words in order, times in seconds.

    Raises:
        AudioError: the recording and the text do not fit each other.
    """
    written = [word for word in text.split() if _spelled(word)]
    if not written or not len(wav):
        raise AudioError("there is nothing to align: the text or the recording is empty")
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
        raise AudioError("the recording does not fit its transcript: the aligner found no path through the words")
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
) -> list[Piece]:
    """Cut a recording at its pauses into pieces of a length that suits a synthesizer.

    Every pause of at least `cut_pause` seconds is a cut, unless a piece shorter than `min_seconds` would come of it.
    A piece longer than `max_seconds` is then cut at its longest pause of at least `comma_pause`. Pauses that stay
    inside a piece become commas where the text has no punctuation. Each piece keeps `margin` seconds of silence at
    either edge.

    Returns:
        Pieces in order. Their words are all the words of the text, each once.

    Raises:
        AudioError: see `align_words`.
    """
    words = align_words(wav, text)
    pauses = np.array([after.start - before.end for before, after in zip(words, words[1:], strict=False)])

    def seconds(first: int, last: int) -> float:
        return words[last].end - words[first].start

    def cut(first: int, last: int, threshold: float) -> list[tuple[int, int]]:
        """Cut words first..last at the longest pause that leaves two pieces long enough, and go on in both."""
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
    pieces = []
    for first, last in spans:
        parts = [_pause_written(words[k].word, pauses[k] >= comma_pause) for k in range(first, last)]
        ending = "." if last == len(words) - 1 else ","
        parts.append(_pause_written(words[last].word, True, ending))
        start = max(0.0, words[first].start - margin)
        inside = tuple(
            Word(part, word.start - start, word.end - start)
            for part, word in zip(parts, words[first : last + 1], strict=True)
        )
        pieces.append(Piece(start, min(total, words[last].end + margin), " ".join(parts), inside))
    return pieces


def _pause_written(word: str, pause: bool, mark: str = ",") -> str:
    return word + mark if pause and word[-1] not in ",.;:!?-" else word
