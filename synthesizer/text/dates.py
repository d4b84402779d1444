"""Dates and times of day. In dates with slashes the month comes first, unless it would exceed 12."""

import re

from synthesizer.text.letters import spelled
from synthesizer.text.matching import apply_rules, compile_rules, final_stop
from synthesizer.text.numbers import START, cardinal, counted, ordinal, plural, year

MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTH_NAMES = {m[:3].capitalize(): m for m in MONTHS} | {"Sept": "september"}
_MONTH_NAMES |= {m.capitalize(): m for m in MONTHS} | {m.upper(): m for m in MONTHS}
# Lower-case "march" and "may" are often verbs; the other months are accepted in lower case.
_MONTH_NAMES |= {m: m for m in MONTHS if m not in ("march", "may")}

_FULL_MONTH = "(?:" + "|".join(month.capitalize() for month in MONTHS) + ")"
_MONTH = "(?P<month>" + "|".join(sorted(_MONTH_NAMES, key=len, reverse=True)) + r")\b\.?"
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?\b(?![:/]\d)(?!\.\d)"
_YEAR = r"(?:,?\s+(?P<year>1[0-9]\d\d|20\d\d)\b(?!,\d|\.\d|:))?"
_WEEKDAY = "(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_HALF = r"(?P<half>[ap]\.m\.|[ap]m\b|[AP]\.M\.|[AP]M\b)"
_CLOCK = r"\d\d?(?:[:.]\d\d)?\s?(?:[ap]\.m\.|[ap]m\b|[AP]\.M\.|[AP]M\b)"
_LAST_DAY = r"(?:\s?-\s?(?P<last>0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?\b(?![-:/]|\.\d|\s?%))?"
_SAME_SENTENCE = re.compile(
    rf"\s(?:(?:[ECMP][SD]?T|GMT|UTC|BST|CES?T|{_FULL_MONTH})\b|(?i:{_WEEKDAY})\b|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b)"
)
_YEAR_BEFORE = r"(?:[Ii]n|[Yy]ear|[Ss]ince|[Uu]ntil|[Bb]efore|[Aa]fter|[Ff]rom|[Cc]irca|AD|A\.D\.|of)"
_NOT_COUNTED = (
    r"(?!\s(?!(?:was|is|has|as|this|its|his|us|always|across|plus|times)\b)[a-z]+s\b|\s(?:people|men|women|children)\b)"
)
_LONGEST_SEASON = 10  # years
_ERA = re.compile(
    r"(?<=\d)\s?(?P<era>B\.C\.E\.|B\.C\.|C\.E\.|A\.D\.|BCE|CE|BC|AD)(?![A-Za-z])|\b(?P<first>A\.D\.|AD|BC)(?=\s\d)"
)


def expand_dates(text: str) -> str:
    """'3/4/2021' -> 'march fourth, twenty twenty-one', '5:30pm' -> 'five thirty p m', 'the 90s' -> 'the nineties'."""
    return apply_rules(_RULES, text)


def _spoken_date(month: str, day: str, year_digits: str | None) -> str:
    return f"{month} {ordinal(day)}" + (f", {year(year_digits)}" if year_digits else "")


def _numeric_date(match: re.Match[str]) -> str:
    first, second, year_digits = match["a"], match["b"], match["year"]
    month, day = (first, second) if int(first) <= 12 and match["sep"] != "." else (second, first)
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        month, day = day, month
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return match.group()
    if len(year_digits) == 2:
        year_digits = ("20" if int(year_digits) < 70 else "19") + year_digits
    return _spoken_date(MONTHS[int(month) - 1], day, year_digits)


def _iso_date(match: re.Match[str]) -> str:
    month, day = int(match["month"]), int(match["day"])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match.group()
    clock = match["clock"]
    spoken = _spoken_date(MONTHS[month - 1], match["day"], match["year"])
    return spoken + (f", {clock}" + (" U T C" if match["zone"] == "Z" else "") if clock else "")


def _short_date(match: re.Match[str]) -> str:
    month, day = match["month"], match["day"]
    if int(month) > 12:
        month, day = day, month
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return match.group()
    return match["before"] + _spoken_date(MONTHS[int(month) - 1], day, None)


def _month_first(match: re.Match[str]) -> str:
    last = f" to {ordinal(match['last'])}" if match["last"] else ""
    spoken = f"{_MONTH_NAMES[match['month']]} {ordinal(match['day'])}{last}"
    return spoken + (f", {year(match['year'])}" if match["year"] else "")


def _day_first(match: re.Match[str]) -> str:
    spoken = f"{ordinal(match['day'])} of {_MONTH_NAMES[match['month']]}"
    if not match["the"]:
        spoken = "the " + spoken
    return (match["the"] or "") + spoken + (f", {year(match['year'])}" if match["year"] else "")


