"""Homograph disambiguation by the neighbouring words.

The rules look at most two words away. If none applies, the more frequent pronunciation is used. The stress of words
that are both noun and verb depends on the word before: "the record", "to record".
"""

from collections.abc import Callable
from typing import NamedTuple

from synthesizer.text.matching import word_set

Phonemes = tuple[str, ...]


class Context(NamedTuple):
    """The two words on either side of a word; empty beyond punctuation or the ends of the text."""

    before: str
    before_that: str
    after: str
    after_that: str
    first: bool  # the first word of its clause


# Words that precede a verb, and words that precede a noun or an adjective
_VERB_AFTER = word_set("""
    to will would can could should shall must may might do does did don't didn't doesn't can't cannot couldn't won't
    wouldn't shouldn't let's i'll you'll he'll she'll we'll they'll it'll i'd you'd we'd they'd not never please i you
    we they who let helped help
""")
_NOUN_AFTER = word_set("""
    a an the this that these those his her my our your their its no any some every each another one of in for with by on
    at from into under about as's new old good bad great first last next whose world own world's
""")
_OBJECTS = word_set("the a an this that it them him me us my your his her our their its all every each")
_HAVE_OR_BE = word_set(
    "have has had having i've you've we've they've he's she's was were is are be been being well already"
)


def _phonemes(text: str) -> Phonemes:
    return tuple(text.split())


def _is_verb(context: Context) -> bool:
    return context.before in _VERB_AFTER or (context.first and context.after in _OBJECTS)


def _read(c: Context) -> bool:  # present tense
    past = c.before in _HAVE_OR_BE or c.before_that in _HAVE_OR_BE
    reads = c.before in _VERB_AFTER - word_set("i you we they who never") or c.before in word_set(
        "a good long quick easy and/or"
    )
    return not past and (
        reads or c.after == "aloud" or (c.first and c.after in _OBJECTS | word_set("more on about carefully"))
    )


def _lead(c: Context) -> bool:  # the metal
    things = word_set("""pipe pipes paint paints poisoning pencil pencils shot bullet bullets weight weights oxide acid
        glass crystal sheet sheets roof roofs mine mines ore levels exposure contamination battery batteries""")
    return (
        c.after in things
        or c.before in word_set("molten liquid metallic white red")
        or (c.before in word_set("of with contains contain containing like as") and not c.after)
    )


def _live(c: Context) -> bool:  # the adjective
    things = word_set("""music show shows concert concerts broadcast broadcasts performance performances audience
        audiences tv television stream streams streaming ammunition wire wires animals birds bait recording recordings
        coverage band bands event events update updates chat action album theater theatre entertainment report version
        from""")
    shown = word_set("broadcast performed aired recorded go goes going went gone streamed shown")
    verb = c.before in _VERB_AFTER
    return (not verb and (c.after in things or c.before in word_set("a the this his our some"))) or c.before in shown


def _lives(c: Context) -> bool:  # plural of life
    return c.before in word_set(
        "their our your many human the of whose nine save saved saving people's past private own lost"
    )


def _close(c: Context) -> bool:  # the verb
    near = c.after in word_set("to by enough together at") or c.before in word_set(
        "so too very how as quite pretty was were is are"
    )
    verb = c.before in _VERB_AFTER or (c.first and c.after in _OBJECTS)
    return (
        (verb and not (near and c.before not in _VERB_AFTER))
        or (c.before == "the" and c.after == "of")
        or (c.before == "and" and c.after in _OBJECTS)
    )


def _wind(c: Context) -> bool:  # the verb
    ways = word_set("up down through around back along its their")
    return (c.before in _VERB_AFTER and c.before not in word_set("who never i")) or (
        c.first and c.after in _OBJECTS | ways
    )


def _winds(c: Context) -> bool:
    return c.after in word_set("through around up along its down between past") and c.before not in word_set(
        "strong the high"
    )


def _tear(c: Context) -> bool:  # of the eye
    return c.after in word_set("gas drop drops duct ducts stained fell rolled ran") or c.before in word_set(
        "single every bitter"
    )


def _tears(c: Context) -> bool:  # of the eye
    apart = c.after in word_set("up apart down off open away the his her it them")
    return not apart or c.before in word_set("in into of with to her his my their our your the")


def _bow(c: Context) -> bool:  # the weapon, for a violin, or a knot
    return (
        (c.after == "and" and c.after_that.startswith("arrow"))
        or c.after in word_set("tie ties tied string hunter")
        or (c.before in word_set("ribbon cross red pink violin hair cello yellow"))
    )


def _dove(c: Context) -> bool:  # past tense of dive
    return c.after in word_set("into in down under off for headfirst deep back through") and c.before not in _NOUN_AFTER


def _bass(c: Context) -> bool:  # the fish
    return c.after in word_set("fishing fish boat boats") or c.before in word_set(
        "sea largemouth smallmouth striped caught catch"
    )


