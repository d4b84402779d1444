"""Measures: numbers with units, feet and inches, sizes, degrees."""

import re

from synthesizer.text.matching import apply_rules, compile_rules, one_of
from synthesizer.text.numbers import NUMBER, cardinal, counted, decimal, fraction, pairs
from synthesizer.text.units import LETTER_UNITS, PER_WORDS, UNITS

_UNIT = one_of(UNITS)
_PER_WORD = one_of(PER_WORDS)
_QUANTITY = rf"(?P<number>(?:\d{{1,4}}\s)?\d{{1,3}}/\d{{1,3}}|{NUMBER})(?:\^(?P<exponent>-?\d+))?"
_STOP = r"(?:\.(?=\s+[a-z(\d]|\s*[,;:)]))?"  # full stop of an abbreviation, unless it also ends the sentence
_SIDES = {"N": "north", "S": "south", "E": "east", "W": "west"}
_SCALES = {"C": "Celsius", "F": "Fahrenheit"}
_PER_ALONE = {"km/h": "kilometers per hour", "m/s": "meters per second"}
_POWERS = {"2": "square ", "3": "cubic "}
_ARTICLE = re.compile(r"\b(?:an?|another|every|each)\s(?:[a-z]+ly\s)?$", re.IGNORECASE)
_NOUN = re.compile(
    r"\s(?!(?:and|or|but|to|for|in|on|at|of|is|was|from|by|with|per|an?|the|away|each|every|more|less)\b)[a-z]{3,}"
)


def expand_measures(text: str) -> str:
    """'5 kg' -> 'five kilograms', '6 ft 2 in' -> 'six feet two inches', '9.8 m/s^2', '5-km run', '-5 °C'."""
    return apply_rules(_RULES, text)


def _counted(match: re.Match[str], names: tuple[str, str]) -> str:
    number = match["number"]
    exponent = match["exponent"]
    if exponent:
        sign = "minus " if exponent.startswith("-") else ""
        return f"{decimal(number)} to the power of {sign}{cardinal(exponent.lstrip('-'))} {names[1]}"
    if "/" not in number:
        return counted(number, names)
    whole, _, part = number.rpartition(" ")
    top, bottom = part.split("/")
    spoken = fraction(top, bottom)
    if whole:
        return f"{cardinal(whole)} and {'a' + spoken[3:] if top == '1' else spoken} {names[1]}"
    return f"{spoken} {names[0]}" if top == "1" else f"{spoken} of a {names[0]}"


def _measure(match: re.Match[str]) -> str:
    one, many = UNITS[match["unit"]]
    following = match.string[match.end() : match.end() + 2]
    if len(match["unit"]) == 1 and (re.match(r"-\w", following) or following.startswith("'")):
        return match.group()  # "5 t-shirts", "2 s's"
    before = match.string[max(0, match.start() - 30) : match.start()]
    if match["gap"] == "-" or (_ARTICLE.search(before) and _NOUN.match(match.string, match.end())):
        many = one
    power = _POWERS.get(match["power"] or "", "")
    per = ""
    if match["per"]:
        name = UNITS[match["per"]][0] if match["per"] in UNITS else match["per"]
        over = _POWERS.get(match["per_power"] or "", "")
        per = f" per {name} squared" if over and name == "second" else f" per {over}{name}"
    return _counted(match, (power + one + per, power + many + per))


def _feet(match: re.Match[str]) -> str:
    feet, inches = match["feet"], match["inches"]
    if match["mark"].startswith("in"):
        stop = "." if match["mark"].endswith(".") and not match.string[match.end() :].strip("\"') ") else ""
        return f"{counted(feet, ('foot', 'feet'))} {counted(inches, ('inch', 'inches'))}{stop}"
    return f"{cardinal(feet)} foot {decimal(inches)}"


def _prime(match: re.Match[str]) -> str:
    number, mark = match["number"] or match["last"], match["mark"] or match["last_mark"]
    return counted(number, ("foot", "feet") if mark == "'" else ("inch", "inches"))


def _size(match: re.Match[str]) -> str:
    """Numbers with x between them are sizes; with a multiplication sign only if a unit of length follows."""
    sign = match["sign"]
    if sign == "×" and not match["unit"] and not match["unit_a"] and len(match["a"]) < 4:
        return match.group()
    first = pairs(match["a"]) if match["a"].isdigit() and len(match["a"]) == 4 else decimal(match["a"])
    second = match["b"]
    if second.isdigit() and len(second) == 4:
        second = pairs(second)
    unit = match["unit_a"] or ""
    name = UNITS.get(unit.strip())
    unit = f" {name[0] if match['a'] == '1' else name[1]}" if name else unit
    return f"{first}{unit} by {second}" + (" by " if match["rest"] else "")


def _angle(match: re.Match[str]) -> str:
    spoken = [counted(match["degrees"], ("degree", "degrees"))]
    for part in ("minute", "second"):
        if number := match[part + "s"]:
            spoken.append(counted(number, (part, part + "s")))
    if match["side"]:
        spoken.append(_SIDES[match["side"]])
    return " ".join(spoken) + ("" if match["side"] or not match.group().endswith(" ") else " ")


