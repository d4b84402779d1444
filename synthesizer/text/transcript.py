"""A transcript: words with their pronunciations, stored as JSON, encoded to ids. Needs numpy alone.

This is the form in which a feature store keeps text, so that a training machine needs neither CMUdict nor the cleaner.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from speech.errors import TextError
from synthesizer.text.symbols import EOS_ID, PHONEME_MARK, PHONEMES, STRESSES, VOWELS, symbol_ids

_KNOWN_PHONEMES = frozenset(PHONEMES)
_VOWELS = frozenset(VOWELS)


@dataclass(frozen=True)
class Token:
    """A word, a run of spaces or one punctuation mark.

    Attributes:
        spelling: the characters; for phonemes that the writer gave inline, the whole ``{HH AH0 L OW1}``.
        phonemes: ARPABET with stress, or None where no pronunciation is known.
    """

    spelling: str
    phonemes: tuple[str, ...] | None = None

    @property
    def is_inline(self) -> bool:
        """True for ``{HH AH0 L OW1}``: it has no spelling to fall back on and is always read as phonemes."""
        return self.spelling.startswith("{")


@dataclass(frozen=True)
class Transcript:
    """The tokens of a text in reading order."""

    tokens: tuple[Token, ...]

    def to_json(self) -> str:
        """Compact JSON: a list whose items are a spelling, or ``[spelling, "P H ONEMES"]``."""
        items: list[Any] = [
            t.spelling if t.phonemes is None else [t.spelling, " ".join(t.phonemes)] for t in self.tokens
        ]
        return json.dumps(items, ensure_ascii=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Transcript":
        """The inverse of `to_json`.

        Raises:
            TextError: the text is not what `to_json` writes, or holds a phoneme that does not exist.
        """
        try:
            items = json.loads(text)
        except (TypeError, ValueError):
            items = None
        if not isinstance(items, list):
            raise TextError("A stored transcript is not readable; run the preprocessing again.")
        return cls(tuple(_token_of(item) for item in items))

    @property
    def text(self) -> str:
        """The cleaned text, as it was before it was cut into tokens."""
        return "".join(token.spelling for token in self.tokens)

    @property
    def words(self) -> tuple[Token, ...]:
        """The tokens that are spoken: words and inline phonemes."""
        return tuple(t for t in self.tokens if t.phonemes or any(c.isalpha() for c in t.spelling))


def _token_of(item: Any) -> Token:
    if isinstance(item, str) and item:
        return Token(item)
    if isinstance(item, list) and len(item) == 2 and all(isinstance(part, str) and part for part in item):
        return Token(item[0], parse_phonemes(item[1]))
    raise TextError(f"A stored transcript holds {str(item)[:40]!r}, which is no token; run the preprocessing again.")


def parse_phonemes(text: str) -> tuple[str, ...]:
    """Reads ARPABET such as ``HH AH0 L OW1``; case is free.

    A vowel without its stress digit is stressed if no vowel before it in the word is, and unstressed otherwise.

    Raises:
        TextError: nothing is there, or a phoneme does not exist; names the phoneme.
    """
    phonemes: list[str] = []
    for name in text.upper().split():
        if name in _VOWELS:
            name += STRESSES[0] if any(p.endswith("1") for p in phonemes) else STRESSES[1]
        if name not in _KNOWN_PHONEMES:
            raise TextError(
                f"Unknown phoneme {name[:20]!r} in {text.strip()[:60]!r}; write ARPABET such as HH AH0 L OW1, "
                "vowels with their stress 0, 1 or 2."
            )
        phonemes.append(name)
    if not phonemes:
        raise TextError("Empty braces: write the phonemes between them, such as {HH AH0 L OW1}, or leave them out.")
    return tuple(phonemes)


def is_phoneme_attempt(text: str) -> bool:
    """Whether braces around a text are meant for phonemes: it is letters, digits and spaces alone, as ARPABET is."""
    return all(c.isalnum() or c.isspace() for c in text)


def encode(transcript: Transcript, phoneme_probability: float, rng: np.random.Generator | None = None) -> np.ndarray:
    """Turns a transcript into symbol ids; each word is read as phonemes with the given probability, else as characters.

    Mixing the two during training lets the model read words that no dictionary has (Ping et al., 2018, Deep Voice 3,
    section 3.2). With 0 and 1 the result is fixed and no random number is drawn.

    Args:
        transcript: what `synthesizer.text.pronunciation.transcribe` or `Transcript.from_json` gives.
        phoneme_probability: in [0, 1]. Words without a known pronunciation are always characters, inline
            phonemes always phonemes.
        rng: decides word by word; needed where 0 < phoneme_probability < 1.

    Returns:
        int64 ids [tokens], the last one the end-of-sequence symbol.

    Raises:
        TextError: a character is not in the alphabet (the text was not cleaned).
        ValueError: the probability is out of range, or needs an rng and has none.
    """
    if not 0.0 <= phoneme_probability <= 1.0:
        raise ValueError(f"phoneme_probability must be in [0, 1], not {phoneme_probability}")
    mixed = 0.0 < phoneme_probability < 1.0
    if mixed and rng is None:
        raise ValueError("a phoneme_probability between 0 and 1 needs an rng")
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
        raise TextError(f"The synthesizer has no symbol for {error.args[0]!r}; clean the text first.") from None