def _half_of_day(match: re.Match[str]) -> str:
    suffix = match["half"]
    if not suffix:
        return ""
    ends = suffix.endswith(".") and not _SAME_SENTENCE.match(match.string, match.end())
    return f" {spelled(suffix[0])} m" + (final_stop(match) if ends else "")


def _time(match: re.Match[str]) -> str:
    hour, minute, second = int(match["hour"]), match["minute"], match["second"]
    if hour > 24 or int(minute) > 59 or (second and int(second) > 59):
        return match.group()
    suffix = _half_of_day(match)
    spoken = cardinal(str(hour))
    if int(minute) == 0:
        if not suffix and not second:
            o_clock = "" if re.match(r"\s?o'?clock", match.string[match.end() :]) else " o'clock"
            spoken = "midnight" if hour == 0 else f"{spoken}{o_clock}" if hour <= 12 else f"{spoken} hundred"
    else:
        spoken += f" oh {cardinal(minute[1])}" if minute.startswith("0") else f" {cardinal(minute)}"
    if second and int(second):
        spoken += f" and {counted(str(int(second)), ('second', 'seconds'))}"
    return spoken + suffix


def _military_time(match: re.Match[str]) -> str:
    """'at 0830 hours' -> 'at oh eight thirty hours'."""
    minute = match["minute"]
    rest = "hundred" if minute == "00" else _two_digits(minute)
    return f"{match['before']}{_two_digits(match['hour'])} {rest}{' hours' if match['hours'] else ''}"


def _decade(match: re.Match[str]) -> str:
    digits = match["decade"]
    if len(digits) == 2:
        return plural(cardinal(digits))
    head, tail = cardinal(digits[:2]), digits[2:]
    if tail == "00":
        return f"{head} hundreds" if digits[1] != "0" else plural(cardinal(digits))
    return f"{head} {plural(cardinal(tail))}"


def _two_digits(digits: str) -> str:
    return f"oh {cardinal(digits[1])}" if digits[0] == "0" and digits[1] != "0" else cardinal(digits)


def _season(match: re.Match[str]) -> str:
    """'2020/21' -> 'twenty twenty to twenty-one', '1999/2000', '1914/18'; other fractions are kept."""
    first, last = match["first"], match["last"]
    if not 0 < (int(last) - int(first)) % 10 ** len(last) <= _LONGEST_SEASON:
        return match.group()
    return f"{year(first)} to {_two_digits(last) if len(last) == 2 and last != '00' else year(_full_year(first, last))}"


def _full_year(first: str, last: str) -> str:
    return last if len(last) == 4 else str(int(first[:2]) + 1) + last


def _short_season(match: re.Match[str]) -> str:
    """'the 98/99 season' -> 'the ninety-eight to ninety-nine season'."""
    first, last = match["first"], match["last"]
    if (int(first) + 1) % 100 != int(last):
        return match.group()
    return f"{_two_digits(first)} to {_two_digits(last)}"


def _month_of_year(match: re.Match[str]) -> str:
    return f"{MONTHS[int(match['month']) - 1]} {year(match['year'])}"


