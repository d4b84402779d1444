"""Words whose capital or accent changes their pronunciation.

Normalized text is lower-case ASCII. Until the words are looked up, those below keep their capital or accent: the letter
"A" is not the article, "Polish" is not "polish" and "rosé" is not "rose".
"""

import re
import unicodedata

from synthesizer.text.dictionary import look_up
from synthesizer.text.letters import LETTER_MARK, letters_a
from synthesizer.text.matching import word_table

ACCENTS = "éñ"  # the accents that are kept: é at the end of a word, and ñ
MARKED_PRONUNCIATIONS = word_table("""
    A EY1, Polish P OW1 L IH0 SH, Nice N IY1 S, Reading R EH1 D IH0 NG, Mobile M OW0 B IY1 L,
    rosé R OW0 Z EY1, resumé R EH1 Z AH0 M EY2, paté P AE0 T EY1, exposé EH2 K S P OW0 Z EY1, lamé L AE0 M EY1,
    maté M AA1 T EY0, piqué P IY0 K EY1, touché T UW0 SH EY1, blasé B L AA0 Z EY1, outré UW0 T R EY1,
    flambé F L AA0 M B EY1, brulée B R UW0 L EY1, consommé K AA2 N S AH0 M EY1, appliqué AE2 P L AH0 K EY1,
    fiancée F IY0 AA1 N S EY2, protegée P R OW1 T AH0 ZH EY2, divorcée D IH0 V AO2 R S EY1,
    divorcé D IH0 V AO2 R S EY1, glacé G L AE0 S EY1, saké S AA1 K EY0, plié P L IY0 EY1, roué R UW0 EY1,
    maché M AH0 SH EY1, retroussé R AH0 T R UW0 S EY1, recherché R AH0 SH EH1 R SH EY0, dégagé D EY0 G AA0 ZH EY1,
    poincaré P W AE2 N K AA0 R EY1, émigré EH1 M AH0 G R EY2, soigné S W AA0 N Y EY1, manqué M AA0 NG K EY1,
    negligée N EH1 G L AH0 ZH EY2, piñata P IY0 N Y AA1 T AH0, piña P IY1 N Y AH0, mañana M AH0 N Y AA1 N AH0,
    señor S EY0 N Y AO1 R, señora S EY0 N Y AO1 R AH0, señorita S EY2 N Y ER0 IY1 T AH0, niño N IY1 N Y OW0,
    niña N IY1 N Y AH0, doña D OW1 N Y AH0, español EH2 S P AH0 N Y OW1 L
""")
_PLAIN = str.maketrans(ACCENTS + ACCENTS.upper(), "enEN")
_ACCENTED = re.compile(r"[^\W\d_]*(?:é(?=(?:e?s?)(?![^\W\d_]))|ñ)[^\W\d_]*", re.IGNORECASE)
_CITY = re.compile(r"\b(?i:in|from|to|near|of|visit|visited)\s(?P<name>Nice|Reading|Mobile)(?![\w-]|\s[A-Z])")
_POLISH = re.compile(r"(?<=[\w,] )Polish\b")


def split_accented(text: str) -> list[str]:
    """Split a text; every second part is a word that keeps its accent, without other accents."""
    parts: list[str] = []
    end = 0
    for match in _ACCENTED.finditer(text):
        word = "".join(c if c in "éñÉÑ" else unicodedata.normalize("NFD", c)[0] for c in match.group())
        word = re.sub(r"é(?!e?s?$)", "e", word)
        if word.isascii() or not _needs_accent(word.lower()):
            continue
        parts += [text[end : match.start()], word]
        end = match.end()
    return [*parts, text[end:]]


def _needs_accent(word: str) -> bool:
    """Whether the word is listed, or the dictionary's pronunciation without the accent would be wrong."""
    singular = word.removesuffix("s")
    if word in MARKED_PRONUNCIATIONS or singular in MARKED_PRONUNCIATIONS:
        return True
    phonemes = look_up(singular.translate(_PLAIN)) or ()
    if "ñ" in word:
        return "N Y" not in " ".join(phonemes)
    return not (phonemes and phonemes[-1].startswith("EY"))


def lower_except_marked(text: str, all_caps: bool = False) -> str:
    """Lower-case a text except the letter "A" and, unless all is in capitals, those of words that need them."""
    keep: set[int] = set()
    if not all_caps:
        keep = set(letters_a(text))
        keep |= {match.start("name") for match in _CITY.finditer(text)}
        keep |= {match.start() for match in _POLISH.finditer(text)}
    lower = "".join(c if i in keep else c.lower() for i, c in enumerate(text)) if keep else text.lower()
    return lower.replace(LETTER_MARK, "A")


def without_marks(text: str) -> str:
    """Normalized text without capitals and accents."""
    return text.lower().translate(_PLAIN)


def respelled(word: str) -> str:
    """An unlisted word with an accent in plain letters that sound like it: 'pelé' -> 'pelay'."""
    return re.sub("ée?", "ay", word).replace("ñ", "ny")
