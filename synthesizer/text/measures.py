"""Measures: numbers with units, feet and inches, sizes, degrees."""

import re

from synthesizer.text.lengths import expand_lengths
from synthesizer.text.matching import apply_rules, compile_rules, final_stop, one_of
from synthesizer.text.numbers import NUMBER, cardinal, counted, decimal, mixed_fraction, pairs
from synthesizer.text.units import LETTER_UNITS, PER_WORDS, UNITS

_UNIT = one_of(UNITS)
_PER_WORD = one_of(PER_WORDS)
_QUANTITY = rf"(?P<number>(?:\d{{1,4}}\s)?\d{{1,3}}/\d{{1,3}}|{NUMBER})(?:\^(?P<exponent>-?\d+))?"
_STOP = r"(?:\.(?=/[a-z]|\s+[a-z(\d=]|\s*[,;:)]))?"  # full stop of an abbreviation, unless it also ends the sentence
_SIDES = {"N": "north", "S": "south", "E": "east", "W": "west"}
_SCALES = {"C": "Celsius", "F": "Fahrenheit"}
_PER_ALONE = {"km/h": "kilometers per hour", "m/s": "meters per second"}
_POWERS = {"2": "square ", "3": "cubic "}
_ARTICLE = re.compile(
    r"\b(?:an?|another|every|each|the|this|that|his|her|my|our|your|their|its)\s(?:[a-z]+ly\s)?$", re.IGNORECASE
)
# A noun that the measure modifies: "a 5 km run", but not "the 5 km between us"
_NOUN = re.compile(
    r"\s(?!(?:and|or|but|to|for|in|on|at|of|is|was|are|were|will|would|can|could|should|must|may|might|has|have|had|from|by"
    r"|with|without|within|per|an?|the|away|each|every|more|less|between|above|below|under|over|into|through|around|along"
    r"|behind|before|after|during|until|since|across|beyond|towards?|than|then|when|where|while|that|which|who|because|if"
    r"|as|apart|ahead|long|wide|tall|deep|high|thick|older|younger|longer|later|earlier|ago|left|remaining|up|down|off"
    r"|out|back|north|south|east|west|it|he|she|we|they|you|not|so|too)\b)(?:[a-z]{3,}|[A-Z]{2,})"
)
# Nouns that a measure before them modifies, also without an article: "a 400 m race", "1,200 sq. ft. house"
_MODIFIED = re.compile(
    r"\s(?:race|dash|sprint|hurdles|relay|freestyle|final|event|champion|backstroke|butterfly|steeplechase|run|walk|drive"
    r"|ride|hike|swim|flight|trip|delay|wait|break|video|clip|nap|house|home|homes|apartment|office|lot|room|bag|bags|box"
    r"|boxes|bottle|bottles|can|cans|jar|tank|tanks|engine|motor|camera|lens|sensor|screen|monitor|laptop|display|drive|disks?"
    r"|battery|batteries|charger|cable|adapter|bulb|bulbs|fuse|resistor|pipe|pipes|board|boards|rope|fence|wall|pole|ladder"
    r"|truck|trailer|screws?|bolts?|nails|tarp|rod|steak|baby|dog|man|woman|shift|angle|turn|rotation|area|view|limit|zone|increments)\b"
)


def expand_measures(text: str) -> str:
    """'5 kg' -> 'five kilograms', '6 ft 2 in' -> 'six feet two inches', '9.8 m/s^2', '5-km run', '-5 °C'."""
    return apply_rules(_RULES, expand_lengths(apply_rules(_DEGREE_RULES, text)))


def _counted(match: re.Match[str], names: tuple[str, str]) -> str:
    number = match["number"]
    exponent = match["exponent"]
    if exponent:
        sign = "minus " if exponent.startswith("-") else ""
        return f"{decimal(number)} to the power of {sign}{cardinal(exponent.lstrip('-'))} {names[1]}"
    if "/" not in number:
        return counted(number, names)
    spoken = mixed_fraction(number)
    if " " in number:
        return f"{spoken} {names[1]}"
    article = "an" if names[0][0] in "aeio" else "a"
    return f"{spoken} {names[0]}" if number.startswith("1/") else f"{spoken} of {article} {names[0]}"


def _dotted(match: re.Match[str]) -> str:
    """'100 m.p.h.' -> '100 mph'."""
    unit = match["unit"].replace(".", "")
    return match["gap"] + unit + final_stop(match) if unit in UNITS else match.group()