def _minute(c: Context) -> bool:  # tiny
    return c.after in word_set(
        "detail details amount amounts quantity quantities difference differences particles traces"
    )


def _wound(c: Context) -> bool:  # past tense of wind
    return (
        c.after in word_set("up down around through its his along round back tightly") and c.before not in _NOUN_AFTER
    )


def _resume(c: Context) -> bool:  # a curriculum vitae
    return c.before in word_set("my your his her a the their our")


def _use(c: Context) -> bool:  # the verb
    noun = c.before in _NOUN_AFTER | word_set(
        "much little common public make making made makes drug land water daily no"
    )
    return not noun and bool(c.after or _is_verb(c))


def _uses(c: Context) -> bool:  # the verb
    return c.before in word_set("he she it who which that and also often always never one") or c.after in _OBJECTS


def _house(c: Context) -> bool:  # the verb
    return c.before in _VERB_AFTER - word_set("who i") and c.after in _OBJECTS | word_set(
        "up more over thousands hundreds people"
    )


def _excuse(c: Context) -> bool:  # the verb
    return c.before in _VERB_AFTER or (
        c.after in word_set("me us him my her your them the") and c.before not in _NOUN_AFTER
    )


def _content(c: Context) -> bool:  # the adjective
    be = word_set("be was is were are am feel felt feels seem seems seemed i'm he's she's perfectly quite not more")
    return c.before in be or (c.after in word_set("to with") and c.before not in _NOUN_AFTER)


def _polish(c: Context) -> bool:  # from Poland
    return c.after in word_set("people language government border army president zloty town city jews")


# word: rule, pronunciation if it holds, pronunciation otherwise
_BY_RULE: dict[str, tuple[Callable[[Context], bool], str, str]] = {
    "read": (_read, "R IY1 D", "R EH1 D"),
    "lead": (_lead, "L EH1 D", "L IY1 D"),
    "live": (_live, "L AY1 V", "L IH1 V"),
    "lives": (_lives, "L AY1 V Z", "L IH1 V Z"),
    "close": (_close, "K L OW1 Z", "K L OW1 S"),
    "wind": (_wind, "W AY1 N D", "W IH1 N D"),
    "winds": (_winds, "W AY1 N D Z", "W IH1 N D Z"),
    "tear": (_tear, "T IH1 R", "T EH1 R"),
    "tears": (_tears, "T IH1 R Z", "T EH1 R Z"),
    "bow": (_bow, "B OW1", "B AW1"),
    "dove": (_dove, "D OW1 V", "D AH1 V"),
    "bass": (_bass, "B AE1 S", "B EY1 S"),
    "minute": (_minute, "M AY0 N UW1 T", "M IH1 N AH0 T"),
    "wound": (_wound, "W AW1 N D", "W UW1 N D"),
    "resume": (_resume, "R EH1 Z AH0 M EY2", "R IH0 Z UW1 M"),
    "use": (_use, "Y UW1 Z", "Y UW1 S"),
    "uses": (_uses, "Y UW1 Z IH0 Z", "Y UW1 S IH0 Z"),
    "house": (_house, "HH AW1 Z", "HH AW1 S"),
    "excuse": (_excuse, "IH0 K S K Y UW1 Z", "IH0 K S K Y UW1 S"),
    "content": (_content, "K AH0 N T EH1 N T", "K AA1 N T EH0 N T"),
    "polish": (_polish, "P OW1 L IH0 SH", "P AA1 L IH0 SH"),
}

