"""Titles and ranks before names: 'Dr. Lee', 'SSgt. Brown', 'Sr. Mary' (sister), 'Sr. Garcia' (señor)."""

import re

from synthesizer.text.matching import compile_rules, final_stop, one_of, word_set, word_table

# Before a name; never at the end of a sentence.
TITLES = word_table("""
    mr mister, mrs missus, ms miz, messrs messers, mme madame, mlle mademoiselle, dr doctor, prof professor,
    rev reverend, hon honorable, gen general, col colonel, capt captain, cmdr commander, lt lieutenant, sgt sergeant,
    maj major, gov governor, sen senator, rep representative, pres president, fr father, mt mount, ft fort, pt point
""")
# Before a name, with a capital or a full stop
RANKS = word_table("""
    cpl corporal, pvt private, pte private, pfc private first class, ssgt staff sergeant, msgt master sergeant,
    adm admiral, radm rear admiral, vadm vice admiral, brig brigadier, cdr commander, comdr commander,
    cmdt commandant, ens ensign, supt superintendent, insp inspector, det detective, amb ambassador, atty attorney,
    ald alderman, cllr councillor, br brother, msgr monsignor, bp bishop, abp archbishop, assoc associate,
    asst assistant, dep deputy, sfc sergeant first class, tsgt technical sergeant, gysgt gunnery sergeant,
    lcpl lance corporal, spc specialist, ofc officer
""")
# Before a name, with a capital and a full stop: "Sec. Clinton", but not "in 5 sec. Then"
CAPITALIZED = word_table("""
    Sec secretary, Card cardinal, Rt right, Treas treasurer, Sens senators, Reps representatives, Profs professors,
    Drs doctors, Revs reverends, Mmes mesdames, Mx mix, Sra señora, Srta señorita, Ste saint, Ss saints, Flt flight,
    Sqn squadron, Ldr leader, Wg wing, Fmr former, Chf chief
""")
_JOINED_RANKS = word_table("""
    SSgt staff sergeant, MSgt master sergeant, TSgt technical sergeant, GySgt gunnery sergeant, LCpl lance corporal,
    LtCol lieutenant colonel, LtGen lieutenant general, MajGen major general, BGen brigadier general,
    LtCmdr lieutenant commander
""")
_DOTTED_RANKS = {"S": "staff", "M": "master", "T": "technical"}
# First names of women, before which "Sr." means "sister"
_WOMEN = word_set("""
    Agatha Agnes Alice Alma Amelia Ana Angela Angelica Anita Ann Anna Anne Antonia Assumpta Barbara Beatrice Benedicta
    Bernadette Bernice Bridget Brigid Carmel Carmela Carmen Carol Caroline Catherine Cecilia Cecily Celine Charlotte
    Christina Christine Clara Clare Claire Colette Concepta Consuelo Cristina Deborah Denise Diane Dolores Dominica
    Dorothy Edith Eileen Elena Eleanor Elizabeth Ellen Emily Emma Esther Eucharia Eugenia Eva Evelyn Faith Faustina
    Felicity Florence Frances Gabriela Genevieve Georgia Geraldine Gertrude Gloria Grace Hannah Hedwig Helen Helena
    Hilda Hildegard Hope Ida Ignatia Imelda Ines Irene Isabel Jane Janet Jean Jeanne Joan Joanna Josepha Josephine
    Joyce Juana Judith Julia Juliana Julie Karen Katherine Kathleen Laura Linda Lisa Louise Lucia Lucy Luisa Madeleine
    Magdalena Margaret Margarita Maria Marie Marilyn Marta Martha Mary Maureen Mercedes Mercy Michelle Miriam Monica
    Nancy Nora Norma Nuala Olga Patricia Paula Pauline Perpetua Philomena Pilar Prudence Rachel Rebecca Regina Rita Rosa
    Rosario Rose Rosemary Ruth Sandra Sara Sarah Scholastica Simone Sofia Stella Susan Susanna Sylvia Teresa Teresita
    Theresa Therese Ursula Veronica Victoria Virginia Winifred
""")
# Jobs, before which "Sr." means "senior"
_JOBS = word_set("""
    Account Accountant Administrator Advisor Adviser Analyst Architect Art Assistant Associate Attorney Business Buyer
    Citizen Citizens Class Clerk Communications Consultant Coordinator Copywriter Counsel Data Design Designer Developer
    Director Editor Engineer Engineering Executive Fellow Finance Financial Graphic High HR IT Judge Lead Lecturer
    Librarian Loan Manager Marketing Mechanical Medical Member Network Nurse Officer Operations Partner Pastor PM Policy
    Producer Product Program Programmer Project QA Quality Recruiter Research Researcher Resident Sales Science
    Scientist Security Service Site Software Specialist Staff Strategist Supervisor System Systems Tax Technical
    Technician Technology Test UX Vice VP Web Writer Year
""")
_SPANISH_NAME = re.compile(r"[A-Z][a-zñ]*(?:ez|[oa]s?|iz|[dn]al|e[rl]o)$")


