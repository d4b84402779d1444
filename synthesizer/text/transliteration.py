"""Transliteration of Unicode text to ASCII and a few symbols that later rules read; records what was lost."""

import re
import unicodedata
from dataclasses import dataclass, field

from synthesizer.text.marked_words import split_accented

CURRENCY_SIGNS = "$¢£¤¥₣₤₦₩₪₫€₭₮₱₲₴₵₸₹₺₽₿"
# Symbols that later rules read. All other non-ASCII characters are spelled out, transliterated or dropped here.
_KEPT = frozenset(CURRENCY_SIGNS + "°μΩ×")

_REPLACED = {
    **dict.fromkeys("‘’‚‛‹›′`´ʼʹ＇", "'"),
    **dict.fromkeys("“”„‟«»″「」『』〝〞＂", '"'),
    **dict.fromkeys("‐‑‒⁃－", "-"),
    "–": "–",  # depends on its neighbours, see `_EN_DASH`
    **dict.fromkeys("—―⸺⸻", " -- "),
    **dict.fromkeys("−﹣", "-"),
    "⁄": "/",
    "…": "... ",
    **dict.fromkeys("。．｡", ". "),
    **dict.fromkeys("、，､،", ", "),
    "؟": "?",
    "؛": ";",
    "·": " ",
    **dict.fromkeys("¿¡", ""),  # Spanish opening marks; the closing mark remains
    "÷": " divided by ",
    "±": " plus or minus ",
    "≈": " about ",
    "≠": " is not equal to ",
    "≤": " less than or equal to ",
    "≥": " greater than or equal to ",
    "∞": " infinity ",
    "√": " square root of ",
    "→": " to ",
    "º": "°",
    "∑": " sum of ",
    "∏": " product of ",
    "∫": " integral of ",
    "∂": " partial ",
    "∇": " nabla ",
    "∈": " in ",
    "∀": " for all ",
    "∃": " there exists ",
    "∅": " empty set ",
    "∪": " union ",
    "∩": " intersection ",
    "∝": " proportional to ",
    "⊂": " subset of ",
    "•": ", ",
    "‣": ", ",
    "◦": ", ",
    "‰": " per mille ",
    "§": " section ",
    "¶": " paragraph ",
    "©": " copyright ",
    "№": " number ",
    "ß": "ss",
    "µ": "μ",
}
_DROPPED_SIGNS = frozenset("™®℠†‡←↑↓⇒⇐⇔↔")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_SUPERSCRIPT_RUN = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+")
_SUBSCRIPTS = re.compile("(?<=[A-Za-z)])[₀-₉]+")
_EN_DASH = re.compile(r"(?<=\d)\s*–\s*(?=[\d" + re.escape(CURRENCY_SIGNS) + r"])|(?<=\S)–(?=\d)")
# A Greek word is transliterated, a single letter is named, and the ohm sign after a number is kept.
_OHM = re.compile(r"(?<=\d)\s?[kM]?Ω(?!\w)")
_LONE_GREEK = re.compile(r"(?<![Α-ωά-ώ])[Α-Ωα-ω](?![Α-ωά-ώ])")
_LOVE = re.compile("\\b(I|i|We|we|You|you|They|they) ?[❤♥]\ufe0f? ?(?=\\w)")


@dataclass
class Losses:
    """Characters that were dropped or only approximated."""

    dropped: list[str] = field(default_factory=list)
    transliterated: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.dropped or self.transliterated)

    def drop(self, match: re.Match[str]) -> str:
        """Replacement function for `re.sub`: record the match and return a space."""
        self.dropped.append(match.group())
        return " "

    def message(self) -> str:
        """Message for the log. It names at most 20 different characters of each kind."""
        parts = []
        if self.dropped:
            parts.append("not spoken: " + _listed(self.dropped))
        if self.transliterated:
            parts.append("written in another script and only approximated: " + _listed(self.transliterated))
        return "Some of the text is " + "; ".join(parts)


def _listed(characters: list[str], most: int = 20) -> str:
    distinct = list(dict.fromkeys(characters))
    named = " ".join(c if c.isprintable() else f"U+{ord(c[0]):04X}" for c in distinct[:most])
    return named + (f" and {len(distinct) - most} more" if len(distinct) > most else "")