# In order: each rule sees the digits that those above have left.
_RULES = compile_rules(
    (r"(?<=\d/)(?P<year>\d{4}|\d\d)\s?-\s?(?=\d\d?/\d\d?/\d\d)", r"\g<year> to "),
    (rf"\b(?P<month>{_FULL_MONTH})/(?={_FULL_MONTH}\b)", r"\g<month> to "),
    (
        START + r"(?P<year>\d{4})(?P<sep>[-/.])(?P<month>\d\d?)(?P=sep)(?P<day>\d\d?)"
        r"(?:[T ](?P<clock>\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(?P<zone>Z|[+-]\d\d:?\d\d)?)?(?![\w-])",
        _iso_date,
    ),
    (
        START + r"(?P<a>\d\d?)(?P<sep>[/.-])(?P<b>\d\d?)(?P=sep)"
        r"(?P<year>(?:1\d|20)\d\d|(?<=/)\d\d|(?<=\d\d\.\d\d\.)\d\d)(?![\w/-]|\.\d)",
        _numeric_date,
    ),
    (START + r"(?P<month>0?[1-9]|1[0-2])/(?P<year>(?:19|20)\d\d)(?![\w/])", _month_of_year),
    (
        r"(?<!ltiply )(?<!ltiplied )(?<!ivide )(?<!ivided )"
        rf"(?P<before>\b(?i:by|on|before|after|until|due|since|dated|{_WEEKDAY}),?\s)"
        r"(?P<month>\d\d?)/(?P<day>\d\d?)(?![\w/]|\.\d|\s?%|\sof\b)",
        _short_date,
    ),
    # Without a preposition, only if it would be an odd fraction: "12/31"
    (
        START + r"(?P<before>)(?P<month>0?[1-9]|1[0-2])/(?P<day>1[7-9]|2[1-46-9]|3[01])"
        r"(?![\w/]|\.\d|\s?%|\sof\b|\s?[=+*x])",
        _short_date,
    ),
    (
        START + r"(?P<before>)(?P<month>\d\d?)/(?P<day>\d\d?)"
        r"(?=\s(?:lecture|meeting|class|exam|deadline|appointment|party|concert|event|issue|edition)\b)",
        _short_date,
    ),
    (START + r"(?P<first>(?:1[6-9]|20)\d\d)[/](?P<last>(?:1[6-9]|20)?\d\d)(?![\w/])", _season),
    (
        r"(?<![\w.,:/])'?(?P<first>\d\d)/'?(?P<last>\d\d)(?=\s(?:season|winter|academic|school|budget|financial|fiscal))",
        _short_season,
    ),
    (r"(?:(?<=\bFY)|(?<=\bF Y)) ?(?P<first>\d\d)/(?P<last>\d\d)(?![\w/])", lambda m: " " + _short_season(m)),
    (r"(?<=\b[Ss]eason )(?P<first>\d\d)/(?P<last>\d\d)(?![\w/])", _short_season),
    (rf"\b{_MONTH}\s+{_DAY}(?!\s?%){_LAST_DAY}{_YEAR}", _month_first),
    (rf"(?P<the>\b(?:[Tt]he|[Hh]appy)\s+)?{START}{_DAY}(?:\s+of)?\s+{_MONTH}{_YEAR}", _day_first),
    # "9:30-10:45", "9am-5pm", "6-8 p.m."
    (
        rf"(?P<from>{_CLOCK}|\b\d\d?:\d\d|\b(?:[Nn]oon|[Mm]idnight))\s?-{{1,2}}\s?(?=\d\d?:\d\d|{_CLOCK})",
        lambda m: m["from"] + " to ",
    ),
    (rf"{START}(?P<from>\d\d?)\s?-\s?(?={_CLOCK})", lambda m: m["from"] + " to "),
    (r"(?P<before>\b(?:at|from|until|to)\s)(?P<hour>\d\d?)h\b(?!\s?\d)", r"\g<before>\g<hour>:00"),
    (r"(?<=\d:[0-5]\d)\s?h(?:rs?)?\b\.?", lambda m: final_stop(m) if m.group().endswith(".") else ""),
    (
        r"(?P<before>\b(?:at|by|from|until|before|after|to|and|since)\s|(?<![\w.,:/])(?=0\d{3}\s?(?:h|hrs|hours|GMT|UTC|Zulu)\b))"
        r"(?P<hour>[01]\d|2[0-3])(?P<minute>[0-5]\d)"
        r"(?:(?P<hours>\s?(?:hrs|hours)\b)|\s?h\b\.?|(?=\s(?:to|-|until|and)\s\d{4}\s?(?:h|hrs|hours)\b)"
        r"|(?=\s(?:GMT|UTC|Zulu|local|[ECMP][SD]?T)\b))",
        _military_time,
    ),
    (
        r"(?P<a>(?<![\d:.])\d+):(?P<b>\d+)(?=\s(?:ratio|odds|scale|mix|mixture|dilution|split|aspect)\b)",
        r"\g<a> to \g<b>",
    ),
    (
        r"(?P<before>\b(?:ratio|odds|scale|dilution|mix)(?:\s(?:of|is|was|are|were))?\s)(?P<a>\d+):(?P<b>\d+)(?![\d:])",
        r"\g<before>\g<a> to \g<b>",
    ),
    (rf"{START}(?P<hour>\d\d?):(?P<minute>[0-5]\d)(?::(?P<second>\d\d))?(?![\d:]|,\d)(?:\s?{_HALF})?", _time),
    (rf"{START}(?P<hour>1[0-2]|0?[1-9])\.(?P<minute>[0-5]\d)(?P<second>(?!))?\s?{_HALF}", _time),
    (rf"{START}(?P<hour>1[0-2]|0?[1-9])\s?{_HALF}", lambda m: cardinal(m["hour"]) + _half_of_day(m)),
    (
        START + r"(?P<hour>\d\d?)h(?P<minute>[0-5]\d)(?!\w)",
        lambda m: f"{counted(m['hour'], ('hour', 'hours'))} {_two_digits(m['minute'])}",
    ),
    (_ERA.pattern, lambda m: f"{' ' if m['era'] else ''}{' '.join((m['era'] or m['first']).replace('.', ''))}"),
    (r"(?<![\w.,])'?(?P<decade>1[1-9]\d0|20\d0|[2-9]0)'?s\b", _decade),
    (r"(?<![\w'])'(?P<digits>\d\d)(?![\d'\w]|[.,]\d|\s?%)", lambda m: _two_digits(m["digits"])),
    # "in 1066": without a preposition, years start at 1100.
    (
        rf"(?P<before>\b{_YEAR_BEFORE}\s)(?P<year>10[1-9]\d)\b(?![.,:/%-]\d|\s?%){_NOT_COUNTED}",
        lambda m: f"{m['before']}ten {cardinal(m['year'][2:])}",
    ),
)
