"""Abbreviations: titles, common and street abbreviations, months, weekdays, Bible books and chat."""

import re

from synthesizer.text.letters import LETTER_MARK
from synthesizer.text.matching import apply_rules, compile_rules, final_stop, one_of, word_set, word_table
from synthesizer.text.numbers import cardinal
from synthesizer.text.titles import TITLE_RULES

# With a full stop, inside a sentence
INNER = word_table("""
    vs versus, approx approximately, est established, cf compare, viz namely, ca circa, incl including,
    excl excluding, e.g for example, eg for example, i.e that is, ie that is, resp respectively, ea each,
    temp temperature, tel telephone, attn attention, esp especially, misc miscellaneous, avg average,
    usu usually, vit vitamin, amt amount, wt weight, ht height, lat latitude, dim dimensions, addr address,
    dir director
""")
# Only before a number.
BEFORE_NUMBER = word_table("""
    no number, nos numbers, fig figure, figs figures, vol volume, vols volumes, p page, pp pages, pg page, ch chapter,
    chap chapter, sec section, sect section, para paragraph, paras paragraphs, cl clause, col column, bk book, ex
    example, ver version, thm theorem, iss issue, fn footnote, tbl table, eq equation, eqn equation, art article, pt
    part, pts parts, ext extension, apt apartment, rm room, bldg building, fl floor, ste suite, rte route, hwy
    highway, op opus, rev revision, rt route, wk week, wks weeks, lvl level, ep episode, eps episodes, lec lecture,
    pgs pages, prob problem, alt altitude, elev elevation
""")
# Possibly at the end of a sentence, which then shares the full stop.
FINAL = word_table("""
    etc et cetera, inc incorporated, corp corporation, co company, ltd limited, bros brothers, jr junior, sr senior,
    dept department, ave avenue, blvd boulevard, rd road, ln lane, hwy highway, pkwy parkway, apt apartment, bldg
    building, ct court, hr hour, ret retired, esq esquire, utd united, intl international, natl national, mfg
    manufacturing, dist district, univ university, assn association, govt government, yr year, yrs years, al al
""")
# Not words otherwise, so that the full stop may be missing
CLIPPED = word_table("""
    qty quantity, doz dozen, chopd chopped, mgr manager, mgrs managers, mgmt management, mtg meeting, mtgs meetings,
    pkg package, pkgs packages, pkt packet, acct account, accts accounts, appt appointment, appts appointments, bdrm
    bedroom, bdrms bedrooms, cont'd continued, contd continued, ctr center, hosp hospital, mfr manufacturer, mkt
    market, mtn mountain, mtns mountains, nat'l national, int'l international, rec'd received, recd received, sched
    schedule, twp township, wkly weekly, qtr quarter, svc service, svcs services, depts departments, bldgs buildings,
    hwys highways, yrbk yearbook, bkfst breakfast, approx approximately, tbd to be determined, tba to be announced,
    w/in within, w/out without
""")
CALENDAR = word_table("""
    Jan January, Feb February, Mar March, Apr April, Jun June, Jul July, Aug August, Sep September, Sept September,
    Oct October, Nov November, Dec December, Mon monday, Tue tuesday, Tues tuesday, Wed wednesday, Weds wednesday,
    Thu thursday, Thur thursday, Thurs thursday, Fri friday, Sat saturday, Sun sunday
""")
_SHORT_MONTHS = "Jan Feb Mar Apr Jun Jul Aug Sept Sep Oct Nov Dec".replace(" ", "|")
_MONTHS = _SHORT_MONTHS + "|May|June|July"
_SHORT_DAYS = "Mon Tues Tue Weds Wed Thurs Thur Thu Fri Sat Sun".replace(" ", "|")
# Chat and text messages
_CHAT = word_table("""
    thx thanks, pls please, plz please, gr8 great, l8r later, b4 before, omg o m g, idk i d k, imo i m o, imho i m h
    o, fyi f y i, aka a k a, irl i r l, iirc i i r c, afaik a f a i k, lmao l m a o, tl;dr t l d r, btw by the way, ur
    your, rn right now, np no problem, tmrw tomorrow, nvm never mind, ttyl t t y l, idc i d c, ikr i k r, ily i l y,
    y/y year over year, yoy year over year, m/m month over month, q/q quarter over quarter, n/a n a, a/c a c, 2nite
    tonight, 2day today, m8 mate, ppl people, fwd forward, b/c because, c/o care of, w/o without, gov't government,
    wknd weekend, msg message, msgs messages, sry sorry, omw on my way, bday birthday, hbd happy birthday, w8 wait,
    xmas christmas, tho though, cuz because, lmk let me know, im i'm, bf boyfriend, gf girlfriend, s/he she or he,
    and/or and or
""")
_NOT_STREETS = one_of(
    word_set("""
    The My Our His Her A An Your Their Dear Hi Hello And But Or With To For By From See Call Ask Thanks When If
""")
)
# A slash between two of these means "or".
_CHOICES = word_set("he she his her him hers yes no true false on off male female mr mrs ms either or")
BOOKS = word_table("""
    Gen Genesis, Ex Exodus, Exod Exodus, Lev Leviticus, Num Numbers, Deut Deuteronomy, Josh Joshua, Judg Judges,
    Sam Samuel, Kgs Kings, Ps Psalm, Prov Proverbs, Isa Isaiah, Jer Jeremiah, Ezek Ezekiel, Dan Daniel, Matt Matthew,
    Mt Matthew, Mk Mark, Lk Luke, Jn John, Rom Romans, Cor Corinthians, Heb Hebrews, Rev Revelation
""")


