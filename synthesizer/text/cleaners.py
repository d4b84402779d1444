"""Text normalization: any Unicode text to lower-case words in the synthesizer's alphabet."""

import logging
import re

from speech.errors import TextError
from synthesizer.text.abbreviations import expand_abbreviations
from synthesizer.text.addresses import expand_addresses
from synthesizer.text.dictionary import is_known
from synthesizer.text.initialisms import expand_initialisms, expand_initials
from synthesizer.text.letters import mark_letters
from synthesizer.text.links import expand_links
from synthesizer.text.marked_words import ACCENTS, lower_except_marked, without_marks
from synthesizer.text.markup import expand_symbols, remove_kaomoji, remove_link_targets, remove_markup
from synthesizer.text.matching import word_set
from synthesizer.text.number_rules import expand_numbers
from synthesizer.text.roman import expand_roman_numerals
from synthesizer.text.symbols import CLEAN_CHARACTERS
from synthesizer.text.transcript import is_phoneme_attempt, parse_phonemes
from synthesizer.text.transliteration import CURRENCY_SIGNS, Losses, to_ascii

logger = logging.getLogger(__name__)

_INLINE = re.compile(r"(\{[^{}]*\})")
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
    "Ω": " ohms ",
    "×": " times ",
    "$": " dollars ",
    "£": " pounds ",
    "€": " euros ",
    "¥": " yen ",
    "¢": " cents ",
    # Separators
    "_": " ",
    "|": ", ",
    "[": "(",
    "]": ")",
}

_FUNCTION_WORDS = word_set("a an and are at by do for go he i in is it my no not of on or she so the to we you")


def clean(text: str) -> str:
    """Normalize a text: write numbers, money, dates, abbreviations, initialisms and links as words.

    Quotes and dashes become ASCII, accents are removed and other scripts are transliterated. Characters that cannot be
    spoken are removed; one warning lists them. Inline phonemes ``{HH AH0 L OW1}`` are checked and kept in upper case.

    Args:
        text: any Unicode text.

    Returns:
        Lower-case letters, single spaces, the punctuation marks ``!'"(),-.:;?`` and inline phonemes. It contains at
        least one letter.

    Raises:
        TextError: nothing in the text can be spoken, or braces contain an unknown phoneme.
    """
    parts = _INLINE.split(normalize(text))
    return "".join(part if i % 2 else without_marks(part) for i, part in enumerate(parts))


def normalize(text: str) -> str:
    """`clean`, except that words keep a capital or accent that changes their pronunciation (`marked_words`).

    Raises:
        TextError: as `clean`.
    """
    losses = Losses()
    phonemes: list[str] = []
    placeholder = _placeholder(text)

    def keep(match: re.Match[str]) -> str:
        inside = match.group()[1:-1]
        if not inside.strip():
            return losses.drop(match)  # "{}"
        if not is_phoneme_attempt(inside):
            return f"({inside})"  # other braces, as in code
        phonemes.append("{" + " ".join(parse_phonemes(inside)) + "}")
        return placeholder

    text = _INLINE.sub(keep, remove_link_targets(text, losses))
    all_caps = _is_all_caps(text.replace(placeholder, ""))
    cleaned = _tidy(_apply_rules(text, all_caps, losses))
    inline = iter(phonemes)
    cleaned = re.sub(placeholder.lower(), lambda _: next(inline), cleaned)
    if losses:
        logger.warning("%s", losses.message())
    if not any(c.isalpha() for c in cleaned):
        shown = " ".join(text.split())[:40]
        raise TextError(f"The text {shown!r} has nothing that can be spoken; write at least one word or number.")
    return cleaned


def _placeholder(text: str) -> str:
    """A word that is not in the text. It replaces inline phonemes, so that the rules treat them as a name."""
    lower = text.lower()
    return next(w for i in range(len(text) + 1) if (w := "Qxz" + "jq" * i + "oa").lower() not in lower)


def _is_all_caps(text: str) -> bool:
    """Whether the text is in capitals and contains an ordinary word, not only initialisms."""
    if any(c.islower() for c in text):
        return False
    words = re.findall(r"[^\W\d_]{2,}", text)
    return len(words) > 1 and any(_is_ordinary(word.lower()) for word in words)


def _is_ordinary(word: str) -> bool:
    return (
        word in _FUNCTION_WORDS
        or len(word) > 5
        or (len(word) > 3 and bool(set(word) & set("aeiou")) and is_known(word))
    )


def _apply_rules(text: str, all_caps: bool, losses: Losses) -> str:
    """Apply all rules in order. Each rule sees the output of those before it."""
    text = mark_letters(to_ascii(remove_kaomoji(text, losses), losses))
    text = expand_links(text)
    text = remove_markup(text, losses)
    text = expand_symbols(text)
    text = expand_addresses(text) if not all_caps else text
    text = expand_abbreviations(text)
    text = expand_roman_numerals(text)
    text = expand_numbers(text)
    text = expand_initials(text)
    text = expand_initialisms(text, all_caps)
    text = lower_except_marked(text, all_caps)
    return "".join(_allowed(c, losses) for c in text)


def _allowed(character: str, losses: Losses) -> str:
    if character in CLEAN_CHARACTERS or character in ACCENTS or character.isupper():
        return character
    if character.isspace():
        return " "
    if character not in _SPOKEN_SIGNS:
        losses.dropped.append(character)
    return _SPOKEN_SIGNS.get(character, " " if character in CURRENCY_SIGNS else "")


def _tidy(text: str) -> str:
    """Collapse white space and repeated punctuation."""
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"^ ?(?:[,;] ?)+", "", text)
    text = re.sub(r"\s+(?=[,.;:!?])(?!\.\w)", "", text)
    text = re.sub(r"(?<=\() | (?=\))", "", text)
    text = re.sub(r"([,;:!?])(?=[^\W\d_])", r"\1 ", text)
    text = re.sub(r"\.{4,}", "...", text)
    text = re.sub(r"-{3,}", "--", text)
    text = re.sub(r"([,;:!?'\"])\1+", r"\1", text)
    # Long runs of punctuation would confuse the attention.
    text = re.sub(r"(?:[!'\"(),\-.:;?] ?){7,}", lambda m: m.group()[:3] + " ", text)
    return re.sub(r" {2,}", " ", text).strip()
