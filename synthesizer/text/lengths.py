"""Feet and inches: '5\\'10"' -> 'five foot ten', '6\\' tall' -> 'six feet tall', '27" monitor'."""

import re

from synthesizer.text.matching import apply_rules, compile_rules
from synthesizer.text.numbers import cardinal, counted, decimal, mixed_fraction

_NUMBER = r"(?P<number>\d{1,3}\s\d{1,2}/\d{1,2}|\d{1,2}/\d{1,2}|\d{1,4}(?:\.\d+)?)"
_INCHES = r"(?P<inches>\d{1,2}(?:\.\d+|\s\d/\d{1,2})?)"
_PLURAL_BEFORE = (
    r"\s?(?:$|[.,;:!?)x×]|(?:long|wide|tall|high|deep|thick|across|away|apart|above|below|of|in|by|and|or|to|from|on|at|"
    r"is|was|per|already|now|so far|today|overnight|shorter|taller|longer|wider|deeper|higher|lower)\b)"
)
_FOLLOWED_BY_PLURAL = re.compile(_PLURAL_BEFORE)
_MEASURED = re.compile(r"\s?(?:long|wide|tall|high|deep|thick|across|x|×|by)\b")
_OPENING = {'"': re.compile(r'(?:^|[\s(\[])"(?=[^\s"])'), "'": re.compile(r"(?:^|[\s(\[\"])'(?=[^\s'])(?!\d0s)")}
_QUOTED_CHARACTERS = 200  # longest quotation that is looked for


def expand_lengths(text: str) -> str:
    """Write lengths in feet and inches as words. It must run after angles, which have the same marks."""
    return apply_rules(_RULES, text)


def _feet_and_inches(match: re.Match[str]) -> str:
    feet, inches = match["feet"], match["inches"]
    if float(inches.split()[0]) < 12:
        return f"{cardinal(feet)} foot {mixed_fraction(inches) if '/' in inches else decimal(inches)}"
    if match["mark"]:
        return f"{counted(feet, ('minute', 'minutes'))} {counted(inches, ('second', 'seconds'))}"
    return match.group()


def _spelled_out(match: re.Match[str]) -> str:
    stop = "." if match["mark"].endswith(".") and not match.string[match.end() :].strip("\"') ") else ""
    return f"{counted(match['feet'], ('foot', 'feet'))} {_inches(match['inches'])}{stop}"


def _inches(number: str) -> str:
    return f"{mixed_fraction(number)} inches" if "/" in number else counted(number, ("inch", "inches"))


def _length(match: re.Match[str]) -> str:
    mark = match["mark"][0]
    if not _MEASURED.match(match.string, match.end()) and _closes_quotation(match.string, match.end() - 1, mark):
        return match.group()
    one, many = ("foot", "feet") if mark == "'" and len(match["mark"]) == 1 else ("inch", "inches")
    plural = _FOLLOWED_BY_PLURAL.match(match.string, match.end())
    number = match["number"]
    if "/" in number:
        return f"{mixed_fraction(number)} {many if plural and ' ' in number else one}"
    return counted(number, (one, many if plural else one))


def _closes_quotation(text: str, position: int, mark: str) -> bool:
    """Whether a quotation is open before the mark: the last opening quotation mark has no closing one."""
    before = text[max(0, position - _QUOTED_CHARACTERS) : position]
    opening = [match.end() for match in _OPENING[mark].finditer(before)]
    return bool(opening) and not re.search(rf"(?<!\d){mark}(?!\w)", before[opening[-1] :])


_RULES = compile_rules(
    (r"(?<=\d['\"])\s?[x×]\s?(?=\d)", " x "),
    (
        rf"(?<![\w.,])(?P<feet>\d{{1,3}})(?:'|\s?(?:ft|feet|foot)(?![a-z])\.?,?)\s?{_INCHES}\s?(?P<mark>in\b\.?|inch(?:es)?\b)",
        _spelled_out,
    ),
    (
        rf"(?<![\w.,'])(?P<feet>\d{{3}})'\s?{_INCHES}(?:\"|'')",
        lambda m: f"{cardinal(m['feet'])} feet {_inches(m['inches'])}",
    ),
    (rf"(?<![\w.,'])(?P<feet>\d{{1,2}})'[\s-]?{_INCHES}(?P<mark>\"|'')", _feet_and_inches),
    (rf"(?<![\w.,'])(?P<feet>\d{{1,2}})'{_INCHES}(?P<mark>)(?![\w':]|\.\d)", _feet_and_inches),
    (rf"(?<![\w.,'])(?P<feet>\d{{1,2}})ft\s?{_INCHES}(?P<mark>)(?=$|[.,;)]|\stall\b)", _feet_and_inches),
    (rf"(?<![\w.,/'])(?<!\d\s){_NUMBER}(?P<mark>\"|''|')(?![\w\"'])", _length),
    (r"(?<=\b(?:feet|foot)) [x×] | (?<=inches )[x×] |(?<=\b(?:inch|foot)) [x×] ", " by "),
)
