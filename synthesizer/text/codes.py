"""Codes and versions: '401(k)' -> 'four oh one k', '802.11ac' -> 'eight oh two dot eleven a c', '2.0b1'."""

import re

from synthesizer.text.letters import LETTER_MARK
from synthesizer.text.matching import apply_rules, compile_rules
from synthesizer.text.numbers import START, cardinal, code_number, pairs


def expand_codes(text: str) -> str:
    """Write codes as words. It must run before the other rules for numbers."""
    return apply_rules(_RULES, text)


def _letters(letters: str) -> str:
    return " ".join(letters.upper()).replace("A", LETTER_MARK)


def _statute(match: re.Match[str]) -> str:
    """'501(c)(3)' -> 'five oh one c three'."""
    inner = re.findall(r"\w+", match["parts"])
    return " ".join([code_number(match["number"]), *(cardinal(p) if p.isdigit() else _letters(p) for p in inner)])


def _standard(match: re.Match[str]) -> str:
    """'802.11ac' -> 'eight oh two dot eleven a c'."""
    letters = f" {_letters(match['letters'].replace('/', ''))}" if match["letters"] else ""
    return f"eight oh two dot {cardinal(match['part'])}{letters}"


def _formula(match: re.Match[str]) -> str:
    """'H2SO4' -> 'H 2 S O 4'."""
    return " ".join(re.findall(r"[A-Z]|\d+", match.group().upper()))


# Elements of common formulas
_ELEMENT = "(?:Na|Cl|Ca|Mg|Fe|Cu|Zn|Ag|Al|Si|Mn|Br|Li|Pb|Ti|[HCNOSPFKI])"
_RULES = compile_rules(
    (START + r"(?<![$£€(])(?P<number>\d{1,4})(?P<parts>(?:\((?:[a-z]|\d{1,2})\))+)(?!\w)", _statute),
    (
        START + r"(?P<number>401|403|457|529)(?:[kKbB](?!\w)|(?=\splans?\b))",
        lambda m: f"{code_number(m['number'])} {m.group()[3:].upper()}".strip(),
    ),
    (START + r"802\.(?P<part>\d{1,2})(?P<letters>(?:[a-zA-Z]{1,2}(?:/[a-z]{1,2})*)?)\b(?!\.\d)", _standard),
    (r"\b(?P<letter>[HX])\.(?P<number>2\d\d)\b(?!\.\d)", lambda m: f"{m['letter']} dot {pairs(m['number'])}"),
    (r"(?<=\d):(?=(?:19|20)\d\d\b)(?<=\b(?:ISO|IEC|DIN)\s\d{4}:)", " "),
    (r"\bIPv(?=[46]\b)", "I P v "),
    (rf"(?<![\w-])(?=[A-Za-z]*\d)(?:{_ELEMENT}(?:[1-9]\d?)?){{2,}}(?![\w-])", _formula),
    # "1.0.0-beta.2", "2.0rc1", "version 2.1a"
    (r"(?<=\d)-?(?P<stage>alpha|beta|rc|dev|pre|preview)[.-]?(?P<number>\d*)\b", r" \g<stage> \g<number>"),
    (
        r"(?i:\b(?P<word>v|ver|version|rev|revision|release|build)(?P<stop>\.?\s?))(?P<number>\d+(?:\.\d+)+)(?P<letter>[a-z])\b",
        lambda m: f"{m['word']}{m['stop']}{m['number']} {_letters(m['letter'])}",
    ),
)
