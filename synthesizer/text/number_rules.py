"""Numbers in context: dispatch to dates, money and measures, and rules for ranges, percent, fractions and the rest."""

import re

from synthesizer.text.codes import expand_codes
from synthesizer.text.dates import MONTHS, expand_dates
from synthesizer.text.durations import expand_durations
from synthesizer.text.matching import apply_rules, compile_rules
from synthesizer.text.measures import expand_measures
from synthesizer.text.money import expand_money, expand_money_ranges, plural_currency
from synthesizer.text.numbers import (
    NUMBER,
    START,
    cardinal,
    decimal,
    mixed_fraction,
    ordinal,
    pairs,
    plural,
    year,
)
from synthesizer.text.phone_numbers import expand_phone_numbers

# A plural noun after four digits marks a count, not a year.
_COUNTED = re.compile(r"\s+(?!was\b|is\b|has\b|as\b|this\b|its\b|his\b|us\b|always\b|across\b|plus\b|times\b)[a-z]+s\b")
# An arithmetic term: a number with or without a letter, or a letter, with an optional power.
_TERM = r"(?:\d[\d.,]{0,20}[a-z]?|[a-zA-Z])(?:\^-?\d+)?"
_ARITHMETIC = re.compile(rf"(?<![\w.]){_TERM}\)?\s?[=×÷+*]\s?[-(]?{_TERM}(?!\w)|{_TERM}\s=|=\s-?{_TERM}(?!\w)")
_MINUS_SIGNS = re.compile(rf"(?<=[\w)])\s-\s(?=[(]?{_TERM}(?!\w))|(?<=[=(,+×÷*/])(?P<space>\s?)-(?=[a-z]\b)")


def expand_numbers(text: str) -> str:
    """Write every number of the text in words.

    Args:
        text: as `synthesizer.text.transliteration.to_ascii` gives it, with abbreviations expanded.
    """
    if _ARITHMETIC.search(text):
        text = _MINUS_SIGNS.sub(" minus ", text)
    text = apply_rules(_FIRST_RULES, expand_codes(text))
    text = expand_phone_numbers(expand_dates(expand_durations(text)))
    text = expand_money(apply_rules(_RANGE_RULES, expand_money_ranges(text)))
    text = expand_measures(apply_rules(_MINUS_RULES, text))
    return apply_rules(_LAST_RULES, text)


def _decimal_comma(match: re.Match[str]) -> str:
    """'1,5 kg' -> '1.5 kg': a thousands separator has three digits after it."""
    return f"{match['whole']}.{match['part']}"


def _scientific(match: re.Match[str]) -> str:
    return f"{match['number']} times 10^{int(match['exponent'])}"


def _grouped(match: re.Match[str]) -> str:
    """'100 000' -> '100,000', '1 234,56' -> '1,234.56'; the parts of names and dates are kept apart."""
    before = match.string[max(0, match.start() - 24) : match.start()]
    if _NAMING.search(before) and not _AFTER_YEAR.search(before):
        return match.group()
    return match.group().replace(",", ".").replace(" ", ",")


def _hyphenated_whole(match: re.Match[str]) -> str:
    """'1-1/2 cups' -> '1 1/2 cups'; '1-3/2' stays a range."""
    top, bottom = match["part"].split("/")
    return match["whole"] + (" " if int(top) < int(bottom) else "-") + match["part"]


def _fraction_as_adjective(match: re.Match[str]) -> str:
    """'3/4-inch' -> 'three quarter inch'."""
    return _mixed_fraction(match).removesuffix("s") + " "


def _mixed_fraction(match: re.Match[str]) -> str:
    return mixed_fraction(f"{match['whole'] or ''} {match['top']}/{match['bottom']}".strip())


def _power(match: re.Match[str]) -> str:
    exponent, charge = match["exponent"], match["charge"] or match["only"]
    if charge:  # an ion
        return f" {cardinal(exponent)} {'plus' if charge == '+' else 'minus'}" if exponent else " plus"
    if exponent in ("2", "3"):
        return " squared" if exponent == "2" else " cubed"
    sign = "minus " if exponent.startswith("-") else ""
    return f" to the power of {sign}{cardinal(exponent.lstrip('+-'))}"


