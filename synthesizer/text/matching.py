"""Helpers for the text normalization rules."""

import re

_SENTENCE_BEGINS = re.compile(r"[\"')]*\s+[\"'(]*[A-Z]")


def final_stop(match: re.Match[str], before_capital: bool = True) -> str:
    """A full stop if the abbreviation also ends the sentence, else an empty string.

    Args:
        match: the abbreviation including its full stop.
        before_capital: whether a following capital marks a new sentence. After initials such as "U.S." a name follows
            more often.
    """
    rest = match.string[match.end() :]
    if not rest.strip("\"') "):
        return "."
    return "." if before_capital and _SENTENCE_BEGINS.match(rest) else ""


def word_set(words: str) -> frozenset[str]:
    """The set of words in a string, separated by white space."""
    return frozenset(words.split())
