"""Abbreviations: titles, common and street abbreviations, months, weekdays, Bible books and chat."""

import re

from synthesizer.text.matching import final_stop, word_set
from synthesizer.text.numbers import cardinal

# Before a name; never at the end of a sentence.
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
    "fr": "father",
    "mt": "mount",
    "ft": "fort",
    "pt": "point",
}
# With a full stop, inside a sentence.
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
    "resp": "respectively",
    "ea": "each",
    "temp": "temperature",
    "tel": "telephone",
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
    "pt": "part",
    "pts": "parts",
    "ext": "extension",
    "apt": "apartment",
    "rm": "room",
    "bldg": "building",
    "fl": "floor",
    "ste": "suite",
    "rte": "route",
    "hwy": "highway",
    "op": "opus",
}
# Possibly at the end of a sentence, which then shares the full stop.
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
    "pkwy": "parkway",
    "apt": "apartment",
    "univ": "university",
    "assn": "association",
    "govt": "government",
    "yr": "year",
    "yrs": "years",
    "al": "al",
}
CALENDAR = {
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
_SHORT_MONTHS = "Jan Feb Mar Apr Jun Jul Aug Sept Sep Oct Nov Dec".replace(" ", "|")
_SHORT_DAYS = "Mon Tues Tue Wed Thurs Thu Fri Sat Sun".replace(" ", "|")
# Chat and text messages
_CHAT = {
    "thx": "thanks",
    "pls": "please",
    "plz": "please",
    "gr8": "great",
    "l8r": "later",
    "b4": "before",
    "omg": "o m g",
    "idk": "i d k",
    "imo": "i m o",
    "imho": "i m h o",
    "lmao": "l m a o",
    "btw": "by the way",
    "2nite": "tonight",
    "2day": "today",
    "m8": "mate",
    "ppl": "people",
    "fwd": "forward",
    "b/c": "because",
    "c/o": "care of",
    "w/o": "without",
    "s/he": "she or he",
    "and/or": "and or",
}
# A slash between two of these means "or".
_CHOICES = word_set("he she his her him hers yes no true false on off male female mr mrs ms either or")


def expand_abbreviations(text: str) -> str:
    """Expand titles, common abbreviations, months and weekdays. Full stops that end a sentence are kept."""
    text = _CHAT_WORD.sub(lambda m: _CHAT[m.group().lower()], text)
    text = re.sub(r"(?<![\w/])(?:w/(?=\s|[a-z])|W/(?=\s|[A-Z]?[a-z]{2}))", "with ", text)
    text = _CHOICE.sub(lambda m: m["first"] + " or ", text)
    text = re.sub(r"(?<=\b[A-Z]{2})/(?=[A-Z]{2}\b)|(?<=\b[A-Z]{3})/(?=[A-Z]{2,4}\b)", " ", text)
    text = re.sub(r"(?<=\d )st\b\.?(?=\s\d|[,;])", "stone", text)
    text = re.sub(r"\b(?:Hwy|Rte|Apt|Fig|Vol|Rm)(?=\s\d)", lambda m: BEFORE_NUMBER[m.group().lower()], text)
    text = _SAINT.sub(_saint_or_street, text)
    text = _DRIVE.sub(lambda m: m["street"] + "drive" + final_stop(m), text)
    text = _CALENDAR_RANGE.sub(lambda m: f"{CALENDAR[m['first']]} to {CALENDAR[m['last']]}", text)
    text = _CALENDAR_BEFORE.sub(lambda m: CALENDAR[m["word"]], text)
    text = _SCRIPTURE.sub(_scripture, text)
    text = _TITLE.sub(lambda m: TITLES[m["title"].lower()] + " ", text)
    text = _BEFORE_NUMBER.sub(lambda m: BEFORE_NUMBER[m["word"].lower()] + " ", text)
    text = re.sub(r"\bc\.\s?(?=\d{3,4}\b)", "circa ", text)
    text = re.sub(r"(?<=[\w.] )vs?\b\.?(?= [A-Z])|\bvs\b\.?", "versus", text)
    text = _INNER.sub(lambda m: INNER[m["word"].lower()], text)
    text = _FINAL.sub(lambda m: FINAL[m["word"].lower()] + final_stop(m), text)
    return _CALENDAR_WORD.sub(lambda m: CALENDAR[m["word"]] + final_stop(m), text)


_CHAT_WORD = re.compile(rf"(?<![\w/'.-])(?:{'|'.join(_CHAT)})(?![\w/'])", re.IGNORECASE)
_ONE_OF = "|".join(sorted(_CHOICES, reverse=True))
_CHOICE = re.compile(
    rf"(?<![\w/])(?P<first>{_ONE_OF})/(?=(?:{_ONE_OF})(?![\w/]))",
    re.IGNORECASE,
)
_SAINT = re.compile(
    r"(?P<before>\b(?:[A-Z][a-z]+|\d+(?:st|nd|rd|th))\s+)?\b(?:St\.|st\.|ST\.|St\b)(?P<next>\s+[A-Za-z])?"
)
_DRIVE = re.compile(r"(?P<street>\b[A-Z][a-z]+\s)Dr\.(?!\s+[A-Z])")
_TITLE = re.compile(rf"\b(?P<title>{'|'.join(TITLES)})(?:\.\s*|\s+(?=[A-Z][A-Za-z]))(?=['\"(]?[A-Za-z])", re.IGNORECASE)
_BEFORE_NUMBER = re.compile(
    rf"\b(?P<word>{'|'.join(BEFORE_NUMBER)})\.\s*(?=\(?\d|(?:[IVX]{{2,}}|[VX])\b)", re.IGNORECASE
)
_INNER = re.compile(rf"(?<![\w.])(?P<word>{'|'.join(re.escape(w) for w in INNER)})\.", re.IGNORECASE)
_FINAL = re.compile(rf"(?<![\w.])(?P<word>{'|'.join(FINAL)})\.(?![A-Za-z])", re.IGNORECASE)
_CALENDAR_WORD = re.compile(rf"\b(?P<word>{'|'.join(CALENDAR)})\.")
_CALENDAR_RANGE = re.compile(
    rf"\b(?P<first>{_SHORT_MONTHS}|{_SHORT_DAYS})\.?\s?[-/]\s?(?P<last>{_SHORT_MONTHS}|{_SHORT_DAYS})\b(?:\.(?=\s*\S))?"
)
_CALENDAR_BEFORE = re.compile(
    rf"\b(?P<word>(?:{_SHORT_DAYS})(?=\.?,?\s+(?:\d|(?:{_SHORT_MONTHS})\b))|(?:{_SHORT_MONTHS})(?=\.?\s+(?:19|20)\d\d\b))\.?"
)

_BOOKS = {
    "Gen": "Genesis",
    "Ex": "Exodus",
    "Exod": "Exodus",
    "Lev": "Leviticus",
    "Num": "Numbers",
    "Deut": "Deuteronomy",
    "Josh": "Joshua",
    "Judg": "Judges",
    "Sam": "Samuel",
    "Kgs": "Kings",
    "Ps": "Psalm",
    "Prov": "Proverbs",
    "Isa": "Isaiah",
    "Jer": "Jeremiah",
    "Ezek": "Ezekiel",
    "Dan": "Daniel",
    "Matt": "Matthew",
    "Mt": "Matthew",
    "Mk": "Mark",
    "Lk": "Luke",
    "Jn": "John",
    "Rom": "Romans",
    "Cor": "Corinthians",
    "Heb": "Hebrews",
    "Rev": "Revelation",
}
_SCRIPTURE = re.compile(
    rf"\b(?P<book>(?:{'|'.join(_BOOKS)})\b\.?|{'|'.join(set(_BOOKS.values()))})"
    r"\s(?P<chapter>\d{1,3}):(?P<verse>\d{1,3})(?:-(?P<last>\d{1,3}))?(?![\d:])"
)


def _scripture(match: re.Match[str]) -> str:
    book = match["book"].rstrip(".")
    last = f" to {cardinal(match['last'])}" if match["last"] else ""
    return f"{_BOOKS.get(book, book)} {cardinal(match['chapter'])} {cardinal(match['verse'])}{last}"


def _saint_or_street(match: re.Match[str]) -> str:
    """A street has a name before it, a saint a name after it. "st" alone may be an ordinal suffix and is kept."""
    before, following = match["before"] or "", match["next"]
    short = match.group()[len(before) :]
    dotted = short[2:3] == "."
    name_behind = bool(following) and following.strip().isupper()
    if before and before[0].isdigit():
        return before + "street" + (following or "")
    if name_behind or (dotted and following and short.startswith("st")):
        return before + "saint" + (following or "")
    if not dotted:
        at_end = re.match(r"\s*(?:[,;)]|$|\.(?:\s|$))", match.string[match.end() :])
        return before + "street" if before and not following and at_end else match.group()
    return before + "street" + (following or final_stop(match))
