"""Codes and versions: '401(k)' -> 'four oh one k', '802.11ac' -> 'eight oh two dot eleven a c', '2.0b1'."""

import re

from synthesizer.text.letters import LETTER_MARK, spelled
from synthesizer.text.matching import apply_rules, compile_rules
from synthesizer.text.numbers import START, cardinal, code_number, pairs, plural


def expand_codes(text: str) -> str:
    """Write codes as words. It must run before the other rules for numbers."""
    return apply_rules(_RULES, text)


def _statute(match: re.Match[str]) -> str:
    """'501(c)(3)' -> 'five oh one c three'."""
    inner = re.findall(r"\w+", match["parts"])
    parts = [code_number(match["number"]), *(cardinal(p) if p.isdigit() else spelled(p) for p in inner)]
    return " ".join(parts) + ("'s" if match["plural"] else "")


def _short_statute(match: re.Match[str]) -> str:
    """'401k' -> 'four oh one k', '501c3' -> 'five oh one c three', '529 plan' -> 'five twenty-nine plan'."""
    if not match["number"]:
        return code_number(match.group())
    part = f" {cardinal(match['part'])}" if match["part"] else ""
    return f"{code_number(match['number'])} {match['letter'].upper()}{part}" + ("'s" if match["plural"] else "")


def _tax_form(match: re.Match[str]) -> str:
    """'1099-K' -> 'ten ninety-nine K', 'Form 1040' -> 'Form ten forty'."""
    letters = (match["letters"] or "").lstrip("-")
    if not match["before"] and not letters:
        return match.group()
    spoken = letters if len(letters) > 3 else spelled(letters)
    return f"{match['before'] or ''}{pairs(match['number'])} {spoken}".rstrip()


def _standard(match: re.Match[str]) -> str:
    """'802.11ac' -> 'eight oh two dot eleven a c'."""
    letters = f" {spelled(re.sub('[ /]', '', match['letters']))}" if match["letters"] else ""
    return f"eight oh two dot {cardinal(match['part'])}{letters}"


def _formula(match: re.Match[str]) -> str:
    """'H2SO4' -> 'H 2 S O 4'."""
    return " ".join(re.findall(r"[A-Z]|\d+", match.group().upper()))


# Elements of common formulas
_ELEMENT = "(?:Na|Cl|Ca|Mg|Fe|Cu|Zn|Ag|Al|Si|Mn|Br|Li|Pb|Ti|[HCNOSPFKI])"
_RULES = compile_rules(
    (
        START + r"(?<![$£€(+])(?P<number>\d{1,4}(?=\()|(?:401|403|457|501)(?=\s\([a-z]\)))\s?"
        r"(?P<parts>(?:\((?:[a-z]|[A-D]|\d{1,2})\))+\d?)(?P<plural>s?)(?!\w)",
        _statute,
    ),
    (
        START + r"(?P<number>401|403|457|529|501)(?P<letter>[kKbBcC])(?P<part>\d?)(?P<plural>'?s)?(?!\w)"
        r"|\b(?:401|403|457|529)(?=\splans?\b)",
        _short_statute,
    ),
    # Tax forms: "Form 1040", "1099-K"
    (
        r"(?P<before>\b[Ff]orms?\s)?(?<![\w.,/-])(?P<number>10[4-9]\d)(?=[-A-Z\s]|$|[.,;:)])(?P<letters>-?[A-Z]{1,4}\b)?",
        _tax_form,
    ),
    (r"(?<=[A-Z]{2})v(?=\d)|(?<=[a-z])V(?=\d)", lambda m: f" {m.group()} "),  # ARMv8, TLSv1.3, MobileNetV2
    (r"\bv\.\s?(?=\d)", "v "),
    (r"\b0x(?P<digits>[\da-fA-F]+)\b", lambda m: "zero x " + " ".join(m["digits"].upper()).replace("A", LETTER_MARK)),
    # A320s, F-16s
    (
        rf"(?P<letter>[A-Z{LETTER_MARK}])(?P<gap>-?)(?P<number>\d{{1,3}})s\b",
        lambda m: f"{m['letter']}{m['gap'] or ' '}{plural(pairs(m['number']))}",
    ),
    # SHA-256, RTX 4090
    (
        r"\b(?P<name>SHA|AES|MD|RSA|HMAC|[A-Z]{2,4}(?=-))(?P<gap>-?)(?P<number>[1-9]\d\d)\b(?![-,.]\d)",
        lambda m: f"{m['name']}{' ' if m['gap'] == '-' else m['gap']} {pairs(m['number'])}",
    ),
    (
        r"(?<=\b(?:RTX|GTX|RFC|ISO|IEC|DIN)[ -])(?P<number>[1-9]\d{3})\b(?![,.]\d|:)",
        lambda m: pairs(m["number"]),
    ),
    (
        START + r"802\.(?P<part>\d{1,2})(?P<letters>(?:[a-zA-Z]{1,2}(?:/[a-z]{1,2})*|\s[a-z]{1,2}(?:/[a-z]{1,2})+)?)\b"
        r"(?!\.\d)",
        _standard,
    ),
    (r"\b(?P<letter>[HX])\.(?P<number>2\d\d)\b(?!\.\d)", lambda m: f"{m['letter']} dot {pairs(m['number'])}"),
    (r"(?<=\d):(?=(?:19|20)\d\d\b)(?<=\b(?:ISO|IEC|DIN)\s\d{4}:)", " "),
    (r"\bIPv(?=[46]\b)", "I P v "),
    (rf"(?<![\w-])(?=[A-Za-z]*\d)(?:{_ELEMENT}(?:[1-9]\d?)?){{2,}}(?![\w-])", _formula),
    (
        r"(?<![\w.&-])(?P<word>[A-Z]{2})(?=\d)(?!\d+'?s\b|\d\d(?: \d{4}){2})",
        lambda m: spelled(m["word"]) + " ",
    ),
    # "1.0.0-beta.2", "2.0rc1", "version 2.1a"
    (r"(?<=\d)-?(?P<stage>alpha|beta|rc|dev|pre|preview)[.-]?(?P<number>\d*)\b", r" \g<stage> \g<number>"),
    (
        r"(?i:\b(?P<word>v|ver|version|rev|revision|release|build)(?P<stop>\.?\s?))(?P<number>\d+(?:\.\d+)+)(?P<letter>[a-z])\b",
        lambda m: f"{m['word']}{m['stop']}{m['number']} {spelled(m['letter'])}",
    ),
)
