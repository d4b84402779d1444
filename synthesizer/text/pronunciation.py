"""Pronunciation of words: CMUdict, homographs, inline ``{ARPABET}``, morphological rules and G2P."""

import functools
import re

from synthesizer.text.dictionary import look_up
from synthesizer.text.g2p import predict_phonemes
from synthesizer.text.homograph_context import Context
from synthesizer.text.homographs import HOMOGRAPHS, disambiguate
from synthesizer.text.inflection import past_phonemes, plural_phonemes
from synthesizer.text.letters import AFTER_LETTER, BEFORE_LETTER
from synthesizer.text.marked_words import ACCENTS, MARKED_PRONUNCIATIONS, respelled, without_marks
from synthesizer.text.transcript import Token, Transcript, encode, parse_phonemes

__all__ = ["Token", "Transcript", "encode", "parse_phonemes", "pronounce", "transcribe"]

# Inline phonemes, a word with the apostrophes in and around it, a run of spaces, or one other character.
_TOKEN = re.compile(rf"\{{[^{{}}]*\}}|'?[A-Za-z{ACCENTS}]+(?:'[a-z]+)*'?|\s+|.", re.DOTALL)
_MARKED = re.compile(rf"(?P<word>[a-z]*[A-Z{ACCENTS}][a-z{ACCENTS}]*?)(?P<suffix>'?s)?(?P<quote>')?")
_CLITICS = {"t": ("T",), "ll": ("AH0", "L"), "ve": ("V",), "re": ("ER0",), "m": ("M",)}
# Suffixes with their phonemes, and the letters that a stem may lose before them
_SUFFIXES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("ing", ("IH0", "NG"), ("", "e")),
    ("ings", ("IH0", "NG", "Z"), ("", "e")),
    ("ly", ("L", "IY0"), ("",)),
    ("ness", ("N", "AH0", "S"), ("",)),
    ("less", ("L", "AH0", "S"), ("",)),
    ("ful", ("F", "AH0", "L"), ("",)),
    ("fully", ("F", "AH0", "L", "IY0"), ("",)),
    ("able", ("AH0", "B", "AH0", "L"), ("", "e")),
    ("ably", ("AH0", "B", "L", "IY0"), ("", "e")),
    ("ward", ("W", "ER0", "D"), ("",)),
    ("wards", ("W", "ER0", "D", "Z"), ("",)),
    ("ship", ("SH", "IH2", "P"), ("",)),
    ("like", ("L", "AY2", "K"), ("",)),
    ("shire", ("SH", "ER0"), ("",)),
)
_PREFIXES = {"un": ("AH0", "N"), "non": ("N", "AA0", "N"), "mis": ("M", "IH0", "S")}
# CMUdict has so many short names that shorter parts match almost any word; G2P is more accurate for those.
_MIN_COMPOUND_PART = 5  # letters
_MIN_STEM = 4  # letters after a prefix
_NEAR_WORDS = 8  # on either side, for homographs
_MAX_WORD = 40  # letters; longer strings are not words, and the rules would be slow on them


def transcribe(normalized: str) -> Transcript:
    """Split a normalized text into words, spaces and punctuation, and look up the phonemes of each word.

    Args:
        normalized: from `synthesizer.text.cleaners.normalize` or `clean`.

    Raises:
        TextError: an inline ``{...}`` contains an unknown phoneme.
    """
    tokens: list[Token] = []
    for match in _TOKEN.finditer(normalized):
        part = match.group()
        if part.startswith("{"):
            phonemes = parse_phonemes(part[1:-1])
            tokens.append(Token("{" + " ".join(phonemes) + "}", phonemes))
        elif any(character.isalpha() for character in part):
            tokens += _word_tokens(part)
        else:
            tokens.append(Token(part))
    return Transcript(tuple(_homographs(_letters_by_name(tokens))))


def _word_tokens(part: str) -> list[Token]:
    """Separate a word from quotation marks; an outer apostrophe may belong to the word ('tis, runnin')."""
    if (marked := _MARKED.fullmatch(part)) is not None:
        return _marked_tokens(marked)
    if (whole := look_up(part)) is not None:
        return [Token(part, whole)]
    lead = "'" if part.startswith("'") else ""
    tail = "'" if part.endswith("'") else ""
    word = part[len(lead) : len(part) - len(tail)]
    if lead and tail and (inner := look_up(lead + word)) is not None:
        return [Token(lead + word, inner), Token(tail)]
    if tail and (inner := look_up(word + tail)) is not None:
        return [Token(lead), Token(word + tail, inner)] if lead else [Token(word + tail, inner)]
    tokens = [Token(lead)] if lead else []
    tokens.append(Token(word, pronounce(word)))
    if tail:
        tokens.append(Token(tail))
    return tokens


def _marked_tokens(match: re.Match[str]) -> list[Token]:
    """A word whose capital or accent changes its pronunciation."""
    word, suffix = match["word"], match["suffix"] or ""
    entry = MARKED_PRONUNCIATIONS.get(word)
    phonemes = tuple(entry.split()) if entry else pronounce(respelled(word.lower()))
    if phonemes and suffix:
        phonemes += plural_phonemes(phonemes)
    tokens = [Token(without_marks(word + suffix), phonemes)]
    return [*tokens, Token("'")] if match["quote"] else tokens