def _measure(match: re.Match[str]) -> str:
    one, many = UNITS[match["unit"]]
    following = match.string[match.end() : match.end() + 2]
    if len(match["unit"]) == 1 and (re.match(r"-\w", following) or following.startswith("'")):
        return match.group()  # "5 t-shirts", "2 s's"
    before = match.string[max(0, match.start() - 30) : match.start()]
    modifies = _ARTICLE.search(before) and _NOUN.match(match.string, match.end())
    if match["gap"] == "-" or modifies or _MODIFIED.match(match.string, match.end()):
        many = one
    power = _POWERS.get(match["power"] or "", "")
    per = ""
    if match["per"]:
        name = UNITS[match["per"]][0] if match["per"] in UNITS else match["per"]
        over = _POWERS.get(match["per_power"] or "", "")
        per = f" per {name} squared" if over and name == "second" else f" per {over}{name}"
    return _counted(match, (power + one + per, power + many + per))


def _blood_pressure(match: re.Match[str]) -> str:
    return f"{cardinal(match['top'])} over {cardinal(match['bottom'])} millimeters of mercury"


def _times(match: re.Match[str]) -> str:
    """'x2' -> 'times two', '2x' -> 'two times', '2x lattes' -> 'two lattes'."""
    if match["factor"]:
        return f"times {cardinal(match['factor'])}"
    return cardinal(match["count"]) if match["count"] else f"{decimal(match['number'])} times"


def _side(number: str) -> str:
    if "/" in number:
        return mixed_fraction(number)
    return pairs(number) if number.isdigit() and len(number) == 4 else decimal(number)


def _size(match: re.Match[str]) -> str:
    """Numbers with x between them are sizes; with a multiplication sign only if a unit of length follows."""
    sign = match["sign"]
    if sign == "×" and not match["unit"] and not match["unit_a"] and len(match["a"]) < 4:
        return match.group()
    first, second = _side(match["a"]), match["b"]
    if "/" in second or len(second) == 4:
        second = _side(second)
    unit = match["unit_a"] or ""
    name = UNITS.get(unit.strip())
    unit = f" {name[0] if match['a'] == '1' else name[1]}" if name else unit
    return f"{first}{unit} by {second}" + (" by " if match["rest"] else "")


def _angle(match: re.Match[str]) -> str:
    if not match["minutes"] and not match["side"]:
        return match.group()  # "a 45° angle" has the singular of other units
    spoken = [counted(match["degrees"], ("degree", "degrees"))]
    for part in ("minute", "second"):
        if number := match[part + "s"]:
            spoken.append(counted(number, (part, part + "s")))
    if match["side"]:
        spoken.append(_SIDES[match["side"]])
    return " ".join(spoken) + ("" if match["side"] or not match.group().endswith(" ") else " ")


def _bare_degrees(match: re.Match[str]) -> str:
    """'98.6 F' -> '98.6 °F', '-40C', '350F oven'."""
    number, scale = (group for group in match.groups() if group)
    return f"{number} °{scale}"


