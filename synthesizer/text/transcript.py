"""Transcripts: words with pronunciations, their JSON form, and their encoding to symbol ids.

Feature stores keep text in this form, so that training needs neither CMUdict nor text normalization.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from speech.errors import TextError
from synthesizer.text.symbols import EOS_ID, PHONEME_MARK, PHONEMES, STRESSES, VOWELS, symbol_ids

_ARPABET_LIKE = re.compile(r"[A-Za-z]{1,3}\d?")
_PLACEHOLDERS = frozenset(["ID", "IP", "OK", "IT", "TO", "NO", "AM", "PM", "US", "UK", "UI", "ME", "MY"])
_KNOWN_PHONEMES = frozenset(PHONEMES)
_VOWELS = frozenset(VOWELS)


@dataclass(frozen=True)
class Token:
    """A word, white space or one punctuation mark.

    Attributes:
        spelling: the characters; for inline phonemes the whole ``{HH AH0 L OW1}``.
        phonemes: ARPABET with stress; None if no pronunciation is known.
    """

    spelling: str
    phonemes: tuple[str, ...] | None = None

    @property
    def is_inline(self) -> bool:
        """True for ``{HH AH0 L OW1}``, which is always encoded as phonemes."""
        return self.spelling.startswith("{")


@dataclass(frozen=True)
class Transcript:
    """The tokens of a text in order."""

    tokens: tuple[Token, ...]

    def to_json(self) -> str:
        """Compact JSON: a list of spellings and of ``[spelling, "HH AH0 L OW1"]`` pairs."""
        items: list[Any] = [
            t.spelling if t.phonemes is None else [t.spelling, " ".join(t.phonemes)] for t in self.tokens
        ]
        return json.dumps(items, ensure_ascii=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Transcript":
        """Inverse of `to_json`.

        Raises:
            TextError: the text is not in the format of `to_json`, or contains an unknown phoneme.
        """
        try:
            items = json.loads(text)
        except (TypeError, ValueError):
            items = None
        if not isinstance(items, list):
            raise TextError("A stored transcript cannot be read: run the preprocessing again.")
        return cls(tuple(_token_of(item) for item in items))

    @property
    def text(self) -> str:
        """The normalized text."""
        return "".join(token.spelling for token in self.tokens)

    @property
    def words(self) -> tuple[Token, ...]:
        """Tokens with phonemes or letters: words and inline phonemes."""
        return tuple(t for t in self.tokens if t.phonemes or any(c.isalpha() for c in t.spelling))


def _token_of(item: Any) -> Token:
    if isinstance(item, str) and item:
        return Token(item)
    if isinstance(item, list) and len(item) == 2 and all(isinstance(part, str) and part for part in item):
        return Token(item[0], parse_phonemes(item[1]))
    raise TextError(f"A stored transcript contains the invalid token {str(item)[:40]!r}: run the preprocessing again.")


def parse_phonemes(text: str) -> tuple[str, ...]:
    """Parse ARPABET such as ``HH AH0 L OW1``, in upper or lower case.

    A vowel without a stress digit gets primary stress if no vowel before it has, else no stress.

    Raises:
        TextError: the text is empty or contains an unknown phoneme.
    """
    phonemes: list[str] = []
    for name in text.upper().split():
        if name in _VOWELS:
            name += STRESSES[0] if any(p.endswith("1") for p in phonemes) else STRESSES[1]
        if name not in _KNOWN_PHONEMES:
            raise TextError(
                f"Unknown phoneme {name[:20]!r} in {text.strip()[:60]!r}: write ARPABET such as HH AH0 L OW1, "
                "vowels with stress 0, 1 or 2."
            )
        phonemes.append(name)
    if not phonemes:
        raise TextError("Empty braces: write phonemes in them, such as {HH AH0 L OW1}, or remove them.")
    return tuple(phonemes)


def is_phoneme_attempt(text: str) -> bool:
    """Whether a text in braces looks like ARPABET, even if it has errors: '{HH QQ}', but not '{name}' or '{id}'.

    Its words have up to three letters and a digit. One of them is a phoneme, or they are in capitals and at most two
    letters long. A single placeholder such as '{URL}' or '{ID}' is not an attempt.
    """
    words = text.split()
    if not words or text in _PLACEHOLDERS or not all(_ARPABET_LIKE.fullmatch(word) for word in words):
        return False
    known = any(word.upper() in _KNOWN_PHONEMES | _VOWELS for word in words if len(word) > 1 or word.isupper())
    return known or (text.isupper() and all(len(word.rstrip("0123456789")) == 2 for word in words))


def encode(transcript: Transcript, phoneme_probability: float, rng: np.random.Generator | None = None) -> np.ndarray:
    """Encode a transcript as symbol ids. Each word is encoded as phonemes with a probability, else as characters.

    A mixed representation in training lets the model pronounce words that no dictionary has (Ping et al., 2018, Deep
    Voice 3, section 3.2). With a probability of 0 or 1 no random number is drawn.

    Args:
        transcript: from `synthesizer.text.pronunciation.transcribe` or `Transcript.from_json`.
        phoneme_probability: in [0, 1]. Words without a known pronunciation are always encoded as characters, inline
            phonemes always as phonemes.
        rng: required if 0 < phoneme_probability < 1.

    Returns:
        int64 ids [symbols]; the last one is the end-of-sequence symbol.

    Raises:
        TextError: a character is not in the alphabet (the text was not normalized).
        ValueError: the probability is out of range, or `rng` is missing.
    """
    if not 0.0 <= phoneme_probability <= 1.0:
        raise ValueError(f"phoneme_probability must be in [0, 1], not {phoneme_probability}")
    mixed = 0.0 < phoneme_probability < 1.0
    if mixed and rng is None:
        raise ValueError("a phoneme_probability between 0 and 1 requires an rng")
    ids: list[int] = []
    for token in transcript.tokens:
        if token.phonemes is None:
            use_phonemes = False
        elif token.is_inline:
            use_phonemes = True
        elif mixed and rng is not None:
            use_phonemes = bool(rng.random() < phoneme_probability)
        else:
            use_phonemes = phoneme_probability == 1.0
        if use_phonemes and token.phonemes:
            ids += [symbol_ids[PHONEME_MARK + phoneme] for phoneme in token.phonemes]
        else:
            ids += _character_ids(token.spelling)
    ids.append(EOS_ID)
    return np.asarray(ids, dtype=np.int64)


def _character_ids(spelling: str) -> list[int]:
    try:
        return [symbol_ids[character] for character in spelling]
    except KeyError as error:
        raise TextError(f"The synthesizer has no symbol for {error.args[0]!r}: normalize the text first.") from None