def _plain(match: re.Match[str]) -> str:
    number = match["number"]
    is_year = len(number) == 4 and number.isdigit() and "1100" <= number <= "2099"
    is_year = is_year and not _COUNTED.match(match.string, match.end())
    spoken = year(number) if is_year else decimal(number)
    sign = "plus " if match["plus"] else ""
    # "mp3", "3D": separate a number from adjacent letters.
    before = match.string[max(0, match.start() - 1) : match.start()]
    after = match.string[match.end() : match.end() + 1]
    return (" " if before.isalnum() else "") + sign + spoken + (" " if after.isalnum() else "")


def _version(match: re.Match[str]) -> str:
    gap = " " if match.string[max(0, match.start() - 1) : match.start()].isalpha() else ""  # "v1.2.3"
    return gap + " point ".join(cardinal(part) for part in match.group().split("."))


def _internet_address(match: re.Match[str]) -> str:
    spoken = " dot ".join(cardinal(part) for part in match["address"].split("."))
    return spoken + (f" port {cardinal(match['port'])}" if match["port"] else "")


_MAGNITUDES = {"mn": "million", "bn": "billion", "tn": "trillion"}
_LETTERS = {"K": "thousand", "M": "million", "B": "billion", "T": "trillion"}
_FRACTION = r"(?:(?P<whole>\d{1,6})\s+)?(?P<top>\d{1,6})/(?P<bottom>\d{1,6})"

# A word before a number that makes it a name: "Room 12 345 is free", "July 4 500 people"
_NAMING = re.compile(
    r"(?:\b(?:room|page|flight|chapter|number|no|route|highway|bus|train|line|gate|seat|suite|unit|box|section|part"
    r"|volume|version|channel|code|pin|extension|model|tram|exit|level|lot|call|dial|text|"
    + "|".join(MONTHS)
    + r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.?|\d)\s$",
    re.IGNORECASE,
)
# "In 2021 5 100 people came": the digits before a grouped number are a year.
_AFTER_YEAR = re.compile(
    r"(?:\b(?i:in|by|since|until|before|after|from|of|and|to|year|" + "|".join(MONTHS) + r")|\d,)\s(?:1[5-9]|20)\d\d\s$"
)
_SIMPLE_FRACTION = r"(?:[1-7]/[2-8]|[1-9]/10|\d{1,2}/(?:16|32|64))(?![\d/])"

