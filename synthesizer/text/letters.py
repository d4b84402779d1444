"""Single capital letters: the letter "A" as opposed to the article, and letters at the end of a sentence."""

import re

from synthesizer.text.matching import one_of, word_set

# Words before and after "a" as the name of the letter
BEFORE_LETTER = word_set("""
    option vitamin plan grade type letter section class group hepatitis team exhibit part side level appendix
    answer category schedule figure table unit block building point question influenza
    exit gate hall row wing room page step model company hotel zone terminal platform lane area site key button phase
    stage column player patient student case variant method product panel bay tower track series form list line points
""")
AFTER_LETTER = word_set("and or to is was has will are plus minus in for of")

LETTER_MARK = "\u1d00"  # the letter A of "A4", "A. Smith" and "BA" until the text is lower case

_AFTER_INITIAL_LETTER = AFTER_LETTER | word_set("""
    vs v versus equals means stands comes goes can could must should would may might won beat lost at through between
    on by with from than as but not does did had have if were be isn't wasn't doesn't the
""")
_BESIDE_DIGIT = re.compile(r"(?<![\w'.&$/])A(?=\d)|(?<![\w.,])(?P<digits>\d{1,3})[Aa](?![\w']|\.[mM]\b)")
_BEGINS_SENTENCE = re.compile(r"(?:^|[.!?:;\n]|--)\W*$|[\"'(\[]$")
_LONE_A = re.compile(r"(?<![\w'.&$-])A(?![\w&$]|'[A-Za-z]|\.\w|\.\.|-|\s?--)")
_NOUN_BEFORE = re.compile(rf"\b(?:{one_of(BEFORE_LETTER)})\s[\"']?$", re.IGNORECASE)
_NOT_AN_INITIAL = re.compile(
    rf"\b(?i:{one_of(BEFORE_LETTER)}|generation|equals|than)\s[A-Z]$"
    r"|\b(?:got|gets?|earned|received|scored)\s(?:an?\s)?[A-Z]$"
    r"|\b(?i:press|hit|push|choose|chose|chosen|pick|picked|select|selected|circle|between)\s[A-Z]$"
    r"|\b(?:an\s[AEF]|a\s[BCDF])$|\b(?i:answer|solution|grade|result|choice|key):\s[A-Z]$"
    r"|(?<!\bname )(?<!\bauthor )(?<!\b[Ww]ho )(?<!\b[Hh]e )(?<!\b[Ss]he )\b(?:is|was|be)\s[A-E]$"
    r"|\b[a-z]+\sI$"
)
_PAIR = re.compile(r"\b(?P<first>[A-Z])\s(?P<word>and|or|to|vs?\.?|versus|&)\s(?P<last>[A-Z])$")
# "A BBC reporter", "A B.A. in history", "A C# developer" at the start of a sentence
_ARTICLE_BEFORE_LETTERS = re.compile(
    r"(?P<before>(?:^|[.!?:;\n]\s*|--\s?|[\"(\[])\s*)A(?=\s(?:[A-Z]{2,}|(?:[A-Z]\.){2}|Ph\.?\s?D|[BM]\.?Sc|[A-Z](?:[+#\d]|-[A-Za-z\d])))"
)

# Letters in a text without capitals: "a b c", "u s a", "5 a m"
_LOWER_CASE_A = re.compile(
    r"(?<![\w'])a(?=(?:\s[b-hj-z]){2,}(?![\w'-]))|(?:^|(?<=[.!?:;,(]\s)|(?<=\())a(?=\s[b-hj-z]\s*(?:$|[.,;:!?)]))"
    r"|(?<=\b[b-hj-z]\s)a(?=\s[a-z]\b|\s*(?:$|[.,;:!?)]))|(?<=\d\s)a(?=\sm\b)"
)


def spelled(letters: str) -> str:
    """'BA' -> 'B A', with `LETTER_MARK` for the A."""
    return " ".join(letters.upper()).replace("A", LETTER_MARK)


def mark_letters(text: str) -> str:
    """Decide about each "A" beside digits and initialisms, which later rules change.

    The A of 'A4', '4a' and 'a b c' becomes `LETTER_MARK`, the article of 'A BBC reporter' lower case.
    """
    text = _LOWER_CASE_A.sub(LETTER_MARK, text)
    text = _ARTICLE_BEFORE_LETTERS.sub(lambda m: m["before"] + "a", text)
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

    It decides whether a full stop after the letter ends the sentence: "My answer is A. Option A is right.", but not
    "D and J. Smith came."
    """
    text = text[-40:]
    if (pair := _PAIR.search(text)) is not None:
        between = _NOUN_BEFORE.search(text[: pair.start()]) or re.search(r"\b(?:between|from)\s$", text[: pair.start()])
        return bool(between) or pair["word"] not in ("and", "&") or ord(pair["last"]) - ord(pair["first"]) == 1
    return bool(_NOT_AN_INITIAL.search(text))