# Words with different stress or final syllables as noun and as verb: noun, verb, and the default.
_TABLE = """
    record     R EH1 K ER0 D            | R IH0 K AO1 R D            | noun
    present    P R EH1 Z AH0 N T        | P R IY0 Z EH1 N T          | noun
    object     AA1 B JH EH0 K T         | AH0 B JH EH1 K T           | noun
    subject    S AH1 B JH IH0 K T       | S AH0 B JH EH1 K T         | noun
    project    P R AA1 JH EH0 K T       | P R AH0 JH EH1 K T         | noun
    permit     P ER1 M IH2 T            | P ER0 M IH1 T              | verb
    contract   K AA1 N T R AE2 K T      | K AH0 N T R AE1 K T        | noun
    conduct    K AA1 N D AH0 K T        | K AH0 N D AH1 K T          | noun
    conflict   K AA1 N F L IH0 K T      | K AH0 N F L IH1 K T        | noun
    contest    K AA1 N T EH0 S T        | K AH0 N T EH1 S T          | noun
    contrast   K AA1 N T R AE0 S T      | K AH0 N T R AE1 S T        | noun
    convert    K AA1 N V ER0 T          | K AH0 N V ER1 T            | verb
    convict    K AA1 N V IH0 K T        | K AH0 N V IH1 K T          | noun
    increase   IH1 N K R IY2 S          | IH2 N K R IY1 S            | verb
    decrease   D IY1 K R IY2 S          | D IH0 K R IY1 S            | verb
    import     IH1 M P AO2 R T          | IH2 M P AO1 R T            | noun
    extract    EH1 K S T R AE2 K T      | IH0 K S T R AE1 K T        | verb
    insert     IH1 N S ER2 T            | IH2 N S ER1 T              | verb
    insult     IH1 N S AH2 L T          | IH2 N S AH1 L T            | noun
    perfect    P ER1 F IH2 K T          | P ER0 F EH1 K T            | noun
    produce    P R OW1 D UW0 S          | P R AH0 D UW1 S            | verb
    progress   P R AA1 G R EH2 S        | P R AH0 G R EH1 S          | noun
    protest    P R OW1 T EH2 S T        | P R AH0 T EH1 S T          | noun
    rebel      R EH1 B AH0 L            | R IH0 B EH1 L              | noun
    refund     R IY1 F AH2 N D          | R IH0 F AH1 N D            | noun
    refuse     R EH1 F Y UW2 Z          | R AH0 F Y UW1 Z            | verb
    reject     R IY1 JH EH0 K T         | R IH0 JH EH1 K T           | verb
    survey     S ER1 V EY2              | S ER0 V EY1                | noun
    suspect    S AH1 S P EH2 K T        | S AH0 S P EH1 K T          | verb
    transfer   T R AE1 N S F ER0        | T R AE0 N S F ER1          | noun
    transport  T R AE1 N S P AO0 R T    | T R AE0 N S P AO1 R T      | noun
    discount   D IH1 S K AW0 N T        | D IH0 S K AW1 N T          | noun
    escort     EH1 S K AO0 R T          | EH0 S K AO1 R T            | noun
    digest     D AY1 JH EH0 S T         | D AY0 JH EH1 S T           | verb
    combine    K AA1 M B AY0 N          | K AH0 M B AY1 N            | verb
    compound   K AA1 M P AW0 N D        | K AH0 M P AW1 N D          | noun
    upset      AH1 P S EH2 T            | AH0 P S EH1 T              | verb
    update     AH1 P D EY2 T            | AH0 P D EY1 T              | noun
    upgrade    AH1 P G R EY1 D          | AH0 P G R EY1 D            | noun
    attribute  AE1 T R AH0 B Y UW2 T    | AH0 T R IH1 B Y UW2 T      | noun
    address    AE1 D R EH2 S            | AH0 D R EH1 S              | noun
    defect     D IY1 F EH0 K T          | D IH0 F EH1 K T            | noun
    abuse      AH0 B Y UW1 S            | AH0 B Y UW1 Z              | noun
    misuse     M IH0 S Y UW1 S          | M IH0 S Y UW1 Z            | noun
    desert     D EH1 Z ER0 T            | D IH0 Z ER1 T              | noun
    separate   S EH1 P ER0 IH0 T        | S EH1 P ER0 EY2 T          | noun
    estimate   EH1 S T AH0 M AH0 T      | EH1 S T AH0 M EY2 T        | noun
    graduate   G R AE1 JH AH0 W AH0 T   | G R AE1 JH AH0 W EY2 T     | noun
    deliberate D IH0 L IH1 B ER0 AH0 T  | D IH0 L IH1 B ER0 EY2 T    | noun
    duplicate  D UW1 P L AH0 K AH0 T    | D UW1 P L AH0 K EY2 T      | noun
    alternate  AO1 L T ER0 N AH0 T      | AO1 L T ER0 N EY2 T        | noun
    moderate   M AA1 D ER0 AH0 T        | M AA1 D ER0 EY2 T          | noun
    associate  AH0 S OW1 S IY0 AH0 T    | AH0 S OW1 S IY0 EY2 T      | noun
    advocate   AE1 D V AH0 K AH0 T      | AE1 D V AH0 K EY2 T        | noun
    coordinate K OW0 AO1 R D AH0 N AH0 T| K OW0 AO1 R D AH0 N EY2 T  | verb
    elaborate  IH0 L AE1 B R AH0 T      | IH0 L AE1 B ER0 EY2 T      | noun
"""
_NOUN_OR_VERB: dict[str, tuple[Phonemes, Phonemes, str]] = {}
for _line in _TABLE.strip().splitlines():
    _noun, _verb, _default = _line.split("|")
    _word, *_noun_phonemes = _noun.split()
    _NOUN_OR_VERB[_word] = (tuple(_noun_phonemes), _phonemes(_verb), _default.strip())

HOMOGRAPHS = frozenset(_BY_RULE) | frozenset(_NOUN_OR_VERB)


def disambiguate(word: str, context: Context) -> Phonemes | None:
    """The phonemes of a homograph in its context; None for any other word."""
    if word in _BY_RULE:
        rule, if_true, otherwise = _BY_RULE[word]
        return _phonemes(if_true if rule(context) else otherwise)
    if word not in _NOUN_OR_VERB:
        return None
    noun, verb, default = _NOUN_OR_VERB[word]
    if context.before in _NOUN_AFTER:
        return noun
    if _is_verb(context):
        return verb
    return verb if default == "verb" else noun
