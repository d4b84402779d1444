"""Initialisms (spelled out), acronyms (read as words), initials and camelCase."""

import re

from synthesizer.text.dictionary import is_known
from synthesizer.text.letters import LETTER_MARK, spelled
from synthesizer.text.matching import final_stop, word_set

# Initialisms that are also words, and acronyms.
_SPELLED = word_set("""
    US USA UK EU UN BBC FBI CIA IBM AI ID TV PC CEO CFO CTO UFO DIY FAQ GPS IQ OS VIP ATM API UI IP LA MIT MBA EST
    EDT CST CDT MST MDT PST PDT GMT UTC CET AC DC PO ER ICU UX IM PE HR ISP SUV UAE AKA ETA LED IDE NGO ROI EEG POS
    DOB USS VAT SAT SOS RIP IRA DOE ALS LAX RAF TIA BA AAA DI EV OT ENT
""")
_ACRONYMS = word_set("""
    NASA NATO UNESCO UNICEF OPEC AIDS FIFA UEFA NAFTA ASEAN COVID SARS LASER RADAR PIN GIF JPEG JSON CAPTCHA FOMO
    YOLO NIMBY SCUBA SWAT FEMA OSHA POTUS SCOTUS MERS EBITDA NASDAQ BOGO RAM
    WAV NAS LAN WAN MIDI BIOS CRUD ROM SIM ZIP LOL OLED ASAP MOMA SONAR RAID
""")
# Two capitals are an initialism unless they are one of these words.
_SHORT_WORDS = word_set("""
    ah am an as at aw be by do eh er go ha he hi ho hm if in is it ma me mm my no of oh oi ok on or ow pa re so sh st to
    uh um up us we ya ye yo mr ms dr jr sr vs mt ft
""")
_HALIDES = word_set("HCl KCl HBr LiCl AgCl")
_WORDS_IN_ALL_CAPS = word_set("US AI ID LA ER IM PE OS LED VAT SAT RIP IRA DOE LAX TIA")  # words in an all-caps text
_CAPITALS = re.compile(r"(?<![A-Za-z'])(?P<word>[A-Z]{2,})(?P<plural>s|'s)?(?![A-Za-z])")
_CONSONANTS = re.compile(
    r"(?<![A-Za-z'.-])(?P<word>[b-df-hj-np-tv-xzB-DF-HJ-NP-TV-XZ]?[b-df-hj-np-tv-xz]{1,4})(?<=..)(?![A-Za-z'])"
)
_BEFORE_DIGIT = re.compile(r"(?<![A-Za-z])(?P<word>[A-Z]{2,3})(?=\d)")
_SMALL_LAST = re.compile(r"\b(?P<capitals>[A-Z]{3,5})(?P<small>[a-rt-z])\b")  # NVMe, PCIe
_SMALL_FIRST = re.compile(r"\b(?P<small>[a-z])(?P<rest>[A-Z]{1,4})\b")  # mRNA, pH, iOS
_CHEMICAL = re.compile(r"\b(?=[A-Za-z]{3,5}\b)(?=[A-Z]*[A-Z][a-z])[A-Z][a-z]?[A-Z][a-z]?(?:[A-Z][a-z]?)?\b")  # NaCl
_PRONOUNCEABLE = re.compile(r"[B-DF-HJ-NP-TV-Z][AEIOU][B-DF-HJ-NP-TV-Z][AEIOU][B-DF-HJ-NP-TV-Z]")  # NOTAM
_OF_INSIDE = re.compile(r"\b[A-Z]{1,2}o[A-Z](?=s?\b)")  # IoT, DoD, QoS
_IT = re.compile(
    r"\bAM(?=\s(?:radio|band|stations?|and FM|or FM|frequency|FM)\b)|(?<=\bFM and )AM\b"
    r"|\bIT(?=\s(?:department|support|team|manager|specialist|staff|professionals?|industry|infrastructure|systems?|security"
    r"|consultants?|admin|services?|projects?|skills|budget|guy|person|company)\b)"
    r"|(?:(?<=\b[Tt]he )|(?<=\bthat )|(?<=\bfrom )|(?<=\bby )|(?<=\bat ))WHO\b"
    r"|\bWHO(?=\s(?:said|says|warned|warns|recommends?|estimates?|reports?|declared|guidelines?|officials?|chief)\b)"
    r"|(?:(?<=\b[Ii]n )|(?<=\bour )|(?<=\b[Aa]n ))IT\b(?!\s(?:is|was|has|will)\b)"
)
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z][A-Za-z])|(?<=[A-Z])(?=[A-Z][a-z])")
_MIXED = re.compile(r"\b[A-Za-z]*[a-z][A-Z][A-Za-z]*\b")
_SURNAME = re.compile(r"(?:Mc|Mac|Fitz|De|Di|Du|La|Le|Van|O)[A-Z][a-z]+$")
_DOTTED = re.compile(
    r"(?<![\w.])(?:(?:[A-Za-z]\.){2,}(?P<plural>s\b|(?P<last>[A-Za-z](?![\w.])))?|[A-Z]\.[A-Z](?![\w.]))|\bPh\.\s?D\.(?P<doctors>s\b)?"
)
_DEGREE_PART = "(?:Sc|Phil|Eng|Ed|Com|Tech|Div|Arch|Mus|Psy|Pharm|Th|Litt|Ch|Vet|Surg|Med|Res)"
# M.Sc., BEng, LL.B.
_DEGREE = re.compile(
    rf"(?<![\w.])(?:PhD|[BMD]\.?{_DEGREE_PART}(?:\.[DB])?|{_DEGREE_PART}\.?[DB]|LL\.[BMD])(?:\.|(?P<plural>(?<=D)s)?(?![\w.]))"
)
_INITIAL = re.compile(r"(?<![\w.'])([A-Z])\.(?=\s+[A-Z])|(?<![\w.'])([A-HJ-Z])\.(?=\s+[a-z]{3,}\b)")


