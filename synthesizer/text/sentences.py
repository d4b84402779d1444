"""Sentence splitting for synthesis. Only white space is removed."""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from synthesizer.text.abbreviations import BEFORE_NUMBER, BOOKS, CALENDAR, CLIPPED, FINAL, INNER
from synthesizer.text.letters import ends_with_letter
from synthesizer.text.matching import word_set
from synthesizer.text.titles import CAPITALIZED, RANKS, TITLES

MAX_CHARACTERS = 200  # about 14 s of speech, a little more than the longest training utterances
_EXTRA_PER_DIGIT = 4  # a digit is spoken as about a word: "1999" is as long as "nineteen ninety-nine"
_MIN_WRAPPED_LINE = 40  # a line of this length that continues in lower case was wrapped
_MIN_SEGMENT = 25  # no cut is nearer than this to an end, since shorter segments sound like fragments

_CLOSERS = "\"'”’»)\\]}"
# A terminator with closing quotes and brackets, then white space. Chinese and Japanese terminators need no space.
_TERMINATOR = re.compile(rf"(?:\.{{2,}}|[.!?…]+)[{_CLOSERS}]*(?=\s)|[。！？]+[{_CLOSERS}」』]*")
_PARAGRAPH = re.compile(r"\s*\n\s*")
_INLINE = re.compile(r"\{[^{}]*\}")
_CONTINUES = re.compile(r"\s+[&+=/]\s")
_RANGE = re.compile(r"\s+[-–—]\s+[A-Z]")
_LAST_WORD = re.compile(r"(?:[^\W\d_]\.)*[^\W_]+$")

_NEVER_LAST = frozenset(TITLES) | frozenset(RANKS) | frozenset(INNER) | {"sq", "cu", "fl"}
_BEFORE_NUMBER = frozenset(BEFORE_NUMBER) | {word.lower() for word in [*CALENDAR, *BOOKS]} | {"c", "ca", "rs"}
_AMOUNT = re.compile(r"[\d½¼¾⅓⅔⅛⅜⅝⅞]\s?/?(?:(?:sq|cu|fl)\.?\s)?[a-z]+$")
_UNITS = word_set("""
    in ft yd yds ozs mi oz lb lbs tsp tbsp gal qt pt min mins sec secs hr hrs yr yrs mo mos wk wks sq cu fl km cm mm m
    kg g mg ml cl dl doz pcs qts pts ozs c tab tabs
""")
_BEFORE_LETTER = word_set("bldg apt ste rm fig sec tbl vol rev")
_MAYBE_LAST = frozenset(FINAL) | frozenset(CLIPPED) | {"st", "al"}
# Words that begin a sentence and are not part of a name
_STARTER_WORDS = """
    the a an he she it we they you i this that these those there here but and or so yet then when while if as at in on
    for from with by after before my your his her its our their what who why how where no not now one some all many
    however because although once since until nothing nobody everyone everything
"""
_STARTERS = frozenset(_STARTER_WORDS.split())
# Where a long sentence is cut, in order of preference. The cut is at the end of the match.
_BREAKS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:[;:!?…]|(?<=[a-z]{{4}})\.(?=[{_CLOSERS}]*\s+[A-Z]))[{_CLOSERS}]*\s+|\s(?:--|[—–-])\s+|[—]",
        rf",[{_CLOSERS}]*\s+|[、，；：]",
        r"\s+(?=(?:and|but|or|nor|because|although|though|while|when|where|which|who|that|if|unless|so|than|as)\s)",
        r"\s+(?=(?:between|from|with|in|on|at|for|by|after|before|during|about|into|over|under|through)\s)",
        r"\s+",
    )
)


