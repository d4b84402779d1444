"""Abbreviations, initialisms, Roman numerals, e-mail addresses and URLs, written out as they are said."""

import re

from synthesizer.text.marks import final_stop
from synthesizer.text.numbers import cardinal, ordinal, roman_value, year


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Before a name; never the end of a sentence.
TITLES = {
    "mr": "mister",
    "mrs": "missus",
    "ms": "miz",
    "messrs": "messers",
    "mme": "madame",
    "mlle": "mademoiselle",
    "dr": "doctor",
    "prof": "professor",
    "rev": "reverend",
    "hon": "honorable",
    "gen": "general",
    "col": "colonel",
    "capt": "captain",
    "cmdr": "commander",
    "lt": "lieutenant",
    "sgt": "sergeant",
    "maj": "major",
    "gov": "governor",
    "sen": "senator",
    "rep": "representative",
    "pres": "president",
    "mt": "mount",
    "ft": "fort",
}
# Written with a full stop, within a sentence.
INNER = {
    "vs": "versus",
    "approx": "approximately",
    "est": "established",
    "cf": "compare",
    "viz": "namely",
    "ca": "circa",
    "incl": "including",
    "e.g": "for example",
    "i.e": "that is",
}
# Only before a number.
BEFORE_NUMBER = {
    "no": "number",
    "nos": "numbers",
    "fig": "figure",
    "figs": "figures",
    "vol": "volume",
    "p": "page",
    "pp": "pages",
    "ch": "chapter",
    "sec": "section",
    "eq": "equation",
    "art": "article",
}
# May stand at the end of a sentence, whose full stop they then share.
FINAL = {
    "etc": "et cetera",
    "inc": "incorporated",
    "corp": "corporation",
    "co": "company",
    "ltd": "limited",
    "bros": "brothers",
    "jr": "junior",
    "sr": "senior",
    "dept": "department",
    "ave": "avenue",
    "blvd": "boulevard",
    "rd": "road",
    "ln": "lane",
    "hwy": "highway",
    "al": "al",
}
_CALENDAR = {
    "Jan": "january",
    "Feb": "february",
    "Mar": "march",
    "Apr": "april",
    "Jun": "june",
    "Jul": "july",
    "Aug": "august",
    "Sep": "september",
    "Sept": "september",
    "Oct": "october",
    "Nov": "november",
    "Dec": "december",
    "Mon": "monday",
    "Tue": "tuesday",
    "Tues": "tuesday",
    "Wed": "wednesday",
    "Thu": "thursday",
    "Thurs": "thursday",
    "Fri": "friday",
    "Sat": "saturday",
    "Sun": "sunday",
}

# Upper-case words that are spelled out although a word of that spelling exists, and those that are said as words.
_SPELLED = _words("US USA UK EU UN BBC FBI CIA IBM AI ID TV PC CEO CFO CTO UFO DIY FAQ GPS IQ OS VIP ATM API UI")
_SAID_AS_WORDS = _words("NASA NATO UNESCO UNICEF OPEC AIDS FIFA UEFA NAFTA ASEAN COVID SARS LASER RADAR PIN")