def _title(match: re.Match[str]) -> str:
    """The title in words; "MS in math" and "the rep said" have none."""
    title = match["title"]
    if len(title) > 1 and title.isupper() and match.string[match.end() : match.end() + 1].islower():
        return match.group()
    return TITLES[title.lower()] + " "


def _senior(match: re.Match[str]) -> str:
    """'Sr. Mary' -> 'sister Mary', 'Sr. Garcia' -> 'señor Garcia', 'Sr. Manager' -> 'senior Manager'."""
    name = match["name"]
    if name in _JOBS:
        return "senior "
    if name not in _WOMEN and _SPANISH_NAME.match(name):
        return "señor "
    return "sister "


_MIXED_CASE = one_of([*map(str.capitalize, RANKS), *map(str.upper, RANKS)])
_NOT_NAMES = one_of(_JOBS | word_set("The A And Our My Hi Dear Hello To From Fr With By"))
# In order: each rule sees the output of those above.
TITLE_RULES = compile_rules(
    # After a name, "Sr." and "Jr." belong to it.
    (
        rf"(?P<name>\b(?!(?:{_NOT_NAMES})\b)[A-Z][a-z]+(?:,\s(?=[SJ]r\b(?!\.?\s[A-Z]))|\s))(?P<word>[SJ]r)\b"
        r"(?P<stop>\.?)(?=\W*$|[\s,;:)'’])(?!\s(?:Manager|Developer|Engineer|Analyst|Director|VP)\b)",
        lambda m: m["name"] + {"Sr": "senior", "Jr": "junior"}[m["word"]] + (final_stop(m) if m["stop"] else ""),
    ),
    (r"(?<![\w.])Sr\b\.?\s+(?=(?P<name>[A-Z][A-Za-zñ]*))", _senior),
    (rf"(?<![\w.])Jr\b\.?\s+(?={one_of(_JOBS)}\b)", "junior "),
    (rf"\b(?P<rank>{one_of(_JOINED_RANKS)})\b\.?(?=\s['\"(]?[A-Z])", lambda m: _JOINED_RANKS[m["rank"]]),
    (r"\b(?P<kind>[SMT])\.\s?Sgt\.(?=\s[A-Z])", lambda m: f"{_DOTTED_RANKS[m['kind']]} sergeant"),
    (rf"\b(?P<word>{one_of(CAPITALIZED)})\.\s*(?=['\"(]?[A-Z][A-Za-z])", lambda m: CAPITALIZED[m["word"]] + " "),
    (r"\bRt\s(?=(?:Hon|Rev)\b)", "right "),
    (
        # The titles ft, pt and ms are units in "5 ft. of rope" and "5 ms later".
        r"(?i)(?:(?!(?:ft|pt|ms)\b)|(?<![\d-])(?<!\d )(?<!\bsq )(?<!\bsq\. )(?<!\bcu\. ))"
        # In lower case, "the rep said" and "fr fr" have no title.
        r"(?![Rr]ev\.\s[A-Z](?:$|[\s,;:)]))(?!(?-i:fr|hon|rep|gen|pt|ft|mt|rev|col|pres|maj|sen|gov)\s)"
        rf"\b(?P<title>{one_of(TITLES)})(?:\.\s*|\s+(?=[A-Z][A-Za-z]))(?=['\"(]?(?:[A-Za-z]|1st|2nd|3rd))",
        _title,
    ),
    (
        r"\b(?P<title>Mrs?|Ms|Dr|Prof)\b\.?(?=\s(?:&|and|or)\s(?:Mrs?|Ms|Dr|Prof|[a-z]+)\b)",
        lambda m: TITLES[m["title"].lower()],
    ),
    (
        rf"\b(?P<rank>{_MIXED_CASE})(?:\.\s*(?=['\"(]?(?:[A-Za-z]|1st|2nd|3rd))|\s+(?=[A-Z]))",
        lambda m: RANKS[m["rank"].lower()] + " ",
    ),
)
