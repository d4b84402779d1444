"""Roman numerals: after names and counted nouns, before "century", and in lists."""

import re

from synthesizer.text.matching import apply_rules, compile_rules, one_of, word_set
from synthesizer.text.numbers import cardinal, ordinal, roman_value, year

_REGNAL = word_set("""
    Henry Edward George William Charles James Richard John Elizabeth Mary Anne Louis Philip Philippe Napoleon Frederick
    Friedrich Wilhelm Alexander Nicholas Peter Catherine Ivan Paul Pius Leo Benedict Gregory Clement Innocent Urban
    Francis Joseph Leopold Albert Ferdinand Alfonso Juan Carlos Christian Gustav Oscar Haakon Harald Rudolf Otto
    Ramesses Ramses Darius Xerxes Ptolemy Victor Emmanuel Umberto Robert David Stephen Margaret Isabella
""")
_COUNTED_NOUNS = word_set("""
    chapter part volume vol book act scene war type phase section class article appendix level page episode stage step
    grade apollo bowl canto verse figure table unit round rocky mark title schedule category fantasy symphony sonata
    group division league factor tier generation edition lesson case quarter wars
""")
_NOT_NAMES = "The An? In On At And But Or Of By If My No With From For".replace(" ", "|")


def expand_roman_numerals(text: str) -> str:
    """'Henry VIII' -> 'Henry the eighth', 'World War II' -> 'World War two', 'chapter IV' -> 'chapter four'."""
    return apply_rules(_RULES, text)


def _in_words(numeral: str, otherwise: str) -> str:
    value = roman_value(numeral)
    return otherwise if value is None else cardinal(str(value))


def _cardinal(match: re.Match[str]) -> str:
    # "part I" may be "the part I like" and "Generation X" is a name: a lone letter is a numeral only in a heading.
    lone = match["numeral"] in ("I", "i", "x") and not match["name"][0].isupper()
    lone = lone or match["name"] == "mark"  # "question mark v"
    if lone or match.group() in ("Generation X", "Class C", "Class D", "Class M", "Type C", "Group C", "Group D"):
        return match.group()
    words = _in_words(match["numeral"].upper(), "")
    return f"{match['name']} {words}" if words else match.group()


def _ordinal(match: re.Match[str]) -> str:
    value = roman_value(match["numeral"])
    if value is None:
        return match.group()
    return f"{match['name']} the {ordinal(str(value))}{match['apostrophe'] or ''}"


def _century(match: re.Match[str]) -> str:
    value = roman_value(match["numeral"])
    return match.group() if value is None else ordinal(str(value))


def _year(match: re.Match[str]) -> str:
    value = roman_value(match.group())
    if value is None:
        return match.group()
    return year(str(value)) if 1100 <= value <= 2099 else cardinal(str(value))


_HEADINGS = word_set("""
    Introduction Background Overview Summary Abstract Preface Methods Results Discussion Conclusion Conclusions Purpose
    Scope Goals Objectives Definitions General Experience Education References Appendix
""")


def _item(match: re.Match[str]) -> str:
    """'II. Methods' -> 'two. Methods'; "I." is an initial unless a usual heading follows."""
    heading = re.match(r"[A-Z][a-z]+", match.string[match.end() :])
    if len(match["numeral"]) == 1 and (heading is None or heading.group() not in _HEADINGS):
        return match.group()
    return match["start"] + _in_words(match["numeral"], match["numeral"]) + ". "


_RULES = compile_rules(
    (r"(?m)^(?P<start>\s*)(?P<numeral>[IVX]{2,5}|[IVX])\.\s+(?=[A-Z][a-z]+\b)", _item),
    (r"\bWW(I{1,3})\b", r"World War \1"),
    (rf"\b(?P<name>(?i:{one_of(_COUNTED_NOUNS)}))\s+(?P<numeral>[IVXLCDM]+|[ivx]+)\b", _cardinal),
    (
        r"\b(?P<numeral>[IVX]{2,}(?=(?:st|nd|rd|th)\b)|[IVX]+(?=\s+centur))(?:(?:st|nd|rd|th)\b|(?=\s+centur(?:y|ies)\b))",
        _century,
    ),
    (
        rf"\b(?P<name>{one_of(_REGNAL)})\s+(?P<numeral>[IVX])\b(?=$|\s*[.,;:!?)\"]|'s\b"
        r"|\s+(?:of|was|is|had|and|died|ruled|became|reigned|the|in|who|from|to)\b)",
        lambda m: f"{m['name']} the {ordinal(str(roman_value(m['numeral'])))}",
    ),
    (
        rf"\b(?!(?:{_NOT_NAMES})\b)(?P<name>[A-Z][A-Za-z]+\.?)\s+(?P<numeral>[IVX]{{2,7}})\b(?P<apostrophe>'s\b)?",
        _ordinal,
    ),
    (
        r"(?<![\w(])(?P<open>\(?)(?P<numeral>[ivx]{2,5})(?=\))",
        lambda m: m["open"] + _in_words(m["numeral"].upper(), m["numeral"]),
    ),
    (r"\b[MDCLXVI]{5,}\b", _year),
)