_REGNAL = _words("""
    Henry Edward George William Charles James Richard John Elizabeth Mary Anne Louis Philip Philippe Napoleon Frederick
    Friedrich Wilhelm Alexander Nicholas Peter Catherine Ivan Paul Pius Leo Benedict Gregory Clement Innocent Urban
    Francis Joseph Leopold Albert Ferdinand Alfonso Juan Carlos Christian Gustav Oscar Haakon Harald Rudolf Otto
    Ramesses Ramses Darius Xerxes Ptolemy Victor Emmanuel Umberto Robert Malcolm David Stephen Margaret Isabella
""")
_COUNTED_THINGS = _words("""
    chapter part volume vol book act scene war type phase section class article appendix level page episode stage step
    grade apollo bowl canto verse figure table unit round rocky mark title schedule category
""")
_ROMAN_NAMED = re.compile(
    r"\b(?!(?:The|An?|In|On|At|And|But|Or|Of|By|If|My|No|With|From|For)\b)(?P<name>[A-Z][A-Za-z]+\.?)\s+(?P<numeral>[IVX]{2,7})\b(?P<apostrophe>'s\b)?"
)
_ROMAN_FIRST = re.compile(
    rf"\b(?P<name>{'|'.join(sorted(_REGNAL))})\s+(?P<numeral>[IVX])\b(?=$|\s*[.,;:!?)\"]|'s\b"
    r"|\s+(?:of|was|is|had|and|died|ruled|became|reigned|the|in|who|from|to)\b)"
)
_ROMAN_COUNTED = re.compile(
    rf"\b(?P<name>{'|'.join(sorted(_COUNTED_THINGS))})\s+(?P<numeral>[IVXLCDM]+|[ivx]+)\b", re.IGNORECASE
)
_ROMAN_ORDINAL = re.compile(r"\b(?P<numeral>[IVX]+)(?:(?:st|nd|rd|th)\b|(?=\s+centur(?:y|ies)\b))")
_ROMAN_LONG = re.compile(r"\b[MDCLXVI]{5,}\b")

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_LINK = re.compile(r"\b(?:(?:https?|ftp)://|www\.)[^\s<>\"{}]+|\b(?:mailto:)(?=\S)", re.IGNORECASE)
_TLDS = "com org net edu gov mil io ai dev app info biz eu uk de fr ca au jp tv"
_DOMAIN = re.compile(
    rf"(?<![\w.@-])(?:[A-Za-z0-9-]{{1,63}}\.){{1,6}}(?:{'|'.join(_TLDS.split())})\b(?:/[^\s<>\"{{}}]*)?"
)
_LINK_SIGNS = {
    ".": "dot",
    "/": "slash",
    "-": "dash",
    "_": "underscore",
    "@": "at",
    ":": "colon",
    "?": "question mark",
    "=": "equals",
    "&": "and",
    "#": "hash",
    "%": "percent",
    "+": "plus",
    "~": "tilde",
}
_TLDS_SAID = _words("com org net info biz gov mil app")


def expand_links(text: str) -> str:
    """'www.example.com/a' -> 'w w w dot example dot com slash a', 'me@example.org' -> 'me at example dot org'."""
    text = _EMAIL.sub(lambda m: _spoken_link(m.group()), text)
    text = _LINK.sub(lambda m: _spoken_link(m.group()), text)
    return _DOMAIN.sub(lambda m: _spoken_link(m.group()), text)


def _spoken_link(link: str) -> str:
    core = link.rstrip(".,;:!?)'\"")
    tail = link[len(core) :]
    core = re.sub(r"^(?:(?:https?|ftp)://|mailto:)", "", core, flags=re.IGNORECASE).rstrip("/")
    host = re.split(r"[/?#]", core, maxsplit=1)[0]
    last = host.rpartition(".")[2]
    if "." in host and last.isalpha() and last.lower() not in _TLDS_SAID and len(last) <= 3:
        core = host[: -len(last)] + " ".join(last) + core[len(host) :]
    core = re.sub(r"(?i)^www(?=\.)", "w w w", core)
    spoken = re.sub(r"[^\w\s]|_", lambda m: f" {_LINK_SIGNS.get(m.group(), m.group())} ", core)
    return re.sub(r" {2,}", " ", spoken).strip().lower() + tail


def expand_abbreviations(text: str) -> str:
    """Titles, common abbreviations, months and days, dotted initials. Full stops that end the sentence stay."""
    text = re.sub(r"\b[wW]/o\b", "without", text)
    text = re.sub(r"\b[wW]/(?=\s|[a-z])", "with ", text)
    text = _SAINT.sub(_saint_or_street, text)
    text = _DRIVE.sub(lambda m: m["street"] + "drive" + final_stop(m), text)
    text = _TITLE.sub(lambda m: TITLES[m["title"].lower()] + " ", text)
    text = _BEFORE_NUMBER.sub(lambda m: BEFORE_NUMBER[m["word"].lower()] + " ", text)
    text = _INNER.sub(lambda m: INNER[m["word"].lower()], text)
    text = _FINAL.sub(lambda m: FINAL[m["word"].lower()] + final_stop(m), text)
    return _CALENDAR_WORD.sub(lambda m: _CALENDAR[m["word"]] + final_stop(m), text)


def expand_initials(text: str) -> str:
    """'U.S.A.' -> 'U S A', 'J. R. Smith' -> 'J R Smith'. Times such as '5 p.m.' must have been read before."""
    text = _DOTTED.sub(
        lambda m: " ".join(re.findall("[A-Za-z]", m.group())).upper() + final_stop(m, before_capital=False), text
    )
    return _INITIAL.sub(r"\1", text)


