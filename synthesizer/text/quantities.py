"""Rules that read digits in their context: dates, times, money, measures, ranges, telephone numbers, years."""

import re
from collections.abc import Callable

from synthesizer.text.characters import CURRENCY_SIGNS
from synthesizer.text.marks import final_stop
from synthesizer.text.numbers import cardinal, decimal, fraction, ordinal, plural, spell_digits, year

MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTH_ABBREVIATIONS = {m[:3].capitalize(): m for m in MONTHS} | {"Sept": "september"}
_MONTH_NAMES = _MONTH_ABBREVIATIONS | {m.capitalize(): m for m in MONTHS} | {m.upper(): m for m in MONTHS}
# "march 3" and "may 5" are as often verbs; the other months are known in lower case too.
_MONTH_NAMES |= {m: m for m in MONTHS if m not in ("march", "may")}

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
_START = r"(?<![\w.,:/])"  # a number does not begin in the middle of another one or of a word
_MONTH = "(?P<month>" + "|".join(sorted(_MONTH_NAMES, key=len, reverse=True)) + r")\b\.?"
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?\b(?![:/]\d)(?!\.\d)"
_YEAR = r"(?:,?\s+(?P<year>1[0-9]\d\d|20\d\d)\b(?!,\d|\.\d|:))?"

_CURRENCIES: dict[str, tuple[str, str, str, str]] = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "US$": ("U S dollar", "U S dollars", "cent", "cents"),
    "C$": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "A$": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "HK$": ("Hong Kong dollar", "Hong Kong dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "jeon", "jeon"),
    "₽": ("ruble", "rubles", "kopek", "kopeks"),
    "₺": ("lira", "lira", "kurus", "kurus"),
    "₪": ("shekel", "shekels", "agora", "agorot"),
    "₫": ("dong", "dong", "hao", "hao"),
    "₦": ("naira", "naira", "kobo", "kobo"),
    "₴": ("hryvnia", "hryvnias", "kopek", "kopeks"),
    "₱": ("peso", "pesos", "centavo", "centavos"),
    "₸": ("tenge", "tenge", "tiyn", "tiyn"),
    "₵": ("cedi", "cedis", "pesewa", "pesewas"),
    "₿": ("bitcoin", "bitcoins", "", ""),
    "¢": ("cent", "cents", "", ""),
    "USD": ("U S dollar", "U S dollars", "cent", "cents"),
    "CAD": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "AUD": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "EUR": ("euro", "euros", "cent", "cents"),
    "GBP": ("pound", "pounds", "penny", "pence"),
    "JPY": ("yen", "yen", "sen", "sen"),
    "CHF": ("Swiss franc", "Swiss francs", "centime", "centimes"),
    "INR": ("rupee", "rupees", "paisa", "paise"),
    "CNY": ("yuan", "yuan", "fen", "fen"),
    "SEK": ("Swedish krona", "Swedish kronor", "ore", "ore"),
    "NOK": ("Norwegian krone", "Norwegian kroner", "ore", "ore"),
    "DKK": ("Danish krone", "Danish kroner", "ore", "ore"),
}
_MAGNITUDES = {"k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion", "tn": "trillion"}
_SIGN = "(?:" + "|".join(re.escape(s) for s in sorted(_CURRENCIES, key=len, reverse=True)) + ")"
# "5,50" with a currency is a decimal comma: a thousands separator would have three digits behind it.
_AMOUNT = r"(?:\d{1,3}(?:\.\d{3})+,\d\d(?!\d)|\d+,\d\d(?!,?\d)|" + _NUMBER + ")"
_MAGNITUDE = r"(?:\s?(?P<magnitude>thousand|million|billion|trillion|[kKmMbB]n?|tn)\b)?"