def expand_abbreviations(text: str) -> str:
    """Expand titles, common abbreviations, months and weekdays. Full stops that end a sentence are kept."""
    return apply_rules(_EARLY_RULES + TITLE_RULES + _LATER_RULES, text)


def _scripture(match: re.Match[str]) -> str:
    book = match["book"].rstrip(".")
    last = f" to {cardinal(match['last'])}" if match["last"] else ""
    return f"{BOOKS.get(book, book)} {cardinal(match['chapter'])} {cardinal(match['verse'])}{last}"


def _weekdays(match: re.Match[str]) -> str:
    """'Sat. & Sun.' -> 'saturday and sunday', 'Mon, Wed and Fri', 'Tue/Thu', 'Jan and Feb'."""
    stop = final_stop(match) if match.group().endswith(".") else ""
    spoken = re.sub(rf"\b({_SHORT_DAYS}|{_SHORT_MONTHS})\b\.?", lambda m: CALENDAR[m[1]], match.group())
    return re.sub(r"\s?[&/+]\s?", " and ", spoken) + stop


def _chat(match: re.Match[str]) -> str:
    word = match.group()
    if word in ("RN", "NP", "M8"):  # nurses, a bolt
        return word
    return re.sub(r"\ba\b", LETTER_MARK, _CHAT[word.lower()])


def _clipped(match: re.Match[str]) -> str:
    word = match.group().rstrip(".")
    return CLIPPED[word.lower()] + (final_stop(match) if match.group().endswith(".") else "")


def _final(match: re.Match[str]) -> str:
    if match["word"] in ("HR", "CT", "AL"):
        return match.group()
    return FINAL[match["word"].lower()] + final_stop(match)


def _label(match: re.Match[str]) -> str:
    """'Hrs.: 9-5' -> 'hours: 9-5', 'Model no. XR-500B'."""
    return {"no": "number", "hrs": "hours", "long": "longitude"}[match["word"].lower()]


def _inside(match: re.Match[str]) -> str:
    """An abbreviation inside a sentence; "EST." in capitals is the time zone."""
    word = match["word"]
    if word.isupper() and word != "VS":
        return match.group()
    return INNER[word.lower()] + final_stop(match, before_capital=False)


_STREET_ENDS = re.compile(r"\s*(?:[,;)]|$|\.(?:\s|$))")


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
        if not before or (following and not following.strip().islower()):
            return match.group()
        at_end = following or _STREET_ENDS.match(match.string, match.end())
        return before + "street" + (following or "") if at_end else match.group()
    return before + "street" + (following or final_stop(match))


