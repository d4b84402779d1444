"""Mixed texts as users write them: hand-written lines of `mixed_lines.txt` and lines made from templates.

`python -m tests.synthesizer.text.mixed_texts` prints all of them; pipe them into `python -m synthesizer.text -` to see
how they are read.
"""

import random
import re
from collections.abc import Callable
from pathlib import Path

COUNT = 2000
_SECTION = re.compile(r"# (?:news|chat|technical|lists)")
_LINES = Path(__file__).with_name("mixed_lines.txt")


def _choices(values: str, separator: str | None = None) -> list[str]:
    return values.split(separator)


_NAMES = _choices("Anna Ben Carla David Elena Frank Grace Hugo Irene James Kate Luis Maria Noah Olga Peter Rosa Sam")
_SURNAMES = _choices("Smith Garcia Lee Novak Brown O'Neil Chen Patel Jones Fischer Moreau Silva Kim King Stone Baker")
_CITIES = _choices("Paris,Boston,New York,Oslo,St. Louis,San Diego,Kraków,Rome,Mumbai,Cape Town,Leeds,Berlin", ",")
_MONTHS = _choices("Jan. Feb. March April May June July Aug. Sept. Oct. Nov. Dec.")
_DAYS = _choices("Monday Tuesday Wed. Thursday Fri. Saturday Sunday")
_TITLES = _choices("Dr. Mr. Mrs. Ms. Prof. Sen. Gov. Capt. Sgt. Lt. Rev. Judge")
_THINGS = _choices("apples books tickets boxes chairs laptops bottles lamps shirts plants")
_COMPANIES = _choices("Acme Inc.,Globex Corp.,the BBC,IBM,Smith & Sons Ltd.,AT&T,Nordwind AG,WHO,Umbra LLC,NASA", ",")
_VERBS = _choices("said wrote announced confirmed denied reported")
_UNITS = _choices("km kg m cm lbs. miles ft. mph L GB kWh °C mm hours")
_CHAT = _choices("lol,omg,haha,btw,tbh,ok,hey,wow,ugh,hmm,yeah,sooo", ",")
_ENDS = _choices("!,!!!,?,...,., :), 😂, <3,", ",")
_FILES = _choices("report.pdf notes.txt data.csv setup.exe main.py index.html photo_2.jpg budget_v3.xlsx")
_PROGRAMS = _choices("Python 3.11,Firefox 115,Windows 11,Ubuntu 22.04,Node.js 18,iOS 17.2,Git 2.40,macOS 14", ",")
_INITIALISMS = _choices("API CPU GPU LED USB URL SQL PDF SSD RAM DNS VPN HTML JSON")
_HOMOGRAPHS = (
    "They refuse to sign the contract.", "The dove dove into the bushes.", "He could lead if he got the lead out.",
    "A tear fell when she saw the tear in her coat.", "The wind was too strong to wind the sail.",
    "We must polish the Polish furniture.", "I did not object to the object.", "The bass player caught a sea bass.",
    "Please close the door, you are too close to it.", "They record every record that she sings.",
    "He wound the bandage around the wound.", "The farm produces fresh produce.", "I live near a live music bar.",
    "Nobody imports more coffee than they do.", "She will present the present at noon.",
    "Wait a minute for the minute details.", "The rebels rebel against the tax.",
    "He wants to resume work on his résumé.",
    "The archer took a bow with his bow.", "Her lives depend on how she lives.",
)  # fmt: skip


def mixed_texts(count: int = COUNT, seed: int = 0) -> list[str]:
    """The hand-written lines, then lines made from the templates; the same ones for the same seed."""
    lines = [line for line in _LINES.read_text(encoding="utf-8").splitlines() if line and not _SECTION.fullmatch(line)]
    rng = random.Random(seed)
    distinct = dict.fromkeys(lines)
    while len(distinct) < count:
        distinct[_filled(rng.choice(_TEMPLATES), rng)] = None
    return list(distinct)[:count]


def _filled(template: str, rng: random.Random) -> str:
    """Replace each slot such as <name> or <1-12> by a random value."""

    def value(match: re.Match[str]) -> str:
        slot = match[1]
        if slot in _SLOTS:
            return _SLOTS[slot](rng)
        low, high = slot.split("-")
        return str(rng.randint(int(low), int(high)))

    return re.sub(r"<([a-z]+|\d+-\d+)>", value, template)


def _one_of(values: tuple[str, ...] | list[str]) -> Callable[[random.Random], str]:
    return lambda rng: rng.choice(values)


_SLOTS: dict[str, Callable[[random.Random], str]] = {
    "name": _one_of(_NAMES),
    "surname": _one_of(_SURNAMES),
    "city": _one_of(_CITIES),
    "month": _one_of(_MONTHS),
    "weekday": _one_of(_DAYS),
    "title": _one_of(_TITLES),
    "things": _one_of(_THINGS),
    "company": _one_of(_COMPANIES),
    "verb": _one_of(_VERBS),
    "unit": _one_of(_UNITS),
    "chat": _one_of(_CHAT),
    "end": _one_of(_ENDS),
    "file": _one_of(_FILES),
    "program": _one_of(_PROGRAMS),
    "initialism": _one_of(_INITIALISMS),
    "homograph": _one_of(_HOMOGRAPHS),
    "letter": _one_of(["A", "B", "C", "D", "E", "F"]),
    "grouped": lambda rng: f"{rng.randint(1, 999)} {rng.randint(0, 999):03}",
    "thousands": lambda rng: f"{rng.randint(1000, 9_999_999):,}",
    "decimal": lambda rng: f"{rng.randint(0, 99)}.{rng.randint(1, 99)}",
    "clock": lambda rng: f"{rng.randint(1, 12)}:{rng.randint(0, 59):02}",
    "half": _one_of(["a.m.", "p.m.", "am", "pm", "PM"]),
    "fraction": _one_of(["1/2", "3/4", "2/3", "1 1/2", "2½", "¼", "5/8"]),
    "phone": lambda rng: rng.choice(["555-{:04}", "(212) 555-{:04}", "+1 617-555-{:04}", "020 7946 {:04}"]).format(
        rng.randint(100, 999)
    ),
    "money": lambda rng: rng.choice(["${}", "£{}", "€{}", "${}.50", "${} million", "{} euros", "${}k"]).format(
        rng.randint(2, 900)
    ),
    "date": lambda rng: rng.choice(["{0}/{1}/{2}", "{2}-{0:02}-{1:02}", "{1}.{0}.{2}"]).format(
        rng.randint(1, 12), rng.randint(13, 28), rng.randint(1990, 2029)
    ),
}