def to_ascii(text: str, losses: Losses) -> str:
    """Replace quotes and dashes by ASCII, compose accents and transliterate other scripts.

    Args:
        text: any Unicode text.
        losses: receives what is lost. Accents of Latin letters and invisible format characters do not count.

    Returns:
        ASCII, the signs of `CURRENCY_SIGNS`, ``°``, ``μ``, ``Ω`` and ``×``, and words that keep an accent
        (`synthesizer.text.marked_words`).
    """
    if text.isascii():
        return "".join(c if c.isprintable() or c.isspace() else " " for c in text)
    parts = split_accented(unicodedata.normalize("NFC", text))
    return "".join(part if i % 2 else _to_ascii(part, losses) for i, part in enumerate(parts))


def _to_ascii(text: str, losses: Losses) -> str:
    text = _LOVE.sub(r"\1 love ", text)
    text = _SUBSCRIPTS.sub(r" \g<0>", text)
    text = _SUPERSCRIPT_RUN.sub(_raised, text)
    text = "".join(_compatible(c, losses) for c in text)
    text = unicodedata.normalize("NFC", text)
    text = _EN_DASH.sub("-", text).replace("–", " -- ")
    text = _LONE_GREEK.sub(_greek_name, text)
    return "".join(c if c.isascii() or c in _KEPT else _transliterate(c, losses) for c in text)


def _raised(match: re.Match[str]) -> str:
    """'m²' -> 'm^2'; before a letter, as in the isotope ¹⁴C, only the number."""
    before = match.string[: match.start()][-1:]
    return ("^" if before.isalnum() or before == ")" else "") + match.group().translate(_SUPERSCRIPTS)


def _greek_name(match: re.Match[str]) -> str:
    letter, before, after = match.group(), match.string[: match.start()][-1:], match.string[match.end() :][:1]
    if letter == "μ" and after.isascii() and after.isalpha():
        return letter  # of a unit
    if letter == "Ω" and _OHM.search(match.string, max(0, match.start() - 3), match.end() + 1):
        return letter
    full_name = unicodedata.name(letter, "")
    if not full_name:
        return letter  # U+03A2, which is not assigned
    name = full_name.split()[-1].lower().replace("lamda", "lambda")
    return (" " if before.isalnum() else "") + name + (" " if after.isalnum() else "")


def _compatible(character: str, losses: Losses) -> str:
    if character.isascii():
        return character if character.isprintable() or character.isspace() else " "
    if character in _DROPPED_SIGNS:
        losses.dropped.append(character)
        return ""
    if character in _REPLACED:
        return _REPLACED[character]
    if unicodedata.decomposition(character).startswith("<fraction>"):
        return " " + unicodedata.normalize("NFKC", character).replace("⁄", "/")
    number = unicodedata.numeric(character, None)  # None for U+2183, the reversed C
    if number is not None and unicodedata.name(character, "").startswith(("ROMAN NUMERAL", "SMALL ROMAN NUMERAL")):
        return str(int(number))
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    # The characters of an expansion (a ligature, a full-width sign) are looked up again.
    expanded = unicodedata.normalize("NFKC", character)
    return "".join(_REPLACED.get(c, c) for c in expanded) if expanded != character else character


def _transliterate(character: str, losses: Losses) -> str:
    from unidecode import unidecode_expect_nonascii

    category = unicodedata.category(character)
    if category in ("Cf", "Zs", "Zl", "Zp", "Cc"):
        return "" if category == "Cf" else " "
    # Surrogates, private-use and unassigned code points and pictographs cannot be spoken.
    ascii_text = "" if category in ("Cs", "Co", "Cn", "So", "Sk") else unidecode_expect_nonascii(character)
    ascii_text = "".join(c for c in ascii_text.replace("`", "") if c.isprintable() or c.isspace())
    if category.startswith("L") and not unicodedata.name(character, "").startswith(("LATIN", "MODIFIER")):
        (losses.transliterated if ascii_text.strip() else losses.dropped).append(character)
    elif not ascii_text.strip() and not category.startswith("M"):
        losses.dropped.append(character)
    return ascii_text
