"""Numbers in words (American English): cardinals, ordinals, years, decimals, digits, fractions, Roman numerals."""

import functools
import re

# A written number: thousands with commas, a decimal point.
NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
START = r"(?<![\w.,:/])"  # not inside another number or a word
_MAX_NAMED_DIGITS = 15  # longer numbers are read digit by digit
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_ROMAN = re.compile(r"M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


@functools.lru_cache(maxsize=4096)
def _num2words(number: int, kind: str) -> str:
    from num2words import num2words

    # American English has neither the comma nor the "and" of "one thousand, two hundred and thirty-four".
    return str(num2words(number, to=kind)).replace(",", "").replace(" and ", " ")


def spell_digits(digits: str) -> str:
    """'042' -> 'zero four two'."""
    return " ".join(DIGITS[int(d)] for d in digits)


def cardinal(digits: str) -> str:
    """'1234' -> 'one thousand two hundred thirty-four'; digit by digit with leading zeros or beyond 15 digits."""
    if len(digits) > _MAX_NAMED_DIGITS or (len(digits) > 1 and digits.startswith("0")):
        return spell_digits(digits)
    return _num2words(int(digits), "cardinal")


def ordinal(digits: str) -> str:
    """'21' -> 'twenty-first'."""
    digits = digits.lstrip("0") or "0"
    if len(digits) > _MAX_NAMED_DIGITS:
        return spell_digits(digits) + "th"
    return _num2words(int(digits), "ordinal")


def decimal(number: str) -> str:
    """'1,234.50' -> 'one thousand two hundred thirty-four point five zero'; '.5' -> 'point five'."""
    whole, point, fraction = number.replace(",", "").partition(".")
    words = [cardinal(whole)] if whole else []
    if point and fraction:
        words += ["point", spell_digits(fraction)]
    return " ".join(words)


def year(digits: str) -> str:
    """'1999' -> 'nineteen ninety-nine', '1905' -> 'nineteen oh five', '2005' -> 'two thousand five'."""
    century, rest = int(digits[:-2]), int(digits[-2:])
    if len(digits) != 4 or (century % 10 == 0 and rest < 10):
        return cardinal(digits)
    if rest == 0:
        return f"{cardinal(digits[:2])} hundred"
    return f"{cardinal(digits[:2])} {'oh ' if rest < 10 else ''}{cardinal(str(rest))}"


def plural(words: str) -> str:
    """'ninety' -> 'nineties', 'hundred' -> 'hundreds', 'six' -> 'sixes'."""
    if words.endswith("y"):
        return words[:-1] + "ies"
    return words + ("es" if words.endswith(("x", "s")) else "s")


def fraction(numerator: str, denominator: str) -> str:
    """('1', '2') -> 'one half', ('3', '4') -> 'three quarters', ('5', '137') -> 'five over one hundred ...'."""
    top, bottom = int(numerator), int(denominator)
    if bottom in (0, 1) or (bottom > 20 and bottom not in (25, 30, 32, 40, 50, 60, 64, 100, 1000)):
        return f"{cardinal(numerator)} over {cardinal(denominator)}"
    part = {2: "half", 4: "quarter"}.get(bottom) or ordinal(denominator)
    if top != 1:
        part = "halves" if bottom == 2 else part + "s"
    return f"{cardinal(numerator)} {part}"


def mixed_fraction(number: str) -> str:
    """'3 1/2' -> 'three and a half', '5/8' -> 'five eighths'."""
    whole, _, part = number.rpartition(" ")
    top, bottom = part.split("/")
    spoken = fraction(top, bottom)
    if not whole:
        return spoken
    if spoken.startswith("one "):
        spoken = ("an" if spoken[4:].startswith(("ei", "el")) else "a") + spoken[3:]
    return f"{cardinal(whole.strip())} and {spoken}"


def roman_value(numeral: str) -> int | None:
    """'VIII' -> 8; None if it is not a well-formed upper-case Roman numeral."""
    if not numeral or not _ROMAN.fullmatch(numeral):
        return None
    values = [_ROMAN_VALUES[letter] for letter in numeral]
    return sum(-v if v < after else v for v, after in zip(values, [*values[1:], 0], strict=True))


def counted(number: str, names: tuple[str, str]) -> str:
    """('1', ('foot', 'feet')) -> 'one foot', ('2.5', ('foot', 'feet')) -> 'two point five feet'."""
    return f"{decimal(number)} {names[0] if number == '1' else names[1]}"


def code_number(digits: str) -> str:
    """'401' -> 'four oh one', '230' -> 'two thirty', '10' -> 'ten': how numbers of laws and standards are said."""
    if len(digits) == 3 and digits[1] == "0" and digits[2] != "0":
        return f"{cardinal(digits[0])} oh {cardinal(digits[2])}"
    return pairs(digits)


def pairs(digits: str) -> str:
    """'1080' -> 'ten eighty', '720' -> 'seven twenty': for pixel sizes and flight numbers."""
    head, tail = digits[:-2], digits[-2:]
    if tail == "00" or tail[0] == "0" or len(digits) not in (3, 4):
        return cardinal(digits)
    return f"{cardinal(head)} {cardinal(tail)}"
