"""User lexicon: a table of pronunciations that take precedence over the dictionary."""

import csv
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from speech.errors import TextError
from speech.files import refuse_special
from synthesizer.text.inflection import plural_phonemes
from synthesizer.text.pronunciation import transcribe
from synthesizer.text.transcript import parse_phonemes

_HEADERS = ("word", "phrase")
_INLINE = re.compile(r"(\{[^{}]*\})")
_WORD = re.compile(r"\w+")
_ARPABET_SYMBOL = re.compile(r"[A-Z]{1,2}|[A-Za-z]{1,2}[0-9]")
_APOSTROPHES = "['’ʼ]"


@dataclass(frozen=True)
class Entry:
    """A word or phrase and its pronunciation.

    Attributes:
        written: as in the file.
        phonemes: of each word of the pronunciation.
        exact: whether case must match.
    """

    written: str
    phonemes: tuple[tuple[str, ...], ...]
    exact: bool

    @property
    def pattern(self) -> re.Pattern[str]:
        """Regular expression that matches the entry, but not inside words, links and e-mail addresses."""
        parts = [re.sub("['’ʼ]", lambda _: _APOSTROPHES, re.escape(part)) for part in self.written.split()]
        possessive = rf"(?P<possessive>{_APOSTROPHES}[sS](?!\w))?"
        end = rf"(?!\w|{_APOSTROPHES}\w|@|://|\.\w)"
        return re.compile(r"\s+".join(parts) + possessive + end, 0 if self.exact else re.IGNORECASE)


