"""Word errors: what a recogniser does, words as PocketSphinx writes them, and the edit distance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np

Item = TypeVar("Item")


class SentenceChooser(Protocol):
    """A closed set of sentences, such as `evaluation.recogniser.SentenceSet`."""

    def choose(self, wav: np.ndarray) -> int | None:
        """Index of the sentence that fits best; None if none fits. Args: wav: float32 [samples] at 16 kHz."""
        ...


class WordRecogniser(Protocol):
    """A speech recogniser. `name` is that of its figures, `note` tells the reader of a report about it."""

    name: str
    note: str

    def transcribe(self, wav: np.ndarray) -> list[str]:
        """The words of a clip, normalised. Args: wav: float32 [samples] at 16 kHz."""
        ...

    def words(self, text: str) -> list[str]:
        """The words of a text, normalised in the same way. Raises: TextError."""
        ...

    def sentence_set(self, sentences: Sequence[str]) -> SentenceChooser | None:
        """A closed set to choose from; None if the recogniser only transcribes."""
        ...


def spoken_words(text: str) -> list[str]:
    """The words of a text as spoken: numbers and abbreviations expanded, lower case, no punctuation.

    Raises:
        TextError: nothing in the text can be spoken.
    """
    from synthesizer.text.cleaners import clean

    bare = re.sub(r"[^a-z' ]+", " ", clean(text).lower().replace("’", "'"))
    return [word for word in (part.strip("'") for part in bare.split()) if word]


def edit_distance(reference: Sequence[Item], recognised: Sequence[Item]) -> int:
    """Fewest insertions, deletions and substitutions that turn one sequence into the other (Levenshtein, 1966)."""
    row = list(range(len(recognised) + 1))
    for count, expected in enumerate(reference, start=1):
        diagonal, row[0] = row[0], count
        for index, found in enumerate(recognised, start=1):
            substitution = diagonal + (expected != found)
            diagonal = row[index]
            row[index] = min(substitution, row[index] + 1, row[index - 1] + 1)
    return row[-1]
