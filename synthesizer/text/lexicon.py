"""A user's own pronunciations: a table of words, read from a file and put into a text before anything else reads it."""

import csv
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from speech.errors import TextError
from synthesizer.text.pronunciation import plural_sound, transcribe
from synthesizer.text.transcript import parse_phonemes

_HEADERS = ("word", "phrase")
_INLINE = re.compile(r"(\{[^{}]*\})")
_WORD = re.compile(r"\w+")
_ARPABET_PIECE = re.compile(r"[A-Z]{1,2}|[A-Za-z]{1,2}[0-9]")
_APOSTROPHES = "['’ʼ]"


@dataclass(frozen=True)
class Entry:
    """A word or several, and how they are said.

    Attributes:
        written: as the user wrote it.
        phonemes: of each word of the pronunciation.
        exact: capitals must be as they are written.
    """

    written: str
    phonemes: tuple[tuple[str, ...], ...]
    exact: bool

    @property
    def pattern(self) -> re.Pattern[str]:
        """Finds the entry where it begins; not within a word, a link or an address."""
        parts = [re.sub("['’ʼ]", lambda _: _APOSTROPHES, re.escape(part)) for part in self.written.split()]
        own = rf"(?P<own>{_APOSTROPHES}[sS](?!\w))?"
        end = rf"(?!\w|{_APOSTROPHES}\w|@|://|\.\w)"
        return re.compile(r"\s+".join(parts) + own + end, 0 if self.exact else re.IGNORECASE)


@dataclass(frozen=True)
class Lexicon:
    """Pronunciations that come before all others; see `read_lexicon` for how it is written.

    Attributes:
        entries: longer ones first, so that of two that fit the longer one is taken.
    """

    entries: tuple[Entry, ...]
    _by_beginning: dict[str, list[tuple[re.Pattern[str], Entry]]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_beginning: dict[str, list[tuple[re.Pattern[str], Entry]]] = {}
        for entry in sorted(self.entries, key=lambda e: -len(e.written)):
            by_beginning.setdefault(_beginning(entry.written), []).append((entry.pattern, entry))
        object.__setattr__(self, "_by_beginning", by_beginning)

    def __len__(self) -> int:
        return len(self.entries)

    def apply(self, text: str, written: str | None = None) -> str:
        """Writes ``{S UW1 T IY0}`` in the place of every word that is listed; "Suti's" gets its ending.

        Args:
            text: any Unicode text; inline phonemes in it stay.
            written: what the text was before it passed the cleaner and lost its capitals. Then only those entries are
                looked for that this does not hold: what its numbers and abbreviations have become.
        """
        before = None if written is None else unicodedata.normalize("NFC", written).casefold()
        pieces = _INLINE.split(unicodedata.normalize("NFC", text))
        return "".join(piece if i % 2 else "".join(self._replaced(piece, before)) for i, piece in enumerate(pieces))

    def _replaced(self, text: str, before: str | None) -> Iterator[str]:
        done = 0
        for match in _WORD.finditer(text):
            start = match.start()
            if start < done or (start and text[start - 1] in "@/"):
                continue
            for pattern, entry in self._by_beginning.get(match.group().casefold(), ()):
                if before is not None and (entry.exact or entry.written.casefold() in before):
                    continue
                if not (found := pattern.match(text, start)):
                    continue
                yield text[done:start]
                yield _inline(entry.phonemes, bool(found["own"]))
                done = found.end()
                break
        yield text[done:]


def _beginning(written: str) -> str:
    match = _WORD.match(written)
    return match.group().casefold() if match else ""


def _inline(phonemes: tuple[tuple[str, ...], ...], possessive: bool) -> str:
    words = list(phonemes)
    if possessive:
        words[-1] += plural_sound(words[-1])
    return " ".join("{" + " ".join(word) + "}" for word in words)


def read_lexicon(path: str | Path) -> Lexicon:
    """Reads a table of pronunciations: UTF-8 with the columns ``word,pronunciation``.

    The pronunciation is ARPABET in capitals, ``HH AH0 L OW1``, or a respelling in ordinary words, ``sooty`` or
    ``koh-EE-lo``, whose capital syllable bears the stress. A word may be several (``New Haven``). Capitals do not
    matter, but for two kinds of words: those all in capitals (``US`` is not "us"), and those that the table has in two
    ways (``Polish`` and ``polish``). Empty lines, lines that begin with ``#`` and a header are passed over.

    Raises:
        TextError: the file cannot be read or a line is wrong; the sentence names the line.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True, strict=True)
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TextError(
            f"Cannot read the lexicon {path}: {error}; it must be a UTF-8 table, a word and its pronunciation a line."
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
                raise TextError(f"{word!r} has another pronunciation in line {read[word][0]}; keep one of the two.")
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
        raise TextError(f"it has {len(row)} columns instead of two: a word, a comma and its pronunciation.")
    word = " ".join(unicodedata.normalize("NFC", row[0]).split())
    if not _WORD.match(word) or any(c in "{}" for c in word) or not any(c.isalpha() for c in word):
        raise TextError(f"{word[:40]!r} is no word; it must begin with a letter or digit and have a letter in it.")
    return word, parse_pronunciation(row[1])


def parse_pronunciation(text: str) -> tuple[tuple[str, ...], ...]:
    """The phonemes of each word of a pronunciation: ARPABET, or a respelling whose words are looked up or sounded out.

    Raises:
        TextError: nothing can be said, or a phoneme does not exist.
    """
    pieces = text.strip().strip("{}").split()
    if pieces and all(_ARPABET_PIECE.fullmatch(piece) for piece in pieces):
        return (parse_phonemes(" ".join(pieces)),)
    words = [_respelled(piece) for piece in pieces]
    if not words:
        raise TextError("the pronunciation is missing.")
    return tuple(words)


def _respelled(word: str) -> tuple[str, ...]:
    """'sooty' as the word is said; 'koh-EE-lo' syllable by syllable, stressed on the capitals or else on the first."""
    syllables = [s for s in re.split(r"[-·]", word) if s]
    spoken = []
    for syllable in syllables:
        tokens = transcribe(syllable.lower()).words
        if not re.fullmatch(r"[A-Za-z']+", syllable) or len(tokens) != 1 or not tokens[0].phonemes:
            raise TextError(
                f"{word[:40]!r} cannot be read; write ARPABET such as HH AH0 L OW1, or letters such as koh-EE-lo."
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
