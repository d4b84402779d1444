"""Full stops that do two things at once, and lists of words."""

import re

_SENTENCE_BEGINS = re.compile(r"[\"')]*\s+[\"'(]*[A-Z]")


def final_stop(match: re.Match[str], before_capital: bool = True) -> str:
    """A full stop if the abbreviation that was matched ends a sentence too, else nothing.

    Args:
        match: the abbreviation with its own full stop.
        before_capital: whether a capital behind it shows the beginning of a sentence; after initials such as "U.S." it
            more often goes on with a name.
    """
    rest = match.string[match.end() :]
    if not rest.strip("\"') "):
        return "."
    return "." if before_capital and _SENTENCE_BEGINS.match(rest) else ""


def word_set(words: str) -> frozenset[str]:
    """Words parted by white space."""
    return frozenset(words.split())
