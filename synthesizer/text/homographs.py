"""Homograph disambiguation by the neighbouring words.

The rules look at most two words away. If none applies, the more frequent pronunciation is used. The stress of words
that are both noun and verb depends on the word before: "the record", "to record".
"""

from collections.abc import Callable

from synthesizer.text.homograph_context import (
    AFTER_NOUN,
    HAVE_OR_BE,
    NOUN_AFTER,
    OBJECTS,
    PRONOUNS,
    SUBJECTS,
    VERB_AFTER,
    Context,
    is_noun,
    is_third_person,
    is_verb,
)
from synthesizer.text.inflection import plural_phonemes
from synthesizer.text.matching import word_set
from synthesizer.text.noun_verb_homographs import NOUN_OR_VERB

Phonemes = tuple[str, ...]


def _phonemes(text: str) -> Phonemes:
    return tuple(text.split())


_ASKING = word_set("do does did don't didn't can could will would should may must let help when if once before unless")
_HABIT = word_set("usually often always sometimes rarely daily nowadays aloud")


def _read(c: Context) -> bool:  # present tense
    if c.before_that in _ASKING and c.before in PRONOUNS:
        return True  # "Did you read it?", "let me read"
    if c.before == "to" or c.after == "only":
        return True
    if c.before in ("i", "you", "we", "they", "people") and (c.near & _HABIT or "every" in (c.after, c.after_that)):
        return True
    past = c.before in HAVE_OR_BE or c.before_that in HAVE_OR_BE
    reads = c.before in VERB_AFTER - word_set("i you we they who never") or c.before in word_set(
        "a good long quick easy and/or must"
    )
    return not past and (
        reads or c.after == "aloud" or (c.first and c.after in OBJECTS | word_set("more on about carefully"))
    )


def _lead(c: Context) -> bool:  # the metal
    things = word_set("""pipe pipes paint paints poisoning pencil pencils shot bullet bullets weight weights oxide acid
        glass crystal sheet sheets roof roofs mine mines ore levels exposure contamination battery batteries balloon
        free dust solder acetate apron vest""")
    metals = word_set("metal metals toxic poisonous zinc copper tin cadmium mercury soldered blood")
    return (
        c.after in things
        or (bool(c.near & metals) and c.before not in VERB_AFTER | PRONOUNS)
        or c.before in word_set("molten liquid metallic white red pencil")
        or (c.before in word_set("of with contains contain containing like as") and not c.after)
    )


def _live(c: Context) -> bool:  # the adjective
    if c.before in word_set("is are was were we're they're it's i'm you're") and c.after != "in":
        return True
    things = word_set("""fish ammo lobster lobsters bacteria demo demos data feed feeds chat session sessions webinar
        stage crowd scores score cam traffic view preview blog q game games match coding bird plants trap podcast call
        calls music show shows concert concerts broadcast broadcasts performance performances audience
        audiences tv television stream streams streaming ammunition wire wires animals birds bait recording recordings
        coverage band bands event events update updates chat action album theater theatre entertainment report version
        from""")
    shown = word_set("broadcast performed aired recorded go goes going went gone streamed shown streaming")
    verb = c.before in VERB_AFTER
    return (not verb and (c.after in things or c.before in word_set("a the this his our some"))) or c.before in shown


_MANY = word_set("""
    two three four five six seven eight nine ten dozen dozens hundred hundreds thousand thousands million millions all
    both these those some any more most several few other many countless
""")
_CLAUSE_AFTER_NOUN = word_set("were are was have had could can will would should may might must matter mattered depend")


def _lives(c: Context) -> bool:  # plural of life
    nouns = word_set("""their our your my his her human the of whose save saves saved saving people's past private own
        lost no risk risked risking cost costs costing claim claimed claims take taking took ruin ruined change changed
        changing touch touched improve improving destroyed spend spent double black innocent young daily everyday new
        better busy""")
    return c.before in nouns | _MANY or c.after in _CLAUSE_AFTER_NOUN