def split_sentences(text: str, max_characters: int = MAX_CHARACTERS) -> list[str]:
    """Split a text at sentence and paragraph ends, and long sentences at clauses.

    Abbreviations, initials, decimals and ellipses do not end a sentence. A line break does, unless a long line
    continues in lower case. Segments without a letter or digit are joined to their neighbour.

    Args:
        text: any Unicode text, not normalized.
        max_characters: the maximum length of a segment, each digit counted as five characters. Only an unbroken run
            of inline phonemes may be longer.

    Returns:
        Stripped segments in order, with all characters of the text except white space; empty for a blank text.

    Raises:
        ValueError: max_characters is below 20.
    """
    if max_characters < 20:
        raise ValueError(f"max_characters must be at least 20, not {max_characters}")
    segments: list[str] = []
    for paragraph in _paragraphs(text):
        for sentence in _merge_unspeakable(list(_sentences(paragraph))):
            segments += _shorten(sentence, max_characters)
    return _merge_unspeakable(segments)


def _paragraphs(text: str) -> Iterator[str]:
    inline = _inline_spans(text)
    start = line = 0
    for match in _PARAGRAPH.finditer(text):
        single = match.group().count("\n") == 1
        wrapped = single and match.start() - line >= _MIN_WRAPPED_LINE and text[match.end() : match.end() + 1].islower()
        line = match.end()
        if wrapped or _inside(match.start(), inline):
            continue
        yield text[start : match.start()].strip()
        start = match.end()
    yield text[start:].strip()


def _sentences(paragraph: str) -> Iterator[str]:
    any_capitals = any(c.isupper() for c in paragraph)
    inline = _inline_spans(paragraph)
    start = 0
    for match in _TERMINATOR.finditer(paragraph):
        if not _inside(match.start(), inline) and _ends_sentence(paragraph, start, match, any_capitals):
            yield paragraph[start : match.end()].strip()
            start = match.end()
    if rest := paragraph[start:].strip():
        yield rest


def _ends_sentence(paragraph: str, start: int, match: re.Match[str], any_capitals: bool) -> bool:
    mark = match.group()
    if mark[0] in "。！？":
        return True
    following = re.match(r"\s*[\"'“‘«(\[¿¡]*(\w*)", paragraph[match.end() : match.end() + 60])
    next_word = following.group(1) if following else ""
    continues = next_word[:1].islower() and (any_capitals or mark[-1] in _CLOSERS)
    if mark.startswith(("..", "…")):
        return not continues and not next_word[:1].islower()
    if not mark.startswith("."):
        return not (continues and mark[-1] in _CLOSERS)
    if continues or _CONTINUES.match(paragraph, match.end()):
        return False
    found = _LAST_WORD.search(paragraph, max(start, match.start() - 40), match.start())
    word = found.group() if found else ""
    before = paragraph[max(start, match.start() - len(word) - 40) : match.start() - len(word)]
    stop = _Stop(word, next_word, before, paragraph[match.end() : match.end() + 8])
    if _is_item(stop) or _is_abbreviation(stop):
        return False
    if len(word) == 1 and word.isupper() and ends_with_letter(before + word):
        return next_word[:1].isupper() or next_word[:1].isdigit() or not next_word
    if stop.lower in _MAYBE_LAST or "." in word or (len(word) == 1 and word.isupper()):
        # "Co.", "U.S." and the initial "J." end a sentence where the next word would not be part of a name.
        is_initial = len(next_word) == 1 and next_word != "I" and stop.after.lstrip()[1:2] == "."
        return stop.lower == "etc" or (next_word[:1].isupper() and next_word.lower() in _STARTERS and not is_initial)
    return True


@dataclass(frozen=True)
class _Stop:
    """A full stop: the words on either side, and some text before the word and after the stop."""

    word: str
    next_word: str
    before: str
    after: str

    @property
    def lower(self) -> str:
        return self.word.lower()


def _is_item(stop: _Stop) -> bool:
    """Whether the stop belongs to the number of an item: "1. Open the door", "II. Methods", "a. first, b. second"."""
    if stop.word.isdigit() or re.fullmatch("[IVX]+", stop.word):
        return not stop.before.strip()
    lettered = len(stop.word) == 1 and stop.word.islower()
    return lettered and (not stop.before.strip() or stop.before.endswith(", "))