def expand_initials(text: str) -> str:
    """'U.S.A.' -> 'U S A', 'J. R. Smith' -> 'J R Smith'. Times such as '5 p.m.' must be expanded before."""
    text = _DOTTED.sub(_dotted, _DEGREE.sub(_degree, text))
    return _INITIAL.sub(lambda m: (m[1] or m[2]).replace("A", LETTER_MARK), text)


def _degree(match: re.Match[str]) -> str:
    """'M.Sc.' -> 'M S C', 'B.Eng.' -> 'B Eng': a part with a vowel is a word."""
    written = match.group().removesuffix("s") if match["plural"] else match.group()
    parts = re.findall(r"LL|Ph(?![a-z])|[A-Z][a-z]*", written)
    spoken = [part if len(part) > 1 and set(part.lower()) & set("aeiouy") else spelled(part) for part in parts]
    spoken[-1] += "'s" if match["plural"] else ""
    return " ".join(spoken) + (final_stop(match) if match.group().endswith(".") else "")


def _dotted(match: re.Match[str]) -> str:
    plural = bool(match["doctors"]) or match["plural"] == "s"
    dots = match.group().removesuffix("s") if plural else match.group()
    letters = spelled("".join(re.findall("[A-Za-z]", dots)))
    if plural:
        return f"{letters}'s"
    return letters + (final_stop(match, before_capital=False) if dots.endswith(".") else "")


def expand_initialisms(text: str, all_caps: bool) -> str:
    """Spell 'BBC' as 'b b c', keep 'NASA' and 'STOP' as words, and split 'camelCase'.

    Args:
        text: in its original case.
        all_caps: the whole text is in capitals, so that capitals do not mark initialisms.
    """

    def spell(match: re.Match[str]) -> str:
        word = match["word"]
        if not _is_spelled(word, all_caps):
            return match.group()
        return spelled(word) + ("'s" if match["plural"] else "")

    def spell_before_digit(match: re.Match[str]) -> str:
        word = match["word"]
        return word if all_caps or word in _ACRONYMS else spelled(word)

    text = _BEFORE_DIGIT.sub(spell_before_digit, text)
    if not all_caps:
        text = _IT.sub(lambda m: " ".join(m.group()), text)
    text = _OF_INSIDE.sub(lambda m: spelled(m.group()), text)
    text = _SMALL_FIRST.sub(lambda m: f"{m['small']} {spelled(m['rest'])}", text)
    text = _SMALL_LAST.sub(lambda m: spelled(m.group()), text) if not all_caps else text
    text = _CHEMICAL.sub(_chemical, text)
    text = _MIXED.sub(_split_camel_case, text)
    text = _CAPITALS.sub(spell, text)
    return _CONSONANTS.sub(_spell_consonants, text)


def _known(word: str) -> bool:
    return is_known(word.lower())


def _chemical(match: re.Match[str]) -> str:
    word = match.group()
    if word in _HALIDES:
        return spelled(word)
    if (
        word[:-1].isupper()
        or _known(word)
        or _SURNAME.match(word)
        or sum(c.isupper() for c in word) < 2
        or re.search(r"[aeiou]\w?$", word)
    ):
        return word
    return spelled(word)


def _split_camel_case(match: re.Match[str]) -> str:
    word = match.group()
    if _known(word) or _SURNAME.match(word) or (word.endswith("s") and word[:-1].isupper()):
        return word
    return _HUMP.sub(" ", word)


def _spell_consonants(match: re.Match[str]) -> str:
    """Spell 'tbh'; keep interjections such as 'brrr' and words of the dictionary such as 'hmm'."""
    word = match["word"]
    if word == "ll" or _known(word) or re.search(r"(.)\1\1|sst|shh|^p[fs]|^gr", word.lower()):
        return word
    return " ".join(word)


def _is_spelled(word: str, all_caps: bool) -> bool:
    if word in _ACRONYMS:
        return False
    if word in _SPELLED:
        return not (all_caps and word in _WORDS_IN_ALL_CAPS)
    if not set(word) & set("AEIOUY"):
        return len(word) <= 6 and not (all_caps and _known(word))
    if all_caps or len(word) > 5 or _PRONOUNCEABLE.fullmatch(word):
        return False
    return not _known(word) or (len(word) == 2 and word.lower() not in _SHORT_WORDS)
