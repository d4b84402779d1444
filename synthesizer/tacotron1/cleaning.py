"""Text as the public synthesizer was trained to read it: English words in lower-case letters, with punctuation.

Public checkpoints know no phonemes. `clean_english` gives the same text as the "english_cleaners" of their project, so
that they get the symbols they expect. An amount in pounds, which those misread, is the one exception.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from num2words import num2words
from unidecode import unidecode

from speech.errors import TextError
from synthesizer.text.symbols import CHARACTERS, EOS, PAD
from synthesizer.text.transcript import Token, Transcript, is_phoneme_attempt

if TYPE_CHECKING:
    from synthesizer.text.lexicon import Lexicon

logger = logging.getLogger(__name__)

ABBREVIATIONS = {
    "mrs": "misess", "mr": "mister", "dr": "doctor", "st": "saint", "co": "company", "jr": "junior", "maj": "major",
    "gen": "general", "drs": "doctors", "rev": "reverend", "lt": "lieutenant", "hon": "honorable", "sgt": "sergeant",
    "capt": "captain", "esq": "esquire", "ltd": "limited", "col": "colonel", "ft": "fort",
}  # fmt: skip

_ABBREVIATION = re.compile(rf"\b({'|'.join(ABBREVIATIONS)})\.")
_SEPARATED = re.compile(r"[0-9][0-9,]+[0-9]")
_POUNDS = re.compile(r"£([0-9,]*[0-9]+)")
_DOLLARS = re.compile(r"\$([0-9.,]*[0-9]+)")
_DECIMAL = re.compile(r"([0-9]+)\.([0-9]+)")
_ORDINAL = re.compile(r"([0-9]+)(?:st|nd|rd|th)")
_NUMBER = re.compile(r"[0-9]+")
_TOKEN = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*|.", re.DOTALL)
_KNOWN = frozenset(CHARACTERS) - {PAD, EOS}
MOST_DIGITS = 30  # of a number that is read as one


def read_letters(text: str, lexicon: Lexicon | None = None) -> Transcript:
    """A sentence as a transcript without phonemes. Characters that the model does not know are left out.

    Raises:
        TextError: nothing in it can be spoken, or it has phonemes in braces.
    """
    if inline := next((each for each in re.findall(r"\{([^{}]*)\}", text) if is_phoneme_attempt(each)), None):
        raise TextError(f"This synthesizer reads letters only: write a word instead of {{{inline}}}.")
    if lexicon is not None and lexicon.apply(text) != text:
        logger.warning("This synthesizer reads letters only: pronunciations of the lexicon are not used.")
    cleaned = "".join(character for character in clean_english(text) if character in _KNOWN).strip()
    if not any(character.isalpha() for character in cleaned):
        raise TextError(f"The text {text.strip()[:40]!r} has nothing that can be spoken: write at least one word.")
    return Transcript(tuple(Token(part) for part in _TOKEN.findall(cleaned)))


def letters_only(transcript: Transcript) -> Transcript:
    """The same transcript without phonemes. Raises: TextError if it has phonemes in braces."""
    if any(token.is_inline for token in transcript.tokens):
        raise TextError("This synthesizer reads letters only, and the transcript has phonemes in braces.")
    return Transcript(tuple(Token(token.spelling) for token in transcript.tokens))


def clean_english(text: str) -> str:
    """ASCII in lower case, with numbers, sums of money and common abbreviations as words, and single spaces."""
    text = unidecode(_POUNDS.sub(r"\1 pounds", text)).lower()
    text = _SEPARATED.sub(lambda found: found[0].replace(",", ""), text)
    text = _DOLLARS.sub(lambda found: _dollars(found[1]), text)
    text = _DECIMAL.sub(r"\1 point \2", text)
    text = _ORDINAL.sub(lambda found: _spelled(found[1], ordinal=True), text)
    text = _NUMBER.sub(lambda found: _number(found[0]), text)
    text = _ABBREVIATION.sub(lambda found: ABBREVIATIONS[found[1]], text)
    return re.sub(r"\s+", " ", text)


def _dollars(amount: str) -> str:
    whole, _, rest = amount.partition(".")
    if "." in rest:
        return f"{amount} dollars"
    dollars, cents = int(whole.replace(",", "") or 0), int(rest or 0)
    parts = [f"{dollars} dollar{'s' * (dollars != 1)}"] if dollars else []
    parts += [f"{cents} cent{'s' * (cents != 1)}"] if cents else []
    return ", ".join(parts) or "zero dollars"


def _number(digits: str) -> str:
    """A cardinal number; one between 1000 and 3000 in pairs of digits, as a year is read."""
    value = int(digits) if len(digits) <= MOST_DIGITS else 0
    if not 1000 < value < 3000 or value // 10 == 200:
        return _spelled(digits)
    hundreds, rest = divmod(value, 100)
    if rest == 0:
        return f"{_spelled(str(hundreds))} hundred"
    return f"{_spelled(str(hundreds))} {'oh ' if rest < 10 else ''}{_spelled(str(rest))}"


def _spelled(digits: str, ordinal: bool = False) -> str:
    if len(digits) > MOST_DIGITS:
        return " ".join(num2words(int(digit)) for digit in digits)
    words = num2words(int(digits), to="ordinal" if ordinal else "cardinal")
    return words if ordinal else words.replace(" and ", " ")