_EITHER = one_of(_CHOICES)
# In order: each rule sees the output of those above.
_EARLY_RULES = compile_rules(
    (rf"(?i)(?<![\w/'.-]){one_of(_CHAT)}(?![\w/'])", _chat),
    (r"(?<![\w/])(?:w/(?=\s|[a-z])|W/(?=\s|[A-Z]?[a-z]{2}))", "with "),
    (rf"(?i)(?<![\w/])(?P<first>{_EITHER})/(?={_EITHER}(?![\w/]))", r"\g<first> or "),
    (r"(?<=\b[A-Z]{2})/(?=[A-Z]{2}\b)|(?<=\b[A-Z]{3})/(?=[A-Z]{2,4}\b)", " "),
    (r"(?<=\d )st\b\.?(?=\s\d|[,;])", "stone"),
    (r"\b(?:Hwy|Rte|Apt|Fig|Vol|Rm)(?=\s\d)", lambda m: BEFORE_NUMBER[m.group().lower()]),
    (
        r"(?P<before>\b(?:[A-Z][a-z]+|\d+(?:st|nd|rd|th))\s+)?\b(?:St\.|st\.|ST\.|St\b)(?P<next>\s+[A-Za-z])?",
        _saint_or_street,
    ),
    (r"(?P<street>\b[A-Z][a-z]+\s)Dr\.(?!\s+[A-Z])", lambda m: m["street"] + "drive" + final_stop(m)),
    (rf"(?P<street>\b(?!(?:{_NOT_STREETS})\s)[A-Z][a-z]+\s)Dr\b(?!\.|\s+[A-Z])", r"\g<street>drive"),
    (
        rf"\b(?P<first>{_MONTHS}|{_SHORT_DAYS})\.?\s?(?:--?|/(?=\s?(?:{_MONTHS})\b))\s?(?P<last>{_MONTHS}|{_SHORT_DAYS})\b"
        r"(?:\.(?=\s*\S))?",
        lambda m: f"{CALENDAR.get(m['first'], m['first'])} to {CALENDAR.get(m['last'], m['last'])}",
    ),
    (
        rf"\b(?:{_SHORT_DAYS})\b\.?(?:(?:,?\s|\s?/\s?|,?\s(?:[&+]|and|or|to|thru|through)\s)(?:{_SHORT_DAYS})\b\.?)+",
        _weekdays,
    ),
    (
        rf"\b(?:{_SHORT_MONTHS})\b\.?(?:(?:,\s|,?\s(?:[&+]|and|or|to|thru|through)\s)(?:{_SHORT_MONTHS})\b(?!\.?\s\d)\.?)+",
        _weekdays,
    ),
    (r"\b(?P<day>Tues|Thurs|Thur|Weds|Fri)\b(?![.-]|\s?/)", lambda m: CALENDAR[m["day"]]),
    (r"(?<=\b(?:to|of|do|or) )(?P<day>Wed|Sat)\b(?=$|[,;:!?)]|\s[a-z\d])", lambda m: CALENDAR[m["day"]]),
    (
        r"(?<=[a-z]\s)(?P<day>Wed|Sat|(?:Sun|Mon)(?=\s(?:not|instead|@)\s))(?=$|[,!?]|\s(?:(?:not|instead|at|or|if|then)\b|@))",
        lambda m: CALENDAR[m["day"]],
    ),
    (
        rf"(?P<before>\b(?:[Ee]very|[Ee]ach|[Ll]ast|[Nn]ext|[Tt]his|[Oo]n|[Bb]y|[Uu]ntil|[Ss]ince)\s)"
        rf"(?P<day>{_SHORT_DAYS})\b(?!\.|\s?-|\s[A-Z])",
        lambda m: m["before"] + CALENDAR[m["day"]],
    ),
    (
        rf"\b(?P<day>{_SHORT_DAYS})\.?(?=\s(?:mornings?|afternoons?|evenings?|nights?|noon|only)\b)",
        lambda m: CALENDAR[m["day"]],
    ),
    (
        rf"\b(?P<word>(?:{_SHORT_DAYS})(?=\.?,?\s+(?:\d|(?:{_SHORT_MONTHS})\b))"
        rf"|(?:{_SHORT_MONTHS})(?=\.?\s+(?:19|20)\d\d\b))\.?",
        lambda m: CALENDAR[m["word"]],
    ),
    (
        rf"\b(?P<book>{one_of(BOOKS)}\b\.?|{one_of(set(BOOKS.values()))})"
        r"\s(?P<chapter>\d{1,3}):(?P<verse>\d{1,3})(?:-(?P<last>\d{1,3}))?(?![\d:])",
        _scripture,
    ),
)
_LATER_RULES = compile_rules(
    (
        rf"(?i)\b(?P<word>{one_of(BEFORE_NUMBER)})\.\s*(?=\(?\d|(?:[IVX]{{2,}}|[VX])\b)",
        lambda m: BEFORE_NUMBER[m["word"].lower()] + " ",
    ),
    (r"\b[Rr]ev\.\s(?=[A-Z](?:$|[\s,;:)]))", "revision "),
    (r"\bc\.\s?(?=\d{3,4}\b)", "circa "),
    (
        r"\b(?P<word>[Bb]ldg|[Aa]pt|[Ss]te|[Rr]m|[Ff]ig|[Ss]ec|[Tt]bl|[Vv]ol)\.\s(?=[B-HJ-Z](?!\w|\.\s\w))",
        lambda m: BEFORE_NUMBER[m["word"].lower()] + " ",
    ),
    (r"(?<!\d)(?<!\d )\b(?P<word>[Mm]in|[Mm]ax)\.(?=\s[a-z\d])", lambda m: m["word"] + "imum"),
    (rf"(?i)(?<![\w.]){one_of(CLIPPED)}(?!\w)\.?", _clipped),
    (r"(?<!\d)(?<!\d )\b[Hh]rs(?=:)", "hours"),
    (r"\b[Nn]o\.(?=\sof\b)", "number"),
    (r"\b[Dd]ist\.(?=:|\s\d)", "distance"),
    (r"\b[Rr]ef\.(?=:|\s(?:no\b|number|\d|#))", "reference"),
    (r"\b(?P<word>[bd])\.\s(?=(?:1\d|20)\d\d\b)", lambda m: {"b": "born ", "d": "died "}[m["word"]]),
    (r"\bSec\.(?=\s(?:of|[Gg]en)\b)", "secretary"),
    (r"(?<=\d(?:st|nd|rd|th) )(?:Fl|fl)\.?(?!\w)", "floor"),
    (
        r"\b(?P<size>[Mm]ed|[Ll]g|[Ss]ml?)\.?(?=\s(?:heat|speed|flame|eggs?|onions?|bowl|pot|pan|pieces|potato(?:es)?"
        r"|carrots?|tomato(?:es)?|size|saucepan|skillet|cloves?|shrimp|bananas?|apples?|lemons?)\b)",
        lambda m: {"m": "medium", "l": "large", "s": "small"}[m["size"][0].lower()],
    ),
    (r"\b[Ee]st\.(?=\s(?:delivery|arrival|time|cost|value|price|date|budget)\b)", "estimated"),
    (r"\b[Ee]xp\.(?=\s\d)", "expires"),
    (r"\b[Ee]st\.(?=\s?[$£€~]|\s\d{1,3}(?:[,%\s]|$))", "estimated"),
    (r"\bincl\.(?=\s*(?:[);]|$))", "included"),
    (r"\b(?P<word>[Nn]o|[Hh]rs|[Ll]ong)\.(?=:|(?<=[Nn]o\.)\s[A-Z]{1,4}-?\d|(?<=ong\.)\s\d+(?:\.\d+)?°)", _label),
    (r"(?<=[a-z]\s)4(?=\s(?:the|u|you|me|him|her|us|them|my|ur|your|sure|real|ever|lunch|dinner|game)\b)", "for"),
    (r"\beg\b(?=[,:]?\s)", "for example"),
    (r"\bie\b(?=[,:]?\s)", "that is"),
    (r"(?<=[\w.] )vs?\b\.?(?= [A-Z])|\bvs\b\.?", "versus"),
    (
        rf"(?i)(?<![\w.])(?P<word>{one_of(INNER)})\.",
        _inside,
    ),
    (rf"(?i)(?<![\w.])(?P<word>{one_of(FINAL)})\.(?![A-Za-z])", _final),
    (rf"\b(?P<word>{one_of(CALENDAR)})\.", lambda m: CALENDAR[m["word"]] + final_stop(m)),
)
