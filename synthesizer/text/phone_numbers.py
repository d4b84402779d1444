"""Numbers read digit by digit: phone numbers, card numbers and grouped codes."""

import re

from synthesizer.text.numbers import START, cardinal, spell_digits

# North American numbers, international numbers, British numbers, local numbers, card numbers, other grouped codes.
_RULES = tuple(
    re.compile(pattern)
    for pattern in (
        START + r"(?:\+?\d{1,3}[-. ])?\(?\d{3}\)?[-. ]{1,2}\d{3}[-. ]\d{4}(?![\w-])",
        START + r"\+\d{1,3}(?:[ .-]?\(\d{1,5}\))?(?:[ .-]\d{1,8}){1,6}(?![\w-])",
        START + r"\+\d{8,15}(?!\w)",
        START + r"\(?0\d{2,4}\)?[ -]\d{3,4}(?:[ -]?\d{3,6})?(?![\w-])",
        START + r"\d{3}-\d{4}(?![\w-])",
        START + r"\d{4}(?: \d{4}){2,3}(?![\w-])",
        r"(?<![\w.,:/-])\+?\d+(?:-\d+){2,}(?![\w-])",
    )
)
_FREE_CALL = re.compile(START + r"1-(?P<code>8\d\d|900)-(?=[A-Z\d])")
_CALLED = re.compile(
    r"(?P<before>\b(?:[Cc]all|[Cc]alled|[Cc]alling|[Dd]ial|[Dd]ialed|[Dd]ialled)\s)(?P<number>[1-9]\d{2,3})\b(?![,.]\d|\s[a-z]+s\b)"
)


def expand_phone_numbers(text: str) -> str:
    """'(555) 123-4567' -> 'five five five, one two three, four five six seven'."""
    for pattern in _RULES:
        text = pattern.sub(_digits, text)
    text = _CALLED.sub(lambda m: m["before"] + spell_digits(m["number"]), text)
    return _FREE_CALL.sub(lambda m: f"one, {cardinal(m['code'])}, ", text)


def _digits(match: re.Match[str]) -> str:
    digits = sum(c.isdigit() for c in match.group())
    groups = re.findall(r"\d+", match.group())
    years = all(len(group) == 4 and "1000" <= group <= "2100" for group in groups)
    if digits < 6 or years:
        return match.group()
    plus = "plus " if match.group().startswith("+") else ""
    return plus + ", ".join(spell_digits(group) for group in groups)