# In order: each rule sees the digits that those above have left.
_RULES = compile_rules(
    (r"(?<=\d)\s?pt(?=\s(?:font|type|text|size)\b)", " point"),
    (
        r"(?P<degrees>(?<![\d.])\d{1,3}(?:\.\d+)?)°(?!\s?[CFK]\b|\^)"
        r"(?:\s?(?P<minutes>\d{1,2}(?:\.\d+)?)'(?:\s?(?P<seconds>\d{1,2}(?:\.\d+)?)(?:\"|''))?)?\s?(?P<side>[NSEW]\b)?",
        _angle,
    ),
    (
        r"(?P<before>(?:\b(?:at|to|of|below|above|around|about|oven|hit|reached|is|was)\s|/)-?)"
        r"(?P<number>\d{1,3})(?P<scale>[CF])\b",
        r"\g<before>\g<number> °\g<scale>",
    ),
    (r"(?<=°[CF])/(?=\d)", ", "),
    (
        r"(?<![\w.,])(?P<feet>\d{1,3})(?:'|\s?(?:ft|feet|foot)\b\.?,?)\s?(?P<inches>\d{1,2}(?:\.\d)?)\s?"
        r"(?P<mark>\"|''|in\b\.?|inch(?:es)?\b)",
        _feet,
    ),
    (
        r"(?<![\w.,])(?P<number>\d{1,4})\s?(?P<mark>['\"])(?=\s?(?:x|×|by)\s?\d)"
        r"|(?<=[x×y]\s)(?P<last>\d{1,4})(?P<last_mark>['\"])",
        _prime,
    ),
    (r"(?<=\b(?:feet|foot)) [x×] | (?<=inches )[x×] ", " by "),
    (
        rf"(?<![\w.,/])(?P<a>{NUMBER})(?P<unit_a>\s?(?:{_UNIT}|feet|inch(?:es)?|foot))?\s?(?P<sign>[x×])\s?(?=\d)"
        r"(?P<b>\d+(?:\.\d+)?)(?![\d.]|\^)(?P<rest>\s?[x×]\s?(?=\d))?"
        r"(?=(?P<unit>\s?(?:cm|mm|m|in|ft|km|inches|feet)\b)?)",
        _size,
    ),
    (
        rf"(?<![A-Za-z\d^/.]){_QUANTITY}(?P<gap>\s?|-)(?P<unit>{_UNIT})(?:\^(?P<power>[23]))?"
        rf"(?:/(?P<per>{_UNIT}|{_PER_WORD})(?:\^(?P<per_power>[23]))?)?(?![\w°^])(?!/\d){_STOP}",
        _measure,
    ),
    (
        rf"(?<![\w.,]){_QUANTITY}\s(?P<unit>{one_of(LETTER_UNITS)})(?=[.,;:)]|$|\s(?:and|or|to|of)\b)",
        lambda m: _counted(m, LETTER_UNITS[m["unit"]]),
    ),
    (
        r"(?<![\w.,])(?P<number>\d{1,3}(?:\.\d+)?)(?P<gap>\s|-)in(?:\.(?=\s+[a-z(\d]|\s*[,;:)])"
        r"|(?=[.,;)]|$|\s(?:long|wide|tall|high|deep|thick|across|screen|of (?:rain|snow))\b))",
        lambda m: counted(m["number"], ("inch", "inch" if m["gap"] == "-" else "inches")),
    ),
    (
        r"(?<![\w.,])(?P<number>\d+(?:\.\d+)?)\s?[xX×](?![\w-])"
        r"(?!\s?[-+=*/^)]\s?\w|\s(?:minus|plus|times|equals)\b)|(?<![\w.])[x×](?P<factor>\d{1,3})\b",
        lambda m: f"times {cardinal(m['factor'])}" if m["factor"] else f"{decimal(m['number'])} times",
    ),
    # The remaining units follow a price or a word: "£2/kg".
    (
        rf"(?<=[A-Za-z\d])/(?P<per>{_PER_WORD}|kg|lb|km|min|hr|h|oz|g|GB|MB|yr|mo|wk)\b{_STOP}",
        lambda m: f" per {UNITS[m['per']][0] if m['per'] in UNITS else m['per']}",
    ),
    (
        r"(?<![\w.,-])(?P<unit>km/h|m/s|km|kg|cm|mph|kHz|MHz|GHz|kWh|kW|°C|°F)(?![\w/^-])",
        lambda m: UNITS[m["unit"]][1] if m["unit"] in UNITS else _PER_ALONE[m["unit"]],
    ),
    (
        r"(?<=\bdegrees )(?P<scale>[CF])\b(?:\.(?=\s*[;,)]))?|(?<=\bdegree )(?P<one>[CF])\b",
        lambda m: _SCALES[m["scale"] or m["one"]],
    ),
)