def _close(c: Context) -> bool:  # the verb
    near = c.after in word_set("to by enough together at") or c.before in word_set(
        "so too very how as quite pretty was were is are"
    )
    verb = c.before in VERB_AFTER or (c.first and c.after in OBJECTS)
    return (
        (verb and not (near and c.before not in VERB_AFTER))
        or (c.before == "the" and c.after == "of")
        or (c.before == "and" and c.after in OBJECTS)
    )


def _wind(c: Context) -> bool:  # the verb
    ways = word_set("up down through around back along its their")
    return (c.before in VERB_AFTER and c.before not in word_set("who never i")) or (
        c.first and c.after in OBJECTS | ways
    )


def _winds(c: Context) -> bool:
    return c.after in word_set("through around up along its down between past") and c.before not in word_set(
        "strong the high"
    )


_EYES = word_set("""
    eye eyes cheek cheeks cry cries cried crying shed sheds shedding wipe wiped wiping weep wept weeping sad sadness
    sorrow joy salty
""")


def _tear(c: Context) -> bool:  # of the eye
    if is_verb(c):
        return False
    return (
        c.after in word_set("gas jerker jerkers drop drops duct ducts stained fell rolled ran")
        or c.before in word_set("single every bitter")
        or bool(c.near & _EYES)
    )


def _tears(c: Context) -> bool:  # of the eye
    if c.before in SUBJECTS:
        return False
    apart = not c.near & _EYES and c.after in word_set("up apart down off open away the his her it them easily")
    return not apart or c.before in word_set("in into of with to her his my their our your the")


def _bow(c: Context) -> bool:  # the weapon, for a violin, or a knot
    things = word_set("""arrow arrows archer archers archery quiver ribbon ribbons tie ties tied tying knot knots gift
        gifts hair violin fiddle cello viola string hunter silk satin pink cross shoelaces red blue white
        black big box wrapped shoot shot shooting hunting decorated""")
    return bool(c.near & things) and not c.near & word_set("ship ship's boat deck stern vessel sailor")


def _bows(c: Context) -> bool:  # bends
    return c.before in SUBJECTS or c.after in word_set("to down before") or bool(c.near & word_set("ship ships takes"))


def _sow(c: Context) -> bool:  # the verb
    is_noun = c.before in NOUN_AFTER or (c.before_that in ("a", "an") and c.before not in VERB_AFTER)
    return not is_noun or c.after in OBJECTS


def _used(c: Context) -> bool:  # "used to"
    if c.after != "to":
        return False
    is_passive = c.before in HAVE_OR_BE - word_set("i've you've we've they've")
    return not is_passive or c.after_that in OBJECTS or c.after_that.endswith("ing")


def _axes(c: Context) -> bool:  # plural of axis
    return bool(c.near & word_set("x y z axis coordinate coordinates vertical horizontal rotation graph plot"))


def _invalid(c: Context) -> bool:  # the noun
    return c.before in word_set("an the elderly helpless") and c.after in word_set("who was is in for and had") | {""}


def _moped(c: Context) -> bool:  # the vehicle
    return c.before in NOUN_AFTER | word_set("electric rented parked")


def _dove(c: Context) -> bool:  # past tense of dive
    if c.before in word_set("he she they we i it who"):
        return True
    return c.after in word_set("into in down under off for headfirst deep back through") and c.before not in NOUN_AFTER


def _bass(c: Context) -> bool:  # the fish
    return bool(
        c.near
        & word_set("fishing fish boat boats sea largemouth smallmouth striped caught catch lake river angler trout")
    )


def _minute(c: Context) -> bool:  # tiny
    tiny = word_set(
        "detail details amount amounts quantity quantities difference differences particles traces dose doses"
    )
    predicate = c.before in word_set("is are was were so very almost") and not c.after
    return c.after in tiny or predicate


def _wound(c: Context) -> bool:  # past tense of wind
    ways = word_set("up down around through its his along round back tightly past")
    winding = c.before in PRONOUNS and c.after in OBJECTS
    return winding or (c.after in ways and c.before not in NOUN_AFTER)