def _letters_by_name(tokens: list[Token]) -> list[Token]:
    """Pronounce "a" as the letter, not the article, in "option a", "a-list" and "an a minus".

    Other letters are found by `synthesizer.text.letters` while the text has capitals.
    """
    return [
        Token("a", ("EY1",)) if token.spelling == "a" and _is_letter_a(tokens, i) else token
        for i, token in enumerate(tokens)
    ]


def _is_letter_a(tokens: list[Token], i: int) -> bool:
    spellings = [tokens[k].spelling if 0 <= k < len(tokens) else "" for k in range(i - 2, i + 3)]
    before, left, _, right, after = spellings
    if (right == "-" and left != "-") or left == right in ("'", '"') or (left == " " and before == "an"):
        return True
    if left != " " or before not in BEFORE_LETTER:
        return False
    return right != " " or after in AFTER_LETTER or before == "vitamin"


def _homographs(tokens: list[Token]) -> list[Token]:
    result = list(tokens)
    for i, token in enumerate(tokens):
        if token.spelling in HOMOGRAPHS and token.phonemes == look_up(token.spelling):
            result[i] = Token(token.spelling, disambiguate(token.spelling, _context(tokens, i)))
    return result


def _context(tokens: list[Token], i: int) -> Context:
    """The words on each side, up to punctuation other than quotation marks and hyphens."""
    around = []
    for step in (-1, 1):
        found: list[str] = []
        position = i + step
        while 0 <= position < len(tokens) and len(found) < _NEAR_WORDS:
            spelling = tokens[position].spelling
            if spelling[0].isalpha() or spelling[0] == "{":
                found.append(spelling)
            elif spelling.strip(" '\"-"):
                break
            position += step
        around.append(found)
    left, right = around
    before, before_that = [*left, "", ""][:2]
    after, after_that = [*right, "", ""][:2]
    return Context(before, before_that, after, after_that, not left, frozenset(left) | frozenset(right))


@functools.lru_cache(maxsize=16384)
def pronounce(word: str) -> tuple[str, ...] | None:
    """The phonemes of a lower-case word.

    CMUdict comes first, then suffixes, contractions, prefixes, compounds and repeated letters, and G2P last. None if
    the string has no letters that G2P can pronounce.
    """
    if len(word) <= _MAX_WORD:
        for rule in (look_up, _with_suffix, _contraction, _with_prefix, _compound, _lengthened):
            if phonemes := rule(word):
                return phonemes
    return predict_phonemes(word.replace("'", "")) or None


def _with_suffix(word: str) -> tuple[str, ...] | None:
    """Possessives, plurals, -ed, -ing, -ly and other suffixes of words that the dictionary has."""
    if word.endswith("'s"):
        base = pronounce(word[:-2])
        return base and base + plural_phonemes(base)
    for stem in _stems(word, "s", ("", "e"), forbidden="siu'") + _stems(word, "ies", ("y",)):
        if base := look_up(stem):
            return base + plural_phonemes(base)
    for stem in _stems(word, "ed", ("", "e")) + _stems(word, "ied", ("y",)):
        if base := look_up(stem):
            return base + past_phonemes(base)
    for suffix, sound, restored in _SUFFIXES:
        for stem in _stems(word, suffix, restored):
            if base := look_up(stem):
                return base[:-1] + sound if base[-1] == sound[0] else base + sound  # "really" has one L
    return None


def _stems(word: str, suffix: str, restored: tuple[str, ...], forbidden: str = "'") -> list[str]:
    """Possible stems of a word with a suffix: walk-ed, smil-e(d), stop-p(ed)."""
    stem = word.removesuffix(suffix)
    if stem == word or len(stem) < 3 or stem[-1] in forbidden:
        return []
    stems = [stem + letter for letter in restored]
    if suffix == "s" and word.endswith("es"):
        stems.append(stem[:-1])
    if suffix in ("ed", "ing") and stem[-1] == stem[-2]:
        stems.append(stem[:-1])
    return stems


def _contraction(word: str) -> tuple[str, ...] | None:
    """Known parts joined by an apostrophe (y'all'd, l'amour)."""
    head, apostrophe, clitic = word.rpartition("'")
    if not apostrophe:
        return None
    base = pronounce(head)
    if base is None:
        return None
    if clitic == "d":
        return base + past_phonemes(base)
    tail = _CLITICS.get(clitic) or pronounce(clitic)
    return tail and base + tail


def _with_prefix(word: str) -> tuple[str, ...] | None:
    for prefix, sound in _PREFIXES.items():
        stem = word.removeprefix(prefix)
        if stem != word and len(stem) >= _MIN_STEM and (base := look_up(stem) or _with_suffix(stem)):
            return sound + base
    return None


def _compound(word: str) -> tuple[str, ...] | None:
    """Two known words written as one (wolfhound), the second with secondary stress."""
    cuts = range(_MIN_COMPOUND_PART, len(word) - _MIN_COMPOUND_PART + 1)
    for cut in sorted(cuts, key=lambda c: abs(2 * c - len(word))):
        head, tail = look_up(word[:cut]), look_up(word[cut:])
        if head and tail:
            return head + tuple(phoneme.replace("1", "2") for phoneme in tail)
    return None


def _lengthened(word: str) -> tuple[str, ...] | None:
    """'soooo' -> "so", 'coooool' -> "cool"."""
    if not re.search(r"(.)\1\1", word):
        return None
    once, twice = (re.sub(r"(.)\1{2,}", repeated, word) for repeated in (r"\1", r"\1\1"))
    at_end = word[-1] == word[-2] == word[-3]
    return (look_up(once) or look_up(twice)) if at_end else (look_up(twice) or look_up(once))