_UNITS: dict[str, tuple[str, str]] = {
    "km": ("kilometer", "kilometers"),
    "m": ("meter", "meters"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"),
    "μm": ("micrometer", "micrometers"),
    "nm": ("nanometer", "nanometers"),
    "mi": ("mile", "miles"),
    "ft": ("foot", "feet"),
    "yd": ("yard", "yards"),
    "km/h": ("kilometer per hour", "kilometers per hour"),
    "kph": ("kilometer per hour", "kilometers per hour"),
    "mph": ("mile per hour", "miles per hour"),
    "m/s": ("meter per second", "meters per second"),
    "kg": ("kilogram", "kilograms"),
    "g": ("gram", "grams"),
    "mg": ("milligram", "milligrams"),
    "μg": ("microgram", "micrograms"),
    "lb": ("pound", "pounds"),
    "lbs": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "l": ("liter", "liters"),
    "L": ("liter", "liters"),
    "ml": ("milliliter", "milliliters"),
    "mL": ("milliliter", "milliliters"),
    "s": ("second", "seconds"),
    "sec": ("second", "seconds"),
    "ms": ("millisecond", "milliseconds"),
    "min": ("minute", "minutes"),
    "h": ("hour", "hours"),
    "hr": ("hour", "hours"),
    "hrs": ("hour", "hours"),
    "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "kB": ("kilobyte", "kilobytes"),
    "KB": ("kilobyte", "kilobytes"),
    "MB": ("megabyte", "megabytes"),
    "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"),
    "W": ("watt", "watts"),
    "kW": ("kilowatt", "kilowatts"),
    "kWh": ("kilowatt hour", "kilowatt hours"),
    "dB": ("decibel", "decibels"),
    "°C": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "°": ("degree", "degrees"),
}
_UNIT = "(?P<unit>" + "|".join(re.escape(u) for u in sorted(_UNITS, key=len, reverse=True)) + ")"

# Words before or behind four digits that make them a year, or a plural noun that makes them a count.
_COUNTED = re.compile(r"\s+(?!was\b|is\b|has\b|as\b|this\b|its\b|his\b|us\b|always\b|across\b|plus\b|times\b)[a-z]+s\b")


def expand_quantities(text: str) -> str:
    """Writes every number of the text in words. Month before day in dates with slashes, unless that cannot be.

    Args:
        text: as `synthesizer.text.characters.to_ascii` gives it, abbreviations already written out.
    """
    for pattern, speak in _RULES:
        text = pattern.sub(speak, text)
    return text


def _spoken_date(month: str, day: str, year_digits: str | None) -> str:
    return f"{month} {ordinal(day)}" + (f", {year(year_digits)}" if year_digits else "")


def _numeric_date(match: re.Match[str]) -> str:
    first, second, year_digits = match["a"], match["b"], match["year"]
    month, day = (first, second) if int(first) <= 12 and match["sep"] != "." else (second, first)
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return match.group()
    if len(year_digits) == 2:
        year_digits = ("20" if int(year_digits) < 70 else "19") + year_digits
    return _spoken_date(MONTHS[int(month) - 1], day, year_digits)


def _iso_date(match: re.Match[str]) -> str:
    month, day = int(match["month"]), int(match["day"])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match.group()
    return _spoken_date(MONTHS[month - 1], match["day"], match["year"])


def _month_first(match: re.Match[str]) -> str:
    return _spoken_date(_MONTH_NAMES[match["month"]], match["day"], match["year"])


def _day_first(match: re.Match[str]) -> str:
    spoken = f"{ordinal(match['day'])} of {_MONTH_NAMES[match['month']]}"
    if not match["the"]:
        spoken = "the " + spoken
    return (match["the"] or "") + spoken + (f", {year(match['year'])}" if match["year"] else "")


def _half_of_day(match: re.Match[str]) -> str:
    suffix = match["half"]
    if not suffix:
        return ""
    return f" {suffix[0].lower()} m" + (final_stop(match) if suffix.endswith(".") else "")


def _time(match: re.Match[str]) -> str:
    hour, minute, second = int(match["hour"]), match["minute"], match["second"]
    if hour > 24 or int(minute) > 59 or (second and int(second) > 59):
        return match.group()
    suffix = _half_of_day(match)
    spoken = cardinal(str(hour))
    if int(minute) == 0:
        if not suffix and not second:
            spoken = "midnight" if hour == 0 else f"{spoken} o'clock" if hour <= 12 else f"{spoken} hundred"
    else:
        spoken += f" oh {cardinal(minute[1])}" if minute.startswith("0") else f" {cardinal(minute)}"
    if second:
        spoken += f" and {_counted(str(int(second)), ('second', 'seconds'))}"
    return spoken + suffix


def _hour(match: re.Match[str]) -> str:
    return cardinal(match["hour"]) + _half_of_day(match)