@dataclass(frozen=True)
class Lexicon:
    """Pronunciations that take precedence over all others; see `read_lexicon` for the file format.

    Attributes:
        entries: in any order; of two entries that match, the longer one is used.
    """

    entries: tuple[Entry, ...]
    _by_first_word: dict[str, list[tuple[re.Pattern[str], Entry]]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_first_word: dict[str, list[tuple[re.Pattern[str], Entry]]] = {}
        for entry in sorted(self.entries, key=lambda e: -len(e.written)):
            by_first_word.setdefault(_first_word(entry.written), []).append((entry.pattern, entry))
        object.__setattr__(self, "_by_first_word", by_first_word)

    def __len__(self) -> int:
        return len(self.entries)

    def apply(self, text: str, written: str | None = None) -> str:
        """Replace every listed word by inline phonemes such as ``{S UW1 T IY0}``, with the suffix of "Suti's".

        Args:
            text: any Unicode text; its inline phonemes are kept.
            written: the text before normalization, if `text` is normalized. Then only entries that do not occur in
                `written` are applied: words that numbers and abbreviations were expanded to.
        """
        before = None if written is None else unicodedata.normalize("NFC", written).casefold()
        parts = _INLINE.split(unicodedata.normalize("NFC", text))
        return "".join(part if i % 2 else "".join(self._replaced(part, before)) for i, part in enumerate(parts))

    def _replaced(self, text: str, before: str | None) -> Iterator[str]:
        done = 0
        for match in _WORD.finditer(text):
            start = match.start()
            if start < done or (start and text[start - 1] in "@/"):
                continue
            for pattern, entry in self._by_first_word.get(match.group().casefold(), ()):
                if before is not None and (entry.exact or entry.written.casefold() in before):
                    continue
                if not (found := pattern.match(text, start)):
                    continue
                yield text[done:start]
                yield _inline(entry.phonemes, bool(found["possessive"]))
                done = found.end()
                break
        yield text[done:]


def _first_word(written: str) -> str:
    match = _WORD.match(written)
    return match.group().casefold() if match else ""


def _inline(phonemes: tuple[tuple[str, ...], ...], possessive: bool) -> str:
    words = list(phonemes)
    if possessive:
        words[-1] += plural_phonemes(words[-1])
    return " ".join("{" + " ".join(word) + "}" for word in words)


def read_lexicon(path: str | Path) -> Lexicon:
    """Read a lexicon: UTF-8 CSV with the columns ``word,pronunciation``.

    The pronunciation is ARPABET in capitals, ``HH AH0 L OW1``, or a respelling in ordinary words, ``sooty`` or
    ``koh-EE-lo``, whose capital syllable is stressed. An entry may have several words (``New Haven``). Case is ignored,
    except for words in capitals (``US`` is not "us") and words listed in two cases (``Polish`` and ``polish``). Empty
    lines, lines that begin with ``#`` and a header are skipped.

    Raises:
        TextError: the file cannot be read or a line is invalid; the message names the line.
    """
    path = Path(path)
    try:
        refuse_special(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True, strict=True)
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TextError(
            f"Cannot read the lexicon {path} ({error}): write UTF-8 with a word, a comma and a pronunciation per line."
        ) from None
    read: dict[str, tuple[int, tuple[tuple[str, ...], ...]]] = {}
    for number, row in rows:
        if not any(cell.strip() for cell in row) or row[0].lstrip().startswith("#"):
            continue
        if not read and row[0].strip().lower() in _HEADERS:
            continue
        try:
            word, phonemes = _entry(row)
            if word in read and read[word][1] != phonemes:
                raise TextError(f"{word!r} has a different pronunciation in line {read[word][0]}: keep one of the two.")
        except TextError as error:
            raise TextError(f"Line {number} of the lexicon {path}: {error}") from None
        read[word] = (number, phonemes)
    spellings: dict[str, int] = {}
    for word in read:
        spellings[word.casefold()] = spellings.get(word.casefold(), 0) + 1
    return Lexicon(
        tuple(
            Entry(word, phonemes, exact=_all_capitals(word) or spellings[word.casefold()] > 1)
            for word, (_, phonemes) in read.items()
        )
    )


def _all_capitals(word: str) -> bool:
    return sum(c.isalpha() for c in word) > 1 and word == word.upper()


def _entry(row: list[str]) -> tuple[str, tuple[tuple[str, ...], ...]]:
    if len(row) != 2:
        raise TextError(f"it has {len(row)} columns: write a word, a comma and its pronunciation.")
    word = " ".join(unicodedata.normalize("NFC", row[0]).split())
    if not _WORD.match(word) or any(c in "{}" for c in word) or not any(c.isalpha() for c in word):
        raise TextError(f"{word[:40]!r} is not a word: begin with a letter or digit and use at least one letter.")
    return word, parse_pronunciation(row[1])


def parse_pronunciation(text: str) -> tuple[tuple[str, ...], ...]:
    """Phonemes of each word of a pronunciation, written as ARPABET or as a respelling.

    Raises:
        TextError: the pronunciation is missing or cannot be read, or a phoneme is unknown.
    """
    parts = text.strip().strip("{}").split()
    if parts and all(_ARPABET_SYMBOL.fullmatch(part) for part in parts):
        return (parse_phonemes(" ".join(parts)),)
    words = [_respelled(part) for part in parts]
    if not words:
        raise TextError("the pronunciation is missing.")
    return tuple(words)


def _respelled(word: str) -> tuple[str, ...]:
    """Phonemes of 'sooty' as one word, of 'koh-EE-lo' by syllables, with stress on the capitals or the first one."""
    syllables = [s for s in re.split(r"[-·]", word) if s]
    spoken = []
    for syllable in syllables:
        tokens = transcribe(syllable.lower()).words
        if not re.fullmatch(r"[A-Za-z']+", syllable) or len(tokens) != 1 or not tokens[0].phonemes:
            raise TextError(
                f"{word[:40]!r} cannot be read: write ARPABET such as HH AH0 L OW1, or letters such as koh-EE-lo."
            )
        spoken.append(tokens[0].phonemes)
    if len(spoken) == 1:
        return spoken[0]
    stressed = next((i for i, syllable in enumerate(syllables) if syllable.isupper()), 0)
    phonemes: list[str] = []
    for i, syllable_phonemes in enumerate(spoken):
        stress = "1" if i == stressed else "0"
        phonemes += [p[:-1] + stress if p[-1].isdigit() else p for p in syllable_phonemes]
    return tuple(phonemes)
