"""Comparing what was recognised with what was to be said: words as a recogniser knows them, and edit distance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def spoken_words(text: str) -> list[str]:
    """The words of a text as they are spoken: numbers and abbreviations written out, lower case, no punctuation.

    Raises:
        TextError: nothing in the text can be spoken.
    """
    from synthesizer.text.cleaners import clean

    bare = re.sub(r"[^a-z' ]+", " ", clean(text).lower().replace("’", "'"))
    return [word for word in (piece.strip("'") for piece in bare.split()) if word]


def edit_distance(reference: Sequence[Item], recognised: Sequence[Item]) -> int:
    """Fewest insertions, deletions and substitutions that make one sequence of the other (Levenshtein, 1966)."""
    row = list(range(len(recognised) + 1))
    for count, wanted in enumerate(reference, start=1):
        diagonal, row[0] = row[0], count
        for place, heard in enumerate(recognised, start=1):
            substitution = diagonal + (wanted != heard)
            diagonal = row[place]
            row[place] = min(substitution, row[place] + 1, row[place - 1] + 1)
    return row[-1]
