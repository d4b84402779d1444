"""Single capital letters: the letter "A" as opposed to the article, and letters at the end of a sentence."""

import re

from synthesizer.text.matching import one_of, word_set

# Words before and after "a" as the name of the letter
BEFORE_LETTER = word_set("""
    option vitamin plan grade type letter section class group hepatitis team exhibit part side level appendix
    answer category schedule figure table unit block building point question influenza
""")
AFTER_LETTER = word_set("and or to is was has will are plus minus in for of")

LETTER_MARK = "\u1d00"  # the letter A of "A4" and "A. Smith" until the text is lower case

_AFTER_INITIAL_LETTER = AFTER_LETTER | word_set("""
    vs v versus equals means stands comes goes can could must should would may might won beat lost at through between
    on by with from than as but not does did had have if were be isn't wasn't doesn't the
""")
_BESIDE_DIGIT = re.compile(r"(?<![\w'.&$/])A(?=\d)|(?<![\w.,])(?P<digits>\d{1,3})[Aa](?![\w'])")
_BEGINS_SENTENCE = re.compile(r"(?:^|[.!?:;\n]|--)\W*$|[\"'(\[]$")
_LONE_A = re.compile(r"(?<![\w'.&$-])A(?![\w&$]|'[A-Za-z]|\.\w|\.\.|-|\s?--)")
_NOUN_BEFORE = re.compile(rf"\b(?:{one_of(BEFORE_LETTER)})\s[\"']?$", re.IGNORECASE)
_NOT_AN_INITIAL = re.compile(
    rf"\b(?i:{one_of(BEFORE_LETTER)}|generation|equals|than)\s[A-Z]$"
    r"|\b(?:got|gets?|earned|received|scored)\s(?:an?\s)?[A-Z]$"
    r"|\b[A-Z]\s(?:and|or|to|vs?\.?|versus|&)\s[A-Z]$"
    r"|(?<!\bname )(?<!\bauthor )(?<!\b[Ww]ho )\b(?:is|was|be)\s[A-E]$"
    r"|\b[a-z]+\sI$"
)


def mark_letters_beside_digits(text: str) -> str:
    """Replace the A of 'A4' and '4a' by `LETTER_MARK`; the rules for numbers hide the digits."""
    return _BESIDE_DIGIT.sub(lambda m: (m["digits"] or "") + LETTER_MARK, text)


def letters_a(text: str) -> list[int]:
    """Positions of each capital "A" that is the name of the letter."""
    return [match.start() for match in _LONE_A.finditer(text) if _is_letter(text, match.start())]


def _is_letter(text: str, position: int) -> bool:
    before, after = text[max(0, position - 40) : position], text[position + 1 : position + 30]
    following = after.lstrip()
    word = re.match(r"[A-Za-z']*", following).group()  # type: ignore[union-attr]
    if before.endswith(('"', "'")) and after.startswith(('"', "'")):
        return True
    if not word or after == following:  # punctuation, a digit or the end of the text
        return True
    if len(word) == 1 and word.isupper() and word != "I":
        return True
    if _NOUN_BEFORE.search(before):
        return True
    if _BEGINS_SENTENCE.search(before):
        return word in _AFTER_INITIAL_LETTER
    return word[0].islower()


def ends_with_letter(text: str) -> bool:
    """Whether the capital letter at the end of `text` is a letter or "I" rather than the initial of a name.

    It decides whether a full stop after the letter ends the sentence: "My answer is A. Option A is right."
    """
    return bool(_NOT_AN_INITIAL.search(text[-40:]))
