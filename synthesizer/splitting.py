"""Words of a sentence and their symbols, and splitting it: at punctuation, before a conjunction, or in the middle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from synthesizer.text.transcript import Token, Transcript

PUNCTUATION = ",;:.!?-"
CLOSERS = "\"')"
_CONJUNCTIONS = "and but or nor so yet because although though while when where which who that if unless until than as"
CONJUNCTIONS = frozenset(_CONJUNCTIONS.split())
OPEN_END = Token(",")  # ends a part that continues, as segments of training sentences do


@dataclass(frozen=True)
class Word:
    """A word and its symbols, `first` to `last - 1` of the encoded transcript."""

    spelling: str
    first: int
    last: int


@dataclass(frozen=True)
class Cut:
    """A sentence split in two. `at_punctuation` is true at a punctuation mark, where there is a pause."""

    left: Transcript
    right: Transcript
    at_punctuation: bool


def words_of(transcript: Transcript) -> list[Word]:
    """The words of a transcript, with their indices among the symbols of `encode(transcript, 1.0)`."""
    return [
        Word(token.spelling.strip("{}"), first, last)
        for token, first, last in _spans(transcript)
        if token.phonemes or any(character.isalpha() for character in token.spelling)
    ]


def breaks_of(transcript: Transcript) -> list[bool]:
    """For each symbol of `encode(transcript, 1.0)`, including the end symbol: is a pause natural there?"""
    words = words_of(transcript)
    breaks = [True] * (max((last for _, _, last in _spans(transcript)), default=0) + 1)
    for word in words:
        breaks[word.first : word.last] = [False] * (word.last - word.first)
    return breaks


def _spans(transcript: Transcript) -> Iterator[tuple[Token, int, int]]:
    first = 0
    for token in transcript.tokens:
        last = first + len(token.phonemes or token.spelling)
        yield token, first, last
        first = last


def split_transcript(transcript: Transcript, near: int | None = None) -> Cut | None:
    """Split a sentence between two words; None if it has a single word.

    First choice is the punctuation mark nearest to `near`, then the conjunction nearest to the middle, then the space
    nearest to the middle.

    Args:
        near: index of a symbol of `encode(transcript, 1.0)`; None for the middle.
    """
    tokens = transcript.tokens
    starts = _word_indices(tokens)
    if len(starts) < 2:
        return None
    firsts = [first for _, first, _ in _spans(transcript)]
    middle = (firsts[starts[0]] + firsts[-1]) / 2
    # Each candidate is the index of the first token of the right part: a word after a space.
    candidates = [start for start in starts[1:] if tokens[start - 1].spelling.isspace() or start - 1 in starts]
    candidates = candidates or starts[1:]
    after_marks = [start for start in candidates if _after_mark(tokens, start)]
    if after_marks:
        goal = middle if near is None else near
        start = min(after_marks, key=lambda index: abs(firsts[index] - goal))
    else:
        before_conjunctions = [index for index in candidates if tokens[index].spelling in CONJUNCTIONS]
        start = min(before_conjunctions or candidates, key=lambda index: abs(firsts[index] - middle))
    left = _stripped(tokens[:start])
    if not after_marks:
        left = (*left, OPEN_END)
    return Cut(Transcript(left), Transcript(_stripped(tokens[start:])), bool(after_marks))


def _word_indices(tokens: Sequence[Token]) -> list[int]:
    return [
        index
        for index, token in enumerate(tokens)
        if token.phonemes or any(character.isalpha() for character in token.spelling)
    ]


def _after_mark(tokens: Sequence[Token], start: int) -> bool:
    """Whether a word follows a punctuation mark, with a space and perhaps quotes or brackets between them."""
    index = start - 1
    while index >= 0 and (tokens[index].spelling.isspace() or tokens[index].spelling in CLOSERS + "("):
        index -= 1
    return index >= 0 and tokens[index].spelling in tuple(PUNCTUATION) and start - index > 1


def _stripped(tokens: Sequence[Token]) -> tuple[Token, ...]:
    first, last = 0, len(tokens)
    while first < last and tokens[first].spelling.isspace():
        first += 1
    while last > first and tokens[last - 1].spelling.isspace():
        last -= 1
    return tuple(tokens[first:last])