_SAINT = re.compile(r"\b(?:St\.|st\.|ST\.|St(?=\s+[A-Z]))(?P<next>\s+[A-Za-z])?")
_DRIVE = re.compile(r"(?P<street>\b[A-Z][a-z]+\s)Dr\.(?!\s+[A-Z])")
_TITLE = re.compile(rf"\b(?P<title>{'|'.join(TITLES)})(?:\.\s*|\s+(?=[A-Z]))(?=['\"(]?[A-Za-z])", re.IGNORECASE)
_BEFORE_NUMBER = re.compile(rf"\b(?P<word>{'|'.join(BEFORE_NUMBER)})\.\s*(?=\d)", re.IGNORECASE)
_INNER = re.compile(rf"(?<![\w.])(?P<word>{'|'.join(re.escape(w) for w in INNER)})\.", re.IGNORECASE)
_FINAL = re.compile(rf"(?<![\w.])(?P<word>{'|'.join(FINAL)})\.", re.IGNORECASE)
_CALENDAR_WORD = re.compile(rf"\b(?P<word>{'|'.join(_CALENDAR)})\.")
_DOTTED = re.compile(r"(?<![\w.])(?:[A-Za-z]\.){2,}|\bPh\.\s?D\.")
_INITIAL = re.compile(r"(?<![\w.'])([A-Z])\.(?=\s+[A-Z])")


def _saint_or_street(match: re.Match[str]) -> str:
    following = match["next"]
    word = match.group()[:2]
    if following and (following.strip().isupper() or word == "st"):
        return "saint" + following
    return "street" + (following or final_stop(match))


def expand_roman_numerals(text: str) -> str:
    """'Henry VIII' -> 'Henry the eighth', 'World War II' -> 'World War two', 'chapter IV' -> 'chapter four'."""
    text = _ROMAN_COUNTED.sub(_roman_cardinal, text)
    text = _ROMAN_ORDINAL.sub(_roman_century, text)
    text = _ROMAN_FIRST.sub(lambda m: f"{m['name']} the {ordinal(str(roman_value(m['numeral'])))}", text)
    text = _ROMAN_NAMED.sub(_roman_ordinal, text)
    return _ROMAN_LONG.sub(_roman_year, text)


def _roman_cardinal(match: re.Match[str]) -> str:
    value = roman_value(match["numeral"].upper())
    # "part I" may be "the part I like"; a lone I counts only where the thing is written as a heading or a name.
    if value is None or (match["numeral"] in ("I", "i") and not match["name"][0].isupper()):
        return match.group()
    return f"{match['name']} {cardinal(str(value))}"


def _roman_ordinal(match: re.Match[str]) -> str:
    value = roman_value(match["numeral"])
    if value is None:
        return match.group()
    return f"{match['name']} the {ordinal(str(value))}{match['apostrophe'] or ''}"


def _roman_century(match: re.Match[str]) -> str:
    value = roman_value(match["numeral"])
    return match.group() if value is None else ordinal(str(value))


def _roman_year(match: re.Match[str]) -> str:
    value = roman_value(match.group())
    if value is None:
        return match.group()
    return year(str(value)) if 1100 <= value <= 2099 else cardinal(str(value))


_CAPITALS = re.compile(r"(?<![A-Za-z'])(?P<word>[A-Z]{2,})(?P<plural>s|'s)?(?![A-Za-z])")


def expand_initialisms(text: str, shouting: bool) -> str:
    """Spells 'BBC' as 'b b c' and leaves 'NASA' and 'STOP' as words.

    Args:
        text: with its capitals.
        shouting: the whole text is in capitals, so that they say nothing about a word.
    """

    def spell(match: re.Match[str]) -> str:
        word = match["word"]
        if not _is_spelled(word, shouting):
            return match.group()
        return " ".join(word) + ("'s" if match["plural"] else "")

    return _CAPITALS.sub(spell, text)


def _is_spelled(word: str, shouting: bool) -> bool:
    if word in _SAID_AS_WORDS:
        return False
    if word in _SPELLED:
        return not (shouting and word == "US")
    if not shouting and not set(word) & set("AEIOUY"):
        return len(word) <= 6
    if shouting or len(word) > 5:
        return False
    from synthesizer.text.pronunciation import is_known

    return not is_known(word.lower())
