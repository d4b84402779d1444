"""Words around a homograph: is it a verb or a noun there?"""

from typing import NamedTuple

from synthesizer.text.matching import word_set

SUBJECTS = word_set("he she it who which nobody everybody everyone someone never always often also usually")
# Words that precede a verb, and words that precede a noun or an adjective
VERB_AFTER = word_set("""
    to will would can could should shall must may might do does did don't didn't doesn't can't cannot couldn't won't
    wouldn't shouldn't let's i'll you'll he'll she'll we'll they'll it'll i'd you'd he'd she'd it'd who'd we'd they'd
    not never please i you we they who let helped help
""")
NOUN_AFTER = word_set("""
    a an the this that these those his her my our your their its no any some every each another one of in for with by on
    at from into under about as's new old good bad great first last next whose world own world's
    big small large little high low long short full main whole
    recent current annual total sharp huge public local global foreign fresh official personal
""")
_DETERMINERS = word_set("""
    the a an this that these those his her my our your their its no any some every each another either neither whose
""")
# After a noun: "fresh produce is good"
_FINITE = word_set("""
    is are was were has had have will would can could should may might must do does did isn't aren't wasn't weren't
    won't rose fell grew dropped jumped increased declined reached hit shows showed began ended
""")
OBJECTS = word_set("""
    the a an this that these those it them him me us my your his her our their its all every each another any some no
    nothing something anything everything everyone someone more less many several both one two three himself herself
    itself themselves
""")
HAVE_OR_BE = word_set(
    "have has had having i've you've we've they've he's she's was were is are be been being well already"
)
PRONOUNS = word_set("""
    i you he she it we they who which everyone everybody someone nobody anyone people men women children police
""")
_PEOPLE = word_set("""
    people men women children students workers kids parents teachers farmers scientists researchers artists users
    developers officials experts companies members fans players critics residents voters drivers nurses doctors
    countries citizens activists protesters employees engineers employers firms rebels farms
""")
_DEGREES = word_set("very so too quite more most rather always often also just only")
_PLURAL_SUBJECTS = word_set("these those several few many two three four five")
AFTER_NOUN = word_set("""
    of and or but for in on at from to by with than as that which who were are was is about between since
""")


class Context(NamedTuple):
    """The two words on either side of a word; empty beyond punctuation or the ends of the text."""

    before: str
    before_that: str
    after: str
    after_that: str
    first: bool  # the first word of its clause
    near: frozenset[str] = frozenset()  # the words of the clause up to eight words away


def is_verb(context: Context) -> bool:
    joined = context.before in ("and", "or", "then", "but", "always", "often", "also", "usually", "only", "just")
    if context.before in _PEOPLE:
        return bool(context.after) and context.after not in _FINITE | AFTER_NOUN
    return context.before in VERB_AFTER or ((context.first or joined) and context.after in OBJECTS)


def is_noun(context: Context) -> bool:
    """A determiner is before the word, or before an adjective or noun that is before it: "the main suspect"."""
    if context.before in NOUN_AFTER:
        return True
    phrase = context.before_that in _DETERMINERS and not context.before.endswith(("s", "ly"))
    if phrase and context.before not in VERB_AFTER | PRONOUNS | _DEGREES and context.after not in OBJECTS:
        return True
    return context.after in _FINITE and context.before not in VERB_AFTER


def is_third_person(context: Context) -> bool:
    """Whether a word in -s is a verb: "she records it", "no stage imports another", "the camera records video"."""
    before, after = context.before, context.after
    if before in SUBJECTS:
        return True
    if len(before) == 1 and len(context.before_that) == 1:  # "the U.S. exports", "the API uses"
        return bool(after) and after not in AFTER_NOUN | _FINITE
    if not before:
        return after in OBJECTS  # ", converts each row"
    if before in NOUN_AFTER or after in _FINITE or before in VERB_AFTER:
        return False
    if after in OBJECTS:
        return not before.endswith("s") or before.endswith("ss")
    if before in ("and", "or", "then", "but"):
        return after.endswith("s") and after not in AFTER_NOUN
    # A determiner and a singular noun are the subject of a verb, if an object or adverb follows.
    if not context.before_that and not before.endswith(("s", "ing")) and after not in AFTER_NOUN:
        return after.endswith("s") or context.after_that in ("to", "from", "through", "via")  # "Germany exports cars."
    singular = not before.endswith(("s", "ing", "ed", "al", "ic", "ive", "ous", "ary", "able"))
    subject = context.before_that in _DETERMINERS - _PLURAL_SUBJECTS and singular
    return subject and bool(after) and after not in AFTER_NOUN
