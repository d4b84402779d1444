"""Helpers for the text normalization rules: rule tables, word lists and full stops."""

import re
from collections.abc import Callable, Iterable

Replacement = Callable[[re.Match[str]], str] | str
Rules = tuple[tuple[re.Pattern[str], Replacement], ...]

_TEXT_ENDS = re.compile(r"[\"') ]*\Z")
_SENTENCE_BEGINS = re.compile(r"[\"')]*\s+[\"'(]*[A-Z]")


def compile_rules(*rules: tuple[str, Replacement]) -> Rules:
    """Compile the patterns of (pattern, replacement) pairs."""
    return tuple((re.compile(pattern), replacement) for pattern, replacement in rules)


def apply_rules(rules: Rules, text: str) -> str:
    """Apply the rules in order. Each rule sees the output of those before it."""
    for pattern, replacement in rules:
        text = pattern.sub(replacement, text)
    return text


def final_stop(match: re.Match[str], before_capital: bool = True) -> str:
    """A full stop if the abbreviation also ends the sentence, else an empty string.

    Args:
        match: the abbreviation including its full stop.
        before_capital: whether a following capital marks a new sentence. After initials such as "U.S." a name follows
            more often.
    """
    at_end = _TEXT_ENDS.match(match.string, match.end())
    return "." if at_end or (before_capital and _SENTENCE_BEGINS.match(match.string, match.end())) else ""


def word_set(words: str) -> frozenset[str]:
    """The set of words in a string, separated by white space."""
    return frozenset(words.split())


def word_table(entries: str) -> dict[str, str]:
    """'mr mister, b4 before' -> {'mr': 'mister', 'b4': 'before'}; a value may have several words."""
    pairs = (entry.split(maxsplit=1) for entry in entries.split(","))
    return {key: " ".join(value.split()) for key, value in pairs}


def one_of(words: Iterable[str]) -> str:
    """A regular expression for any of the words, longer ones first."""
    return "(?:" + "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word))) + ")"