_DEGREE_RULES = compile_rules(
    (r"(?<=\d)\s?pt(?=\s(?:font|type|text|size)\b)", " point"),
    (
        r"(?P<degrees>(?<![\d.])\d{1,3}(?:\.\d+)?)°(?!\s?[CFK]\b|\^)"
        r"(?:\s?(?P<minutes>\d{1,2}(?:\.\d+)?)'(?:\s?(?P<seconds>\d{1,2}(?:\.\d+)?)(?:\"|''))?)?\s?(?P<side>[NSEW]\b)?",
        _angle,
    ),
    (
        r"(?P<before>(?:\b(?:at|to|of|below|above|around|about|oven|hit|reached|is|was|[Ii]t's|fever|[Tt]emp(?:erature)?)\s|/)-?)"
        r"(?P<number>\d{1,3})(?P<scale>[CF])\b",
        r"\g<before>\g<number> °\g<scale>",
    ),
    (
        r"(?<![\w.,])(?P<number>-?\d{1,3})\s?(?P<scale>[CF])"
        r"(?=\s(?:ovens?|outside|inside|today|tonight|heat|water|temperatures?|weather)\b)"
        r"|(?<![\w.,])(?P<decimal>-?\d{1,3}\.\d)\s?(?P<decimal_scale>[CF])\b"
        r"|(?P<cold>(?:(?<!\w)-|\bminus )\d{1,2})\s?(?P<cold_scale>[CF])\b",
        _bare_degrees,
    ),
    (r"(?<=°[CF])/(?=\d)", ", "),
)
# In order: each rule sees the digits that those above have left.
_RULES = compile_rules(
    (r"(?<![\d/])(?P<top>\d{2,3})/(?P<bottom>\d{2,3})\s?mm\s?Hg\b", _blood_pressure),
    (r"(?<=\d)(?P<gap>\s?)(?P<unit>(?:[a-zA-Z]\.){2,3}(?!\w))", _dotted),
    (r"(?<![\d/] )(?<![\d/])\b[Ss]q\. ?ft\.", "square feet"),
    # "2.9 m x 2.7 m x 2.2 m"
    (r"(?<=\d)(?P<unit>\s?(?:cm|mm|m|in|ft|km))\s?[x×]\s?(?=\d[\d.]*\s?(?:cm|mm|m|in|ft|km)\b)", r"\g<unit> by "),
    (r"(?<=\d)(?P<area>[- ](?:sq|cu))\.?-(?P<unit>ft|in|yd|m|mi)\b\.?", r"\g<area> \g<unit>"),
    (r"(?<=\d)\s?(?:l|L)/100\s?km\b", " liters per 100 km"),
    (r"(?<=\d)(?P<gap>\s?)in\^2\b", " sq in"),
    (r"(?<=km) / (?=hr?\b)|(?<=\dm) / (?=s\b)| / (?=h\b)", "/"),
    (r"(?<=\d)k(?=\s(?:gold|white gold)\b)|(?<=\d) kt(?=\sgold\b)", " karat"),
    # "m2", "m/s2": a digit after a unit of length or time is a power.
    (r"(?<=\d)(?P<unit>\s?(?:[kcdmnμ]?m|ft|yd|mi|in))(?P<power>[23])(?!\w|\.\d)", r"\g<unit>^\g<power>"),
    (r"(?<=[A-Za-z])(?P<unit>/(?:s|min|h|[cmk]?m|ft|in))(?P<power>[23])(?!\w)", r"\g<unit>^\g<power>"),
    (
        rf"(?<![\w.,/])(?P<a>(?:\d{{1,3}}\s)?\d{{1,2}}/\d{{1,2}}|{NUMBER})(?P<unit_a>\s?(?:{_UNIT}|feet|inch(?:es)?|foot))?\s?(?P<sign>[x×])\s?(?=\d)"
        r"(?P<b>(?:\d{1,3}\s)?\d{1,2}/\d{1,2}|\d+(?:\.\d+)?)(?!\d|\.\d|\^)(?P<rest>\s?[x×]\s?(?=\d))?"
        r"(?=(?P<unit>\s?(?:cm|mm|m|in|ft|km|inches|feet)\b)?)",
        _size,
    ),
    (
        rf"(?<![\w^.])(?<!\d/){_QUANTITY}(?P<gap>\s?|-)(?P<unit>{_UNIT})(?:\^(?P<power>[23]))?"
        rf"(?:/(?P<per>{_UNIT}|{_PER_WORD})(?:\^(?P<per_power>[23]))?)?(?![\w°^])"
        rf"(?:(?<=[A-Za-z]{{2}})|(?<=\d [VAW])|(?!/\d)){_STOP}",
        _measure,
    ),
    (
        rf"(?<![\w.,]){_QUANTITY}\sc\.(?=\s[a-z])",
        lambda m: _counted(m, ("cup", "cups")),
    ),
    (
        rf"(?<![\w.,]){_QUANTITY}\s(?P<unit>{one_of(LETTER_UNITS)})(?=[.,;:)]|$|\s(?:and|or|to|of)\b)",
        lambda m: _counted(m, LETTER_UNITS[m["unit"]]),
    ),
    (
        r"(?<![\w.,/])(?<!\d\s)(?P<number>(?:\d{1,3}\s)?\d{1,2}/\d{1,2}|\d{1,3}(?:\.\d+)?)(?P<exponent>(?!))?(?P<gap>\s|-)"
        r"in(?:\.(?=\s+[a-z(\d=]|\s*[,;:)])"
        r"|(?=[.,;)]|$|\s(?:long|wide|tall|high|deep|thick|across|screen|of (?:rain|snow))\b))",
        lambda m: _counted(m, ("inch", "inch" if m["gap"] == "-" else "inches")),
    ),
    (r"(?<=\d)x(?=/(?:day|week|month|year|hour|d|wk)\b)", " times"),
    (
        r"(?<![\w.,])(?P<count>\d{1,2})[xX](?=\s(?!less|as|plus|times|this|its|his|faster)[a-z]{3,}s\b)"
        r"|(?<![\w.,])(?<!=)(?<!= )(?P<number>\d+(?:\.\d+)?)\s?[xX×](?![\w-])"
        r"(?!\s?[-+=*/^)]\s?\w|\s(?:minus|plus|times|equals)\b)|(?<![\w.])[x×](?!(?:86|64|32)\b)(?P<factor>\d{1,3})\b",
        _times,
    ),
    (
        rf"(?<=(?:thousand|.million|.billion) )(?P<unit>{_UNIT})(?![\w/°^]){_STOP}",
        lambda m: UNITS[m["unit"]][1],
    ),
    # The remaining units follow a price or a word: "£2/kg".
    (
        rf"(?<=[A-Za-z\d])/(?P<per>{_PER_WORD}|kg|lb|km|min|hr|h|oz|g|GB|MB|yr|mo|wk|gal|bbl"
        rf"|sq\.? (?:ft|m|km|mi|in|yd))\b{_STOP}",
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