def _counted(number: str, names: tuple[str, str]) -> str:
    return f"{decimal(number)} {names[0] if number == '1' else names[1]}"


def _money(match: re.Match[str]) -> str:
    one, many, one_part, parts = _CURRENCIES[match["sign"]]
    amount = match["amount"]
    if re.search(r",\d\d$", amount):
        amount = amount.replace(".", "").replace(",", ".")
    minus = "minus " if match["minus"] else ""
    magnitude = match["magnitude"]
    if magnitude:
        return f"{minus}{decimal(amount)} {_MAGNITUDES.get(magnitude.lower(), magnitude)} {many}"
    whole, _, hundredths = amount.partition(".")
    if len(hundredths) != 2 or not parts:
        return minus + _counted(amount, (one, many))
    spoken = [_counted(whole, (one, many))] if whole.strip("0,") or hundredths == "00" else []
    if hundredths != "00":
        spoken.append(_counted(str(int(hundredths)), (one_part, parts)))
    return minus + ", ".join(spoken)


def _measure(match: re.Match[str]) -> str:
    names = _UNITS[match["unit"]]
    if match["power"] and " per " in names[0]:  # m/s^2
        return _counted(match["number"], names) + {"2": " squared", "3": " cubed"}[match["power"]]
    power = {"2": "square ", "3": "cubic "}.get(match["power"] or "", "")
    return _counted(match["number"], (power + names[0], power + names[1]))


def _telephone(match: re.Match[str]) -> str:
    plus = "plus " if match.group().startswith("+") else ""
    return plus + ", ".join(spell_digits(group) for group in re.findall(r"\d+", match.group()))


def _decade(match: re.Match[str]) -> str:
    digits = match["decade"]
    if len(digits) == 2:
        return plural(cardinal(digits))
    head, tail = cardinal(digits[:2]), digits[2:]
    if tail == "00":
        return f"{head} hundreds" if digits[1] != "0" else plural(cardinal(digits))
    return f"{head} {plural(cardinal(tail))}"


def _mixed_fraction(match: re.Match[str]) -> str:
    part = fraction(match["top"], match["bottom"])
    if not match["whole"]:
        return part
    return f"{cardinal(match['whole'])} and {'a' + part[3:] if part.startswith('one ') else part}"


def _power(match: re.Match[str]) -> str:
    exponent = match["exponent"]
    if exponent in ("2", "3"):
        return " squared" if exponent == "2" else " cubed"
    sign = "minus " if exponent.startswith("-") else ""
    return f" to the power of {sign}{cardinal(exponent.lstrip('+-'))}"


def _plain(match: re.Match[str]) -> str:
    number = match["number"]
    after = match.string[match.end() :]
    is_year = len(number) == 4 and number.isdigit() and "1100" <= number <= "2099" and not _COUNTED.match(after)
    spoken = year(number) if is_year else decimal(number)
    sign = "plus " if match["plus"] else ""
    # "mp3", "3D": a number glued to letters is a word of its own.
    before = match.string[: match.start()]
    lead = " " if before[-1:].isalnum() else ""
    return lead + sign + spoken + (" " if after[:1].isalnum() else "")


def _version(match: re.Match[str]) -> str:
    return " point ".join(cardinal(part) for part in match.group().split("."))


_HALF = r"(?P<half>[ap]\.m\.|[ap]m\b|[AP]\.M\.|[AP]M\b)"
_MONEY_BEFORE = rf"(?P<minus>(?<![\w)])-)?(?<![A-Za-z])(?P<sign>{_SIGN})\s?(?P<amount>{_AMOUNT}){_MAGNITUDE}"
_MONEY_BEHIND = rf"(?P<minus>(?<![\w)])-)?(?<![\d.,])(?P<amount>{_AMOUNT}){_MAGNITUDE}\s?(?P<sign>{_SIGN})(?![A-Za-z])"

