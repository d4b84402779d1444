"""Where the words of a sentence are, and where it can be cut: at a mark, before a conjunction, or in the middle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from synthesizer.text.transcript import Token, Transcript

MARKS = ",;:.!?-"
CLOSERS = "\"')"
_CONJUNCTIONS = "and but or nor so yet because although though while when where which who that if unless until than as"
CONJUNCTIONS = frozenset(_CONJUNCTIONS.split())
OPEN_END = Token(",")  # what a piece that goes on ends with: pieces of training sentences do so too


@dataclass(frozen=True)
class Word:
    """A spoken word and its symbols, `first` to `last - 1` of the encoded transcript."""

    spelling: str
    first: int
    last: int


@dataclass(frozen=True)
class Cut:
    """A sentence cut in two. `at_mark` is true where a reader pauses; at other cuts the sound goes on."""

    left: Transcript
    right: Transcript
    at_mark: bool


def words_of(transcript: Transcript) -> list[Word]:
    """The words of a transcript, with their places among the symbols of `encode(transcript, 1.0)`."""
    return [
        Word(token.spelling.strip("{}"), first, last)
        for token, first, last in _spans(transcript)
        if token.phonemes or any(character.isalpha() for character in token.spelling)
    ]


def breaks_of(transcript: Transcript) -> list[bool]:
    """For each symbol of `encode(transcript, 1.0)`, the end mark included: may a reader pause there?"""
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
    """Cut a sentence at the best place between two of its words; None if it has a single word.

    Marks come first, the one nearest to where the trouble is; then the conjunction, then the blank nearest to the
    middle.

    Args:
        near: symbol of `encode(transcript, 1.0)` at which the reading got stuck; None for the middle.
    """
    tokens = transcript.tokens
    starts = _spoken_places(tokens)
    if len(starts) < 2:
        return None
    firsts = [first for _, first, _ in _spans(transcript)]
    middle = (firsts[starts[0]] + firsts[-1]) / 2
    # Each candidate is a place in `tokens` where the right piece begins, a word that stands free.
    candidates = [start for start in starts[1:] if tokens[start - 1].spelling.isspace() or start - 1 in starts]
    candidates = candidates or starts[1:]
    at_marks = [start for start in candidates if _after_mark(tokens, start)]
    if at_marks:
        goal = middle if near is None else near
        start = min(at_marks, key=lambda place: abs(firsts[place] - goal))
    else:
        before_conjunctions = [place for place in candidates if tokens[place].spelling in CONJUNCTIONS]
        start = min(before_conjunctions or candidates, key=lambda place: abs(firsts[place] - middle))
    left = _stripped(tokens[:start])
    if not at_marks:
        left = (*left, OPEN_END)
    return Cut(Transcript(left), Transcript(_stripped(tokens[start:])), bool(at_marks))


def _spoken_places(tokens: Sequence[Token]) -> list[int]:
    return [
        place
        for place, token in enumerate(tokens)
        if token.phonemes or any(character.isalpha() for character in token.spelling)
    ]


def _after_mark(tokens: Sequence[Token], start: int) -> bool:
    """Whether a mark with a blank behind it, and nothing else that is spoken, stands before a word."""
    place = start - 1
    while place >= 0 and (tokens[place].spelling.isspace() or tokens[place].spelling in CLOSERS + "("):
        place -= 1
    return place >= 0 and tokens[place].spelling in tuple(MARKS) and start - place > 1


def _stripped(tokens: Sequence[Token]) -> tuple[Token, ...]:
    first, last = 0, len(tokens)
    while first < last and tokens[first].spelling.isspace():
        first += 1
    while last > first and tokens[last - 1].spelling.isspace():
        last -= 1
    return tuple(tokens[first:last])