def _is_abbreviation(stop: _Stop) -> bool:
    """Whether the stop belongs to an abbreviation that does not end the sentence there."""
    word, lower, next_word = stop.word, stop.lower, stop.next_word
    amount = _AMOUNT.search((stop.before + word)[-20:])
    if lower in ("ft", "pt") and amount and next_word.lower() in _STARTERS:
        return False  # "He is 6 ft. He is tall."
    numbered = next_word[:1].isdigit() or re.fullmatch("[IVX]{2,}|[VX]", next_word)
    lettered = re.match(r"\s[B-HJ-Z](?!\w|\.\s\w)", stop.after)
    capital = next_word[:1].isupper()
    return bool(
        lower in _NEVER_LAST
        or word in ("max", "min")
        or (lower in _BEFORE_NUMBER | _UNITS and numbered)
        or (lower in _BEFORE_LETTER and lettered)  # "Bldg. C"
        or (lower == "no" and re.match(r"\s[A-Z]{1,4}-?\d", stop.after))  # "Model no. XR-500B"
        or (lower, next_word.lower()) in (("ref", "no"), ("sec", "of"))
        or ((word in CAPITALIZED or word == "v") and capital)  # "Sec. Clinton", "Roe v. Wade"
        or (word in CALENDAR and (next_word in CALENDAR or _RANGE.match(stop.after)))
        or (lower in _UNITS and amount and next_word[:1].islower())  # "10 lb. of sugar" in a text without capitals
    )


def _merge_unspeakable(segments: list[str]) -> list[str]:
    """Join segments without a letter or digit to the previous one, leading ones to the next one."""
    merged: list[str] = []
    for segment in filter(None, segments):
        if merged and (not _speakable(segment) or not _speakable(merged[-1])):
            merged[-1] += " " + segment
        else:
            merged.append(segment)
    return merged


def _speakable(segment: str) -> bool:
    return any(c.isalnum() for c in segment)


def spoken_length(text: str) -> int:
    """Length in characters, with each digit counted as five and each inline phoneme as one."""
    phonemes = sum(len(m.group()) - len(m.group().split()) for m in _INLINE.finditer(text))
    return len(text) + _EXTRA_PER_DIGIT * sum(c.isdigit() for c in text) - phonemes


def _shorten(sentence: str, limit: int) -> list[str]:
    """Cut a sentence recursively at its best break until all segments are within the limit."""
    if spoken_length(sentence) <= limit:
        return [sentence]
    cut = _best_cut(sentence, limit)
    if cut is None:
        return [sentence]
    return [segment for half in (sentence[:cut], sentence[cut:]) for segment in _shorten(half.strip(), limit)]


def _best_cut(sentence: str, limit: int) -> int | None:
    inline = _inline_spans(sentence)
    middle = len(sentence) / 2
    margin = min(_MIN_SEGMENT, limit // 3, len(sentence) // 3)
    for pattern in _BREAKS:
        cuts = [m.end() for m in pattern.finditer(sentence) if not _inside(m.end(), inline)]
        cuts = [c for c in cuts if margin <= c <= len(sentence) - margin]
        if cuts:
            return min(cuts, key=lambda c: abs(c - middle))
    # Without white space, cut between any two characters, but not inside phonemes.
    cuts = [c for c in range(1, len(sentence)) if not _inside(c, inline)]
    return min(cuts, key=lambda c: abs(c - middle)) if cuts else None


def _inline_spans(text: str) -> list[tuple[int, int]]:
    return [m.span() for m in _INLINE.finditer(text)] if "{" in text else []


def _inside(position: int, spans: list[tuple[int, int]]) -> bool:
    """Whether a position lies within one of the spans, which are in order."""
    before = bisect_left(spans, (position,))
    return before > 0 and position < spans[before - 1][1]