def _resume(c: Context) -> bool:  # a curriculum vitae
    return c.before in word_set("my your his her a the their our")


def _use(c: Context) -> bool:  # the verb
    noun = c.before in NOUN_AFTER | word_set(
        "much little common public make making made makes drug land water daily no"
    )
    return not noun and c.after != "of" and (c.first or bool(c.after) or is_verb(c))


def _uses(c: Context) -> bool:  # the verb
    subject = word_set("he she it who which that and also often always never one")
    return c.before in subject or c.after in OBJECTS or is_third_person(c)


def _house(c: Context) -> bool:  # the verb
    crowds = word_set(
        "up more over thousands hundreds people refugees students prisoners families troops workers animals"
    )
    verb = c.before in VERB_AFTER - word_set("who i")
    return (verb and c.after in OBJECTS | crowds) or (c.first and c.after in ("the", "them", "these"))


def _excuse(c: Context) -> bool:  # the verb
    return c.before in VERB_AFTER or (
        c.after in word_set("me us him my her your them the") and c.before not in NOUN_AFTER
    )


def _content(c: Context) -> bool:  # the adjective
    be = word_set("be was is were are am feel felt feels seem seems seemed i'm he's she's perfectly quite not more")
    return c.before in be or (c.after in word_set("to with") and c.before not in NOUN_AFTER)


def _polish(c: Context) -> bool:  # from Poland
    polish = word_set("""people language government border army president zloty town city jews food sausage vodka man
        woman citizen citizens parliament team history culture film""")
    command = OBJECTS | AFTER_NOUN | word_set("off up until your remover")
    return c.after in polish or (c.first and bool(c.after) and c.after not in command)


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
    "bows": (_bows, "B AW1 Z", "B OW1 Z"),
    "dove": (_dove, "D OW1 V", "D AH1 V"),
    "sow": (_sow, "S OW1", "S AW1"),
    "sows": (_sow, "S OW1 Z", "S AW1 Z"),
    "used": (_used, "Y UW1 S T", "Y UW1 Z D"),
    "axes": (_axes, "AE1 K S IY0 Z", "AE1 K S IH0 Z"),
    "invalid": (_invalid, "IH1 N V AH0 L AH0 D", "IH0 N V AE1 L AH0 D"),
    "moped": (_moped, "M OW1 P EH2 D", "M OW1 P T"),
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

# Plurals and third persons: "records"
_NO_OWN_PLURAL = ("ss", "ate", "ly", "perfect", "incense")  # "compress", "estimate", "ally"
_WITH_S = {word + "s": word for word in NOUN_OR_VERB if not word.endswith(_NO_OWN_PLURAL)}
HOMOGRAPHS = frozenset(_BY_RULE) | frozenset(NOUN_OR_VERB) | frozenset(_WITH_S)


def disambiguate(word: str, context: Context) -> Phonemes | None:
    """The phonemes of a homograph in its context; None for any other word."""
    if word in _BY_RULE:
        rule, if_true, otherwise = _BY_RULE[word]
        return _phonemes(if_true if rule(context) else otherwise)
    if word in _WITH_S:
        noun, verb, _ = NOUN_OR_VERB[_WITH_S[word]]
        objects_to = word == "objects" and context.after == "to"
        stem = verb if objects_to or is_third_person(context) else noun
        return stem + plural_phonemes(stem)
    if word not in NOUN_OR_VERB:
        return None
    noun, verb, default = NOUN_OR_VERB[word]
    if context.before in NOUN_AFTER:
        return noun
    if word == "object" and context.after == "to" and context.before:
        return verb  # "some residents object to it"
    command = word in _COMMANDS and context.first and context.after and context.after not in _NOT_OBJECTS
    if command or is_verb(context):
        return verb
    if is_noun(context):
        return noun
    return verb if default == "verb" else noun


# "Import numpy.", but not "import duties"
_COMMANDS = word_set("import export")
_NOT_OBJECTS = AFTER_NOUN | word_set("""
    duty duties tax taxes tariff tariffs controls licence license market markets sales prices price business ban bans
    quota quotas statement statements
""")
