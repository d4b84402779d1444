"""The cleaner: any Unicode text in, lower-case words in the synthesizer's characters out."""

import logging
import re

from speech.errors import TextError
from synthesizer.text.abbreviations import (
    expand_abbreviations,
    expand_initialisms,
    expand_initials,
    expand_links,
    expand_roman_numerals,
)
from synthesizer.text.characters import CURRENCY_SIGNS, Losses, to_ascii
from synthesizer.text.quantities import expand_quantities
from synthesizer.text.symbols import CLEAN_CHARACTERS
from synthesizer.text.transcript import parse_phonemes

logger = logging.getLogger(__name__)

_INLINE = re.compile(r"(\{[^{}]*\})")
_MARKUP = re.compile(r"[<>](?!\s?[\d.$])")  # before a number it compares
_SPOKEN_SIGNS = {
    "&": " and ",
    "@": " at ",
    "%": " percent ",
    "+": " plus ",
    "=": " equals ",
    "#": " number ",
    "<": " less than ",
    ">": " greater than ",
    "/": " slash ",
    "\\": " backslash ",
    "°": " degrees ",
    "μ": " micro ",
    "$": " dollars ",
    "£": " pounds ",
    "€": " euros ",
    "¥": " yen ",
    "¢": " cents ",
    # Marks that only separate are heard as what separates.
    "_": " ",
    "|": ", ",
    "[": "(",
    "]": ")",
}


def clean(text: str) -> str:
    """Writes a text as it is spoken: numbers, money, dates, abbreviations, initialisms and links in words.

    Quotes and dashes are straightened, accents go, other scripts are transliterated. What cannot be spoken is left out,
    and one logged warning lists it. Inline phonemes ``{HH AH0 L OW1}`` stay as they are, checked and in capitals.

    Args:
        text: any Unicode text.

    Returns:
        Lower-case letters, single spaces and the marks ``!'"(),-.:;?``, besides inline phonemes; something to speak
        is in it.

    Raises:
        TextError: nothing in the text can be spoken, or braces hold an unknown phoneme.
    """
    losses = Losses()
    shouting = not any(c.islower() for c in text) and len(re.findall(r"[^\W\d_]{2,}", text)) > 1
    pieces = [
        "{" + " ".join(parse_phonemes(piece[1:-1])) + "}" if i % 2 else _clean_piece(piece, shouting, losses)
        for i, piece in enumerate(_INLINE.split(text))
    ]
    cleaned = _tidy("".join(pieces))
    if losses:
        logger.warning("%s", losses.sentence())
    if not any(c.isalpha() for c in cleaned):
        shown = " ".join(text.split())[:40]
        raise TextError(f"The text {shown!r} has nothing that can be spoken; write at least one word or number.")
    return cleaned


def _clean_piece(text: str, shouting: bool, losses: Losses) -> str:
    text = to_ascii(text, losses)
    text = expand_links(text)
    text = re.sub(r"#(?=[A-Za-z])", "hashtag ", text)
    text = re.sub(r"~\s?(?=\d)", "about ", text)
    text = _MARKUP.sub(losses.drop, text)
    text = re.sub(r"(?<=\d)\s?\*\s?(?=\d)", " times ", text)
    text = expand_abbreviations(text)
    text = expand_roman_numerals(text)
    text = expand_quantities(text)
    text = expand_initials(text)
    text = expand_initialisms(text, shouting)
    return "".join(_allowed(c, losses) for c in text.lower())


def _allowed(character: str, losses: Losses) -> str:
    if character in CLEAN_CHARACTERS:
        return character
    if character.isspace():
        return " "
    if character not in _SPOKEN_SIGNS:
        losses.dropped.append(character)
    return _SPOKEN_SIGNS.get(character, " " if character in CURRENCY_SIGNS else "")


def _tidy(text: str) -> str:
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"\s+(?=[,.;:!?])(?!\.\w)", "", text)
    text = re.sub(r"([,;:!?])(?=[a-z])", r"\1 ", text)
    text = re.sub(r"\.{4,}", "...", text)
    text = re.sub(r"-{3,}", "--", text)
    text = re.sub(r"([,;:!?'\"])\1+", r"\1", text)
    # Marks without words between them say no more when there are many, and would only confuse the attention.
    text = re.sub(r"(?:[!'\"(),\-.:;?] ?){7,}", lambda m: m.group()[:3] + " ", text)
    return re.sub(r" {2,}", " ", text).strip()