_TEMPLATES = (
    # News
    "<city> -- <title> <surname> <verb> on <weekday> that <company> will cut <thousands> jobs.",
    "<company> <verb> a profit of <money> for Q<1-4>, up <1-40>.<1-9>% from a year earlier.",
    "About <thousands> people live in <city>, according to <title> <surname>.",
    "<title> <name> <surname>, <21-89>, was elected on <month> <1-28>, <1950-2024>.",
    "The meeting in <city> starts at <clock> <half> on <weekday>.",
    "Some <grouped> visitors came to <city> in <1995-2024>.",
    "In <1990-2024> <grouped> people left <city>.",
    "Prices rose by <1-9>.<1-9>% between <1950-1999> and <2000-2024>.",
    "The team from <city> won <3-9>-<0-2> on <weekday>, <month> <1-28>.",
    "The <1950-2024> edition was held in <city>, <2-900> <unit> from <city>.",
    "<surname>, who is <5-6>'<1-11>\" tall, ran <5-42> km in <1-4>h <10-59>m.",
    '"We are ready," <title> <surname> <verb>. "The work begins at <clock>."',
    "The fire on <1-99>th St. was put out by <clock> <half>, police <verb>.",
    "<company> bought <money> worth of shares from <company> on <date>.",
    "The <1-21>th annual fair drew <thousands> visitors and cost <money>.",
    # Chat
    "<chat>, <name> is running late, be there at <clock><end>",
    "<chat> did u see <name>'s pics from <city><end>",
    "call me at <phone> after <1-11><half><end>",
    "<name>: can u bring <2-12> <things> on <weekday><end>",
    "I paid <money> for <2-9> <things>, <chat><end>",
    "@<name> thx for the <things>, see u in <city><end>",
    "brb, back in <2-59> min<end>",
    "<chat> I'm like <2-9> blocks away, at <1-99> Main St.",
    "Happy birthday <name><end> You're <20-99> today<end>",
    "#Throwback to <city>, summer of '<70-99><end>",
    "Is it option <letter> or option <letter>? I'd go with <letter>.",
    # Technical
    "<program> needs <2-64> GB of RAM and a <2-9>.<1-9> GHz CPU.",
    "The <initialism> returned error <400-599> after <2-900> ms.",
    "Copy <file> to /home/<1-9>/data and run v<1-9>.<0-20>.<0-9> of the tool.",
    "Open <file> with <program>, then press Ctrl+<letter>.",
    "The sensor draws <2-900> mA at <3-24> V and weighs <2-900> g.",
    "Heat the sample to <20-900> °C for <2-59> min, then cool it to -<1-40> °C.",
    "The table has <thousands> rows, <2-90> columns and takes <decimal> MB.",
    "Set x = <1-99> and y = -<1-99>, so that x + y > <1-9>.",
    "The part is <decimal> mm wide, <1-9>/16\" thick and <2-12>' long.",
    "Visit https://www.example.com/<file>?id=<1-99> or mail info@example.org.",
    "The <initialism> and the <initialism> use <2-9> × <2-9> pins, ±<1-9>%.",
    "See Sec. <1-9>.<1-9>, Fig. <1-30> and pp. <10-50>-<60-99> of <surname> et al. (<1980-2024>).",
    "Max. speed: <20-300> km/h, approx. <2-9>.<1-9> m/s².",
    "The code in <file> (lines <1-40>-<41-99>) reads {name} and writes <initialism> data.",
    # Lists
    "<1-20>. <fraction> cup of milk, <2-9> eggs",
    "- <2-900> g of flour, <fraction> tsp. of salt",
    "<name> <surname>, tel. <phone>, born <date>",
    "<weekday>: <1-11>am-<1-11>pm, closed on <month> <1-28>",
    "Item #<1-99>: <2-99> <things> @ <money>",
    "<title> <surname>, Room <1-20><letter>, ext. <100-999>",
    "Chapter <2-30>: A Year in <city> (pp. <1-99>-<100-400>)",
    "Flight <letter><letter><100-999> to <city>, gate <letter><1-40>, <clock> <half>",
    "Vol. <1-20>, No. <1-12>, <month> <1950-2024>",
    "<letter>) <city> <letter>) <city>",
    "Total: <money> (<1-25>% off), due <1-12>/<17-19>",
    "<2-9> x <2-9> ft., <2-99> lbs., <2-9>.<1-9> in.",
    # Homographs
    "<homograph>",
    "<name> <verb>: \"<homograph>\"",
    "<homograph> So <title> <surname> <verb>.",
)  # fmt: skip

if __name__ == "__main__":
    print("\n".join(mixed_texts()))