# In this order: a rule sees only what those above have left as digits.
_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern), speak)
    for pattern, speak in (
        # 12,34,567, as India groups digits, becomes 1234567.
        (r"(?<![\d,.])\d{1,2}(?:,\d\d)+,\d{3}(?![\d,])", lambda m: m.group().replace(",", "")),
        (_START + r"(?P<year>\d{4})-(?P<month>\d\d?)-(?P<day>\d\d?)(?![\w-])", _iso_date),
        (
            _START + r"(?P<a>\d\d?)(?P<sep>[/.])(?P<b>\d\d?)(?P=sep)(?P<year>\d{4}|\d\d)(?![\w/-]|\.\d)",
            _numeric_date,
        ),
        (rf"\b{_MONTH}\s+{_DAY}(?!\s?%){_YEAR}", _month_first),
        (rf"(?P<the>\b[Tt]he\s+)?{_START}{_DAY}(?:\s+of)?\s+{_MONTH}{_YEAR}", _day_first),
        (rf"{_START}(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d))?(?![\d:])(?:\s?{_HALF})?", _time),
        (rf"{_START}(?P<hour>1[0-2]|0?[1-9])\s?{_HALF}", _hour),
        (_START + r"(?:\+\d{1,3}[-. ])?\(?\d{3}\)?[-. ]\d{3}[-. ]\d{4}(?![\w-])", _telephone),
        (_START + r"\d{3}-\d{4}(?![\w-])", _telephone),
        (r"(?<![\w.,:/-])\+?\d+(?:-\d+){2,}(?![\w-])", _telephone),
        # "$5-$10" is "5 to 10 dollars", "3-4 km" is "3 to 4 kilometers".
        (
            rf"(?P<sign>[{re.escape(CURRENCY_SIGNS)}])(?P<low>{_NUMBER})\s?-\s?(?P=sign)?(?P<high>{_NUMBER})",
            lambda m: f"{m['low']} to {m['sign']}{m['high']}",
        ),
        (r"(?<=\d)\s-\s(?=\d+\s*=)", lambda m: " minus "),
        (rf"(?<![\w/-])(?P<low>{_NUMBER})(?:\s?-\s?)(?={_NUMBER})", lambda m: f"{m['low']} to "),
        (r"(?<![\d:])(?P<low>\d+):(?=\d)", lambda m: f"{m['low']} to "),
        (r"(?<![\w.,])'?(?P<decade>1[1-9]\d0|20\d0|[2-9]0)'?s\b", _decade),
        (
            r"(?P<feet>\d{1,3})'\s?(?P<inches>\d{1,2})\"",
            lambda m: f"{cardinal(m['feet'])} foot {cardinal(m['inches'])}",
        ),
        (_MONEY_BEFORE, _money),
        (_MONEY_BEHIND, _money),
        # Only now: a minus sign may still have belonged to an amount.
        (rf"(?<![\w)\"'^])(?<!\d\s)-(?={_NUMBER})", lambda m: "minus "),
        (_START + r"(?P<amount>\d{1,2})p\b(?!\.)", lambda m: _counted(m["amount"], ("penny", "pence"))),
        (rf"(?<!\d)(?P<number>{_NUMBER})\s?%", lambda m: f"{decimal(m['number'])} percent"),
        (
            rf"(?<![A-Za-z\d])(?P<number>{_NUMBER})\s?{_UNIT}(?:\^(?P<power>[23]))?(?![\w°/^])(?:\.(?=\s+[a-z]|\s*[,;:)]))?",
            _measure,
        ),
        # What is left of a unit stands behind a price or a word: "£2/kg".
        (r"(?<=[A-Za-z\d])/(?P<unit>kg|lb|km|min|hr?|oz|GB|MB)\b", lambda m: f" per {_UNITS[m['unit']][0]}"),
        (
            r"(?<!\d)(?P<number>\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th|ST|ND|RD|TH)\b",
            lambda m: ordinal(m["number"].replace(",", "")),
        ),
        (_START + r"24/7\b", lambda m: "twenty-four seven"),
        (_START + r"9/11\b", lambda m: "nine eleven"),
        (_START + r"(?:(?P<whole>\d{1,6})\s+)?(?P<top>\d{1,6})/(?P<bottom>\d{1,6})(?![\w/]|\.\d)", _mixed_fraction),
        (r"(?<=[\w)])\^(?P<exponent>[+-]?\d+)", _power),
        (_START + r"\d+(?:\.\d+){2,}(?!\d)", _version),
        (rf"(?P<plus>(?<![\w)-])\+)?(?P<number>{_NUMBER})", _plain),
    )
)