# In order: each rule sees the digits that those above have left.
_FIRST_RULES = compile_rules(
    # Digit groups of Indian and continental European notation become one number.
    (r"(?<![\d,.])\d{1,2}(?:,\d\d)+,\d{3}(?!\d|,\d)", lambda m: m.group().replace(",", "")),
    (r"(?<![\w.,:/+-])[1-9]\d{0,2}(?: \d{3}){2,4}(?!\d|-(?![a-z])| \d)", _grouped),
    (
        r"(?<![\w.,:/+'])(?<!\D-)[1-9]\d{0,2} \d{3}(?:(?P<comma>,)(?P<part>\d\d?))?"
        r"(?!\d|-(?!\d{1,3} \d{3}|[a-z])| \d)"
        r"(?:(?=\.\d\d?(?!\d|\.\d)|\s?[%°€£$]|\s(?:[a-z]|[A-Z]{2,3}\b|[kMG]?(?:Hz|W|V|B)\b|[A-Z][a-z]+s\b)|-[\da-z]"
        r"|[.,;:!?)]?$|[,;:!?)]+\s)|(?<=000))",
        _grouped,
    ),
    (r"(?<![\w.,'])[1-9]\d{0,2}(?:'\d{3})+(?![\d'\"])", lambda m: m.group().replace("'", "")),
    (START + r"[1-9]\d{0,2}(?:\.\d{3}){2}(?!\d|[.,]\d)", lambda m: m.group().replace(".", "")),
    (START + r"(?P<address>\d{1,3}(?:\.\d{1,3}){3})(?::(?P<port>\d{1,5}))?(?!\d|[.:]\d)", _internet_address),
    (START + r"(?P<number>\d+(?:\.\d+)?)[eE](?P<exponent>[+-]?\d{1,3})(?!\w|\.\d)", _scientific),
    (r"(?<![\d,.])(?P<whole>\d{1,3}),(?P<part>\d{1,2})(?=\s?(?:kg|km|cm|mm|m|g|l|ml|%|°))", _decimal_comma),
    (
        r"(?<![\w.,])(?!3M|[48]K)(?P<number>\d+(?:\.\d+)?)(?P<letter>[KMBT]|(?<=\d\d)k)(?=\s(?!run|race)(?:[a-z]+s|people|men|women|children)\b)",
        lambda m: f"{m['number']} {_LETTERS[m['letter'].upper()]}",
    ),
    (r"(?<=\d)\.x\b", " point x"),  # version 2.x
    (r"(?<=\d\.\d)-(?=\d{1,3}B\b)|(?<=\d\.\d\d\.\d)-(?=\d{1,3}\b)|(?<=\d\.\d\.\d)-(?=\d{1,3}\b)", " "),
    (
        START + r"(?P<score>\d\.\d)/(?P<most>5|10)(?![\w/]|\.\d)",
        lambda m: f"{decimal(m['score'])} out of {cardinal(m['most'])}",
    ),
    (
        r"(?<=\d)m(?=\s(?:people|users|children|women|men|jobs|homes|viewers|visitors|copies|tonnes|tons|barrels|households"
        r"|customers|members|passengers|patients|voters|workers|views|downloads|subscribers|followers|shares|euros)\b)",
        " million",
    ),
    (r"(?<=\d[kKmMbB])-(?=[$£€]\d)", " to "),
    (r"(?<=\d)\s?(?P<magnitude>[mbt]n)\b", lambda m: f" {_MAGNITUDES[m['magnitude']]}"),
    (
        START + r"(?P<number>(?:10{1,6}|(?:1,0|10,0|100,0)00|1,000,000))s(?=\s(?:of|or|and)\b)",
        lambda m: plural(cardinal(m["number"].replace(",", "")).removeprefix("one ")),
    ),
    (r"(?<=€)(?P<thousands>\d{1,3})\.(?P<rest>\d{3})(?![\d.,])", r"\g<thousands>\g<rest>"),
    (START + r"(?P<thousands>\d{1,3})\.(?P<rest>\d{3})(?=\s?€)", r"\g<thousands>\g<rest>"),
    (r"\b[Rr]s\.?\s?(?=\d)", "₹"),
    (
        START + r"24/7(?:/365\b)?(?!/?\d)",
        lambda m: "twenty-four seven" + (" three sixty-five" if "365" in m.group() else ""),
    ),
    (START + r"(?P<digit>[79])/11\b(?!/|\sof\b)", lambda m: f"{cardinal(m['digit'])} eleven"),
    (
        START + r"(?P<top>\d{1,3})/(?P<bottom>\d{1,3})(?=,?\s(?:stars?|points|rating|score|would)\b)"
        r"|(?<![\w.,:/])(?<!day )(?<!\bon )(?<!\bby )(?P<both>[2-9]|10|100)/(?P=both)(?![\w/])",
        lambda m: f"{cardinal(m['top'] or m['both'])} out of {cardinal(m['bottom'] or m['both'])}",
    ),
    (
        START + r"(?P<top>\d\d)/100(?![\w/])|(?<=\b(?i:score|grade|rated): )(?P<points>\d{1,3})"
        r"/(?P<bottom>\d{1,3})(?![\w/])",
        lambda m: f"{cardinal(m['top'] or m['points'])} out of {cardinal(m['bottom'] or '100')}",
    ),
    (START + r"(?P<same>50|20)[/-](?P=same)\b(?![-/])", lambda m: f"{cardinal(m['same'])} {cardinal(m['same'])}"),
    (START + r"(?P<lines>480|720|1080|1440|2160)(?P<scan>[pi])\b", lambda m: f"{pairs(m['lines'])} {m['scan']}"),
    (START + r"(?P<type>7\d7)-(?P<variant>\d{2,3})\b(?!-)", lambda m: f"{pairs(m['type'])} {pairs(m['variant'])}"),
    (START + r"(?P<a>\d+)-(?P<b>\d+)(?=\spunch)", lambda m: f"{cardinal(m['a'])} {cardinal(m['b'])}"),
    (
        START + r"(?P<top>\d+)\s?/\s?(?P<bottom>\d+)(?=\s?=(?!\s{0,3}\d+/))",
        lambda m: f"{m['top']} divided by {m['bottom']}",
    ),
    (START + r"(?P<part>\d+/\d+)(?:rd|th|nd)s?\b", lambda m: m["part"]),
    (START + rf"(?<!-)(?P<whole>\d{{1,2}})-\s?(?P<part>{_SIMPLE_FRACTION})", _hyphenated_whole),
    (START + r"1/2(?=\san?\s)", "half"),
    (rf"(?<![\d/-])(?P<part>{_SIMPLE_FRACTION})\s?-\s?(?=\d)", r"\g<part> to "),
    (
        rf"(?P<sign>[$£€]){_FRACTION}(?:\s(?P<magnitude>[mbt]r?illion)\b)?(?![\w/])",
        lambda m: f"{_mixed_fraction(m)} {m['magnitude'] or ''} {plural_currency(m['sign'])}",
    ),
    (START + _FRACTION + r"\s?[x×](?![\w-]|\s?\d)", lambda m: f"{_mixed_fraction(m)} times"),
    (START + _FRACTION + r"-(?=[a-z])", _fraction_as_adjective),
    (START + _FRACTION + r"(?P<percent>\s?%)", lambda m: _mixed_fraction(m) + " percent"),
    (START + r"(?P<number>\d+)(?:th|rd|nd)s\b", lambda m: plural(ordinal(m["number"]))),
)
_RANGE_RULES = compile_rules(
    (r"(?<=\d)(?P<unit>\s?%|\s?°[CF]?)\s?-\s?(?=-?\d)", lambda m: m["unit"] + " to "),
    (r"(?<=\d)(?P<unit>\s?[a-zA-Z]{1,3})-(?=\d+(?:\.\d+)?(?P=unit)\b)", lambda m: m["unit"] + " to "),
    (rf"(?<![\w/^-])(?<!\^-)(?P<low>{NUMBER})(?:\s?-\s?)(?={NUMBER})", lambda m: f"{m['low']} to "),
    (r"(?<![\d:])(?P<low>2[5-9]|[3-5]\d):(?=[0-5]\d(?![\d:,.]))", lambda m: f"{m['low']} "),  # minutes and seconds
    (r"(?<![\d:])\d+(?::\d+)+(?![\d:])", lambda m: m.group().replace(":", " to ")),
)
# After money, whose rules read their own minus signs.
_MINUS_RULES = compile_rules((rf"(?<![\w)\"'^])(?<!\d\s)-(?={NUMBER})", lambda m: "minus "))
_LAST_RULES = compile_rules(
    (rf"(?<!\d)(?P<number>{NUMBER})\s?%", lambda m: f"{decimal(m['number'])} percent"),
    (
        r"(?<!\d)(?P<number>\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th|ST|ND|RD|TH)\b",
        lambda m: ordinal(m["number"].replace(",", "")),
    ),
    (r"(?<=[\w)])\^(?:(?P<exponent>[+-]?\d+)(?P<charge>[+-](?!\w))?|(?P<only>[+-])(?!\w))", _power),
    (START + _FRACTION + r"(?![\w/]|\.\d)", _mixed_fraction),
    (r"(?:(?<=\b[vV])|(?<![\w.,:/]))\d+(?:\.\d+){2,}(?!\d)", _version),
    (rf"(?P<plus>(?<![\w)-])\+)?(?P<number>{NUMBER})", _plain),
)
