"""Symbol sets of public synthesizers, by size: English letters, and pinyin with tone numbers (MockingBird)."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray
from unidecode import unidecode

from speech.errors import TextError
from synthesizer.text.symbols import CHARACTERS, EOS, PAD
from synthesizer.text.transcript import Token, Transcript

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_MARKS = "!'(),-.:;? "
ALPHABETS: dict[int, tuple[str, ...]] = {
    len(CHARACTERS): CHARACTERS,
    70: (PAD, EOS, *_LETTERS, *"12340", *_MARKS),  # of older models, with a 0 for the neutral tone
    75: (PAD, EOS, *_LETTERS, *"1234567890", *_MARKS),
}

_PINYIN_TOKEN = re.compile(r"[a-z0-9]+|.", re.DOTALL)
_IDEOGRAPH = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]")


def reads_pinyin(n_symbols: int) -> bool:
    """Whether a symbol set is that of pinyin with tone numbers."""
    return n_symbols != len(CHARACTERS)


def read_pinyin(text: str, n_symbols: int) -> Transcript:
    """A sentence of pinyin with tone numbers, in lower case. Characters that the model does not know are left out.

    Raises:
        TextError: it is in Chinese characters, or nothing in it can be spoken.
    """
    if found := _IDEOGRAPH.search(text):
        raise TextError(
            f"This synthesizer reads pinyin, and the text has the character {found[0]}: write ni3 hao3 with tone "
            "numbers instead."
        )
    known = frozenset(ALPHABETS[n_symbols]) - {PAD, EOS}
    lower = re.sub(r"\s+", " ", unidecode(text).lower())
    cleaned = "".join(character for character in lower if character in known).strip()
    if not any(character.isalpha() for character in cleaned):
        raise TextError(f"The text {text.strip()[:40]!r} has nothing that can be spoken: write at least one word.")
    return Transcript(tuple(Token(part) for part in _PINYIN_TOKEN.findall(cleaned)))


def symbols_of(transcript: Transcript, n_symbols: int) -> NDArray[np.int64]:
    """Symbol ids of a transcript of letters, int64 [tokens], the end symbol included.

    Raises:
        TextError: a character is not in the symbol set.
    """
    ids = {symbol: number for number, symbol in enumerate(ALPHABETS[n_symbols])}
    unknown = next((character for character in transcript.text if character not in ids), None)
    if unknown is not None:
        raise TextError(f"The character {unknown!r} is not among the symbols of this synthesizer: leave it out.")
    return np.array([*(ids[character] for character in transcript.text), ids[EOS]], np.int64)
