"""Durations: '1h 20m' -> 'one hour twenty minutes', '45m ago' -> 'forty-five minutes ago'."""

import re
from itertools import pairwise

from synthesizer.text.matching import apply_rules, compile_rules, one_of
from synthesizer.text.numbers import START, cardinal, counted

# Abbreviation: rank, singular, plural. In a duration the ranks fall: "5m 30s" has minutes, "30s 5m" is not a duration.
_UNITS = {
    "y": (0, "year", "years"),
    "yr": (0, "year", "years"),
    "yrs": (0, "year", "years"),
    "mo": (1, "month", "months"),
    "w": (2, "week", "weeks"),
    "wk": (2, "week", "weeks"),
    "d": (3, "day", "days"),
    "h": (4, "hour", "hours"),
    "hr": (4, "hour", "hours"),
    "hrs": (4, "hour", "hours"),
    "m": (5, "minute", "minutes"),
    "min": (5, "minute", "minutes"),
    "mins": (5, "minute", "minutes"),
    "s": (6, "second", "seconds"),
    "sec": (6, "second", "seconds"),
    "secs": (6, "second", "seconds"),
}
_PART = rf"\d{{1,4}}\s?{one_of(_UNITS)}"
_PARTS = re.compile(rf"(\d+)\s?({one_of(_UNITS)})")
_FOLLOWING = r"ago|later|late|left|remaining|earlier|from now|to go|old"
# Nouns that a duration before them modifies: "a 30s video", "a 5m walk"
_MODIFIED = (
    r"timeout|timer|interval|delay|window|break|cooldown|video|clip|ad|spot|trailer|song|track|recording|pause|walk|wait|drive"
    r"|ride|nap|call|meeting|workout|plank|rest|limit|countdown|trial|streak|refresh|expiry|workshop"
)
_MODIFIES = re.compile(rf"\s(?:{_MODIFIED})\b")
_BEFORE_SECONDS = r"wait|waits|waited|for|after|within|every|takes?|took|lasts?|lasted|about|only|another|than|in"


def expand_durations(text: str) -> str:
    """Write durations as words. It must run before dates, which read '30s' as a decade."""
    return apply_rules(_RULES, text)


def _duration(match: re.Match[str]) -> str:
    """The parts in words, if there is one part or if some part has a lower rank than the one before it."""
    if re.fullmatch(r"\d{3,4}\s?m", match.group()):
        return match.group()  # "a 100m walk" has meters
    if _MODIFIES.match(match.string, match.end()):
        return _PARTS.sub(lambda part: f"{cardinal(part[1])} {_UNITS[part[2]][1]}", match.group())
    ranks = [_UNITS[unit][0] for _, unit in _PARTS.findall(match.group())]
    if len(ranks) > 1 and not any(second > first for first, second in pairwise(ranks)):
        return match.group()
    return _PARTS.sub(lambda part: counted(part[1], _UNITS[part[2]][1:]) + " ", match.group())


_RULES = compile_rules(
    (START + r"(?P<hours>\d\d?)\s?hrs?(?P<minutes>[0-5]\d)(?!\w)", r"\g<hours>h \g<minutes>m"),
    (START + rf"(?<![-$£€]){_PART}(?:,?\s?{_PART})+(?![\w/^])", _duration),
    (START + rf"(?<![-$£€]){_PART}(?=\s(?:{_FOLLOWING}|{_MODIFIED})\b)", _duration),
    (rf"(?P<before>\b(?:{_BEFORE_SECONDS})\s|=)(?P<number>\d{{1,3}})s\b(?!')", r"\g<before>\g<number> sec"),
    (
        r"(?P<before>\b(?:wait|waits|waited|for|after|within|every|takes?|took|lasts?|lasted|another)\s)(?P<number>\d{1,3})d\b",
        lambda m: m["before"] + counted(m["number"], ("day", "days")),
    ),
    (
        r"(?P<before>\b(?:wait|waits|waited|every|back in|there in|starts? in|brb|takes?|took|timer for|alarm for"
        r"|timeout of|delay of)\s)(?P<number>\d{1,2})m\b"
        r"(?!\s(?:of|deep|away|long|wide|high|tall))",
        lambda m: m["before"] + counted(m["number"], ("minute", "minutes")),
    ),
)
