"""Numbers read digit by digit: phone numbers, card numbers and grouped codes."""

import re

from synthesizer.text.letters import LETTER_MARK
from synthesizer.text.matching import apply_rules, compile_rules
from synthesizer.text.numbers import START, cardinal, spell_digits

_MIN_DIGITS = 6
_END = r"(?![\w-]|\.\d)"
_CALL = r"(?i:call|called|calling|dial|dialed|dialled|phone|telephone|tel|fax|mobile|cell|text|whatsapp|ring)"


def expand_phone_numbers(text: str) -> str:
    """'(555) 123-4567' -> 'five five five, one two three, four five six seven'."""
    return apply_rules(_RULES, text)


def _digits(match: re.Match[str]) -> str:
    groups = re.findall(r"\d+", match.group())
    years = all(len(group) == 4 and "1000" <= group <= "2100" for group in groups)
    if years:
        return match.group().replace("-", " to ")
    if sum(map(len, groups)) < _MIN_DIGITS:
        return match.group()
    plus = "plus " if match.group().startswith(("+", "(+")) else ""
    return plus + ", ".join(spell_digits(group) for group in groups)


def _called(match: re.Match[str]) -> str:
    """The digits after "call", in groups of three and a last one of up to four."""
    digits = re.sub(r"\D", "", match["number"])
    last = len(digits) if len(digits) < 6 else 4 if len(digits) in (7, 10, 11) else len(digits) % 3 or 3
    head = digits[:-last]
    first = len(head) % 3
    groups = [head[:first], *(head[i : i + 3] for i in range(first, len(head), 3)), digits[-last:]]
    other = f" or {spell_digits(match['other'])}" if match["other"] else ""
    return match["before"] + ", ".join(spell_digits(group) for group in groups if group) + other


def _code(match: re.Match[str]) -> str:
    """Digits and letters one by one, in the groups of the text: '00:1A:2B', 'DE89 3704 0044'."""
    groups = re.findall(rf"[\dA-Z{LETTER_MARK}]+", match.group())
    return ", ".join(" ".join(spell_digits(c) if c.isdigit() else c for c in group) for group in groups)


_RULES = compile_rules(
    (
        rf"\b(?:[\dA-F{LETTER_MARK}]{{2}}:){{3,7}}[\dA-F{LETTER_MARK}]{{2}}\b"
        r"|\b[A-Z]{2}\d{2}(?: \d{4}){3,7}(?: \d{1,4})?(?![\w-])",
        _code,
    ),
    (rf"\b(?P<name>{_CALL})[.:]\s?(?=[+(\d])", r"\g<name>: "),
    (
        r"(?:(?<=\d{3}[-. ]\d{4})(?:,?\s?(?:ext\.?|extension)|\sx)|(?<=[-.]\d{4})x)\s?(?P<number>\d{1,5})\b",
        lambda m: f", extension {m['number']}",
    ),
    (r"\bextension (?P<number>\d{2,5})\b", lambda m: f"extension {spell_digits(m['number'])}"),
    # Codes of the keypad: *123#
    (
        r"(?<![\w)*])\*(?P<digits>\d{1,4}(?:\*\d{1,12})*)#",
        lambda m: "star " + " star ".join(spell_digits(part) for part in m["digits"].split("*")) + " pound",
    ),
    (
        START + r"(?<!-)(?P<number>\d{3})-(?P<word>[A-Z]{4})\b",
        lambda m: f"{spell_digits(m['number'])}, {m['word'].lower()}",
    ),
    # North America: (555) 123-4567, +1 555.123.4567
    (
        START + r"(?<!\))(?:\(\+\d{1,3}\)\s?|\+?\d{1,3}[-. ]?(?=\(|[-. ]?\d{3}[-. ]))?"
        r"(?:\(\d{3}\)[-. ]{0,2}|\d{3}(?:[-. ]{1,2}|/))\d{3}[-. ]\d{4}(?![\w-])",
        _digits,
    ),
    # International: +44 (0)20 7946 0958, +33 1 42 68 53 00, 0044 20 7946 0958
    (
        START + r"(?:\(\+\d{1,3}\)|(?:\+|00 ?(?=[1-9]))\d{1,3})(?:[ .-]?\(\d{1,5}\)[ .-]?\d{1,11})?"
        r"(?:[ .-]\d{1,8}){1,6}(?![\w-])",
        _digits,
    ),
    (START + r"\+\d{1,3}(?:\s?\(\d{1,5}\)\s?\d{5,11}|[- ]\d{6,12})(?![\w-])", _digits),
    # Russia: 8 (495) 123-45-67, France: 01.42.68.53.00
    (START + r"\d[ -]?\(\d{3,4}\)[ -]?\d{2,3}(?:[ -]\d\d){2}(?![\w-])", _digits),
    (START + r"0\d(?:\.\d\d){4}(?!\w|\.\d)", _digits),
    (START + r"\+\d{8,15}(?!\w)", _digits),
    # With a trunk zero: 020 7946 0958, (030) 12345678, 01 42 68 53 00, 0800/123456
    (START + r"(?<!\d )(?:\(0\d{0,5}\)[ -]?|0\d{1,5}[ /-])\d{2,8}(?:[ -]\d{2,8}){0,4}(?![\w/-])", _digits),
    # Local, Australian and Indian numbers
    (START + r"(?:\d{3}-\d{4}|1[38]00 \d{3} \d{3}|[6-9]\d{4} \d{5})(?![\w-])", _digits),
    # Card numbers and codes of several groups
    (START + r"\d{4}(?: \d{4}){2,3}(?![\w-])", _digits),
    (r"(?<![\w.,:/-])\d(?:-\d){2,}(?![\w-])", lambda m: spell_digits(m.group().replace("-", ""))),
    (r"(?<![\w.,:/-])\+?\d+(?:-\d+){2,}(?![\w-])", _digits),
    (r"(?:(?<=[A-Z])|(?<=\b[A-Z] ))(?P<number>\d{7,})\b", lambda m: " " + spell_digits(m["number"])),  # GB123456789
    # Numbers of orders: 2023-0457
    (
        r"(?<![\w.,:/-])(?P<first>\d{2,6})-(?P<last>0\d{2,5})(?![\w-])",
        lambda m: f"{m['first']}, {spell_digits(m['last'])}",
    ),
    # After "call": any digits
    (
        rf"(?P<before>\b{_CALL}(?:ed|ing)?(?:\s(?:me|us|him|her|them|number|[A-Z]{{2,10}}))?"
        rf"(?:\s(?:at|on|is|to))?:?\s|\b(?:[Nn]umber|[Pp]hone|[Cc]ell|[Mm]obile)(?:\s(?:is|was)|:)\s(?=\d{{7,}})"
        r"|\b(?i:code|pin|passcode|password)(?:\s(?:is|was)|:)\s(?=\d{4,8}\b))"
        rf"(?P<number>[1-9]\d{{2}}(?:[ ]?\d{{3,4}}){{0,3}}|[1-9]\d{{3,12}}){_END}"
        r"(?:\sor\s(?P<other>\d{3})\b(?!,\d))?(?!,\d|\s(?:[a-z]+s|people|men|women|children)\b)",
        _called,
    ),
    (START + r"1-(?P<code>8\d\d|900)-(?=[A-Z\d])", lambda m: f"one, {cardinal(m['code'])}, "),
)
