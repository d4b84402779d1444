"""Word errors: words as a recogniser writes them, and the edit distance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


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
