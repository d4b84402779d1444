"""Markup, emoticons, operators and hashtags."""

import html
import re

from synthesizer.text.matching import apply_rules, compile_rules, word_set, word_table
from synthesizer.text.transliteration import Losses

_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#x[0-9a-fA-F]{1,6});")
_TAG = re.compile(
    r"</?(?:a|b|i|u|p|s|em|br|hr|h[1-6]|ul|ol|li|tr|td|th|img|div|sub|sup|span|code|pre|font|strong|table|html|body|head"
    r"|small|style|script|section|blockquote)(?:\s[^<>&|\n]{0,200})?/?>|<!--.{0,500}?-->|<[?!][A-Za-z][^<>\n]{0,200}>"
    r"|<!\[CDATA\[|\]\]>",
    re.IGNORECASE,
)
# Tags of any name (SSML, XML): closing, empty or with attributes
_NAME = r"[A-Za-z][\w:.-]{0,40}"
_ATTRIBUTE = r"""\s+[\w:.-]+\s*=\s*(?:"[^"<>]{0,200}"|'[^'<>]{0,200}')"""
_ANY_TAG = re.compile(rf"</{_NAME}\s*>|<{_NAME}(?:{_ATTRIBUTE})*\s*/>|<{_NAME}(?:{_ATTRIBUTE})+\s*>")
_OPENING_TAG = re.compile(rf"<(?P<name>{_NAME})>")
_SSML = word_set("speak break emphasis prosody voice audio mark phoneme w lang lexicon desc par seq media")
_MARKDOWN_LINK = re.compile(r"!?\[(?P<text>[^\[\]\n]{1,200})\]\([^()\s]{1,500}\)")
_HEADING = re.compile(r"^\s*#{1,6}\s+(?=[A-Za-z])|(?<=\w)[ \t]+#{1,6}[.\s]*$", re.MULTILINE)
_HIGHLIGHT = re.compile(r"==(?=\w)(?P<text>[^=\n]{1,200})==")
_BULLETIN_TAG = re.compile(
    r"\[(?P<name>b|i|u|s|url|img|quote|code|size|color)(?:=[^\[\]\n]{0,200})?\]"
    r"(?P<text>[^\[\]\n]{0,500})\[/(?P=name)\]"
)
_SHORTCODE = re.compile(r"(?<![\w:]):[a-z][a-z0-9_+-]{2,30}:(?![\w:])")  # :smile:
_QUOTE_MARK = re.compile(r"^\s*>+(?=\s|$)", re.MULTILINE)  # quoted lines in an e-mail
_EMOTICON = re.compile(
    r"(?<!\S)(?:>?[:;=]['^]?-?(?P<mouth>[()DPpOo/|*\[\]\\3]+)|[8B]-[)D]+|[xX]D+|\([:;=](?=\s|$)|[\^>][_.-]?[\^<]|-[_.]-"
    r"|[TQ]_[TQ]|[oOu0]_[oOu0]|;_;|\\o/|</3+)(?!\w)|(?<=[a-z!?.])[:;]-?(?P<glued>[)D(]+)(?=\s|$)"
)
_SHRUG = re.compile(r"¯\\_\([^()\n]{1,4}\)_/¯")
# Faces in brackets without ASCII letters and digits: (╯°□°)╯︵ ┻━┻
_FACE = re.compile(
    r"[^\s\w.,;:!?\"'$€£#&+(-]?\((?=[^()\n]{0,8}[°□ಠ◕•ω・´`｀∀▽益_^;><ᴥ͡ʖ])[^()A-Za-z0-9\n]{2,10}\)[^\s\w.,;:!?\"'-]?"
    r"(?:[︵\s]*[┻━┳]+)?"
)
_LOVE = re.compile(r"\b(?P<who>I|i|We|we|You|you|They|they)\s<3+\s(?=[A-Za-z])")
_HEART = re.compile(r"(?P<before>(?:^|[^\s<]{1,40})\s{0,3})(?<![\w<])(?:<3+\s*)+(?=$|[.!?,;)]|(?<=\s)[A-Z])")
_LEADING_HEART = re.compile(r"(?m)^\s*<3+(?=\s+[A-Za-z])")
_COMPARED = re.compile(r"[^\WIiu]|[~<>=]*[\d.,]+[a-z%]?")
_BEFORE_COMPARISON = word_set("and or is are was were be been to of at with when if than but not only by for in ~")
_COMPARISONS = word_table("""
    <= less than or equal to, >= greater than or equal to, != is not equal to, == equals, => to, -> to, --> to,
    && and, || or, < less than, > greater than
""")
_COMPARISON = re.compile(r"\s?(?:-->|->|=>|<=|>=|!=|==|&&|\|\|)\s?|(?<=\w) ?[<>] ?(?=[\d$-]|\.\d)|(?<=\S) [<>] (?=\S)")
_MARKUP = re.compile(r"[<>](?!\s?(?:[\d$]|\.\d))")  # before a number it is a comparison


def remove_kaomoji(text: str, losses: Losses) -> str:
    """Remove emoticons made of other scripts, before they are transliterated."""
    return _FACE.sub(losses.drop, _SHRUG.sub(losses.drop, text))


def remove_markup(text: str, losses: Losses) -> str:
    """Remove tags, Markdown, quote marks at the start of lines and emoticons; write comparison operators as words."""
    text = _ENTITY.sub(lambda m: _entity(m.group()), text)
    text = _LOVE.sub(r"\g<who> love ", text)
    text = _LEADING_HEART.sub(losses.drop, text)
    text = _HEART.sub(lambda m: _heart(m, losses), text)
    closed = set(re.findall(rf"</({_NAME})\s*>", text))
    text = _OPENING_TAG.sub(lambda m: losses.drop(m) if m["name"] in _SSML | closed else m.group(), text)
    for pattern in (_TAG, _ANY_TAG, _HEADING, _QUOTE_MARK, _SHORTCODE):
        text = pattern.sub(losses.drop, text)
    text = _BULLETIN_TAG.sub(r"\g<text>", _HIGHLIGHT.sub(r"\g<text>", text))
    text = _EMOTICON.sub(lambda m: _emoticon(m, losses), text)
    text = _COMPARISON.sub(lambda m: f" {_COMPARISONS[m.group().strip()]} ", text)
    return _MARKUP.sub(losses.drop, text)


def remove_link_targets(text: str, losses: Losses) -> str:
    """'[text](address)' -> 'text'. It must run before addresses are read."""
    return _MARKDOWN_LINK.sub(lambda m: losses.drop(m).strip() + m["text"], text)


def _heart(match: re.Match[str], losses: Losses) -> str:
    """Remove "<3" at the end of a phrase, unless the word before makes it a comparison: "x <3", "about 5 and <3"."""
    word = match["before"].strip()
    if word.lower() in _BEFORE_COMPARISON or _COMPARED.fullmatch(word):
        return match.group()
    losses.dropped.append("<3")
    return match["before"]


def _emoticon(match: re.Match[str], losses: Losses) -> str:
    """Remove an emoticon, except for the bracket of ":)" that closes an open one."""
    before = match.string[max(0, match.start() - 200) : match.start()]
    is_open = len(re.findall(r"(?<![:;='-])\(", before)) > len(re.findall(r"(?<![:;=-])\)", before))
    if is_open and (match["mouth"] or match["glued"] or "").startswith(")"):
        return ")" if match["mouth"] else match.group()
    return losses.drop(match)


def _entity(entity: str) -> str:
    character = html.unescape(entity)
    return character if character.isascii() and character.isprintable() else " "


def expand_symbols(text: str) -> str:
    """'#fun' -> 'hashtag fun', 'C#' -> 'C sharp', 'A-' -> 'A minus', '~5' -> 'about 5', '3*4' -> '3 times 4'."""
    return apply_rules(_SYMBOL_RULES, text)


def _hashtag(tag: str) -> str:
    """'NYCMarathon' -> 'NYC Marathon', '3DPrinting' -> '3D Printing', '2020vision' -> '2020 vision'."""
    if re.fullmatch(r"[A-Z]o[A-Z]s?|i[A-Z]\w+|[A-Fa-f\d]{6}", tag):
        return tag
    tag = re.sub(r"(?<=[a-z])(?=[A-Z\d])|(?<=[A-Z])(?=[A-Z][a-z]{2})|(?<=\d)(?=[A-Z][a-z])", " ", tag)
    return re.sub(r"(?<=\d)(?!(?:st|nd|rd|th)\b)(?=[a-z]{3})", " ", tag)


def _joined_letters(match: re.Match[str]) -> str:
    return f"{match['first']} and {match['last']}" + ("'s" if match["plural"] else "")


_SYMBOL_RULES = compile_rules(
    (r"#(?P<tag>(?=[A-Za-z]|\d+(?!(?:st|nd|rd|th)\b)[A-Za-z]{2})\w+)", lambda m: "hashtag " + _hashtag(m["tag"])),
    (r"\b(?P<note>[A-G])#(?!\w)", r"\g<note> sharp"),
    (r"\b([Aa]t)\s+@(?=\w)", r"\1 "),
    (r"\bCO ?2\b", "C O 2"),
    (
        r"\s?\+/-(?=\s?[\d.$£€])|\s?(?<![\w+])\+-(?=[\d.$£€])|(?<!\S)\+(?:/|\s?or\s?)-(?=\s)|\bplus/minus\b",
        " plus or minus ",
    ),
    (r"\s?(?<![\w-])-/\+(?!\S*[A-Za-z])", " minus or plus "),
    (r"(?<![~\w])~\s?(?=[$£€]?\d)", "about "),
    (r"(?<=[\w)])\*\*(?=\d)", "^"),
    (r"\bCtrl\b", "control"),
    (r"(?<=[\d)])\s?\*\s?(?=\d)|(?<=\b[a-z])\*(?=\d)", " times "),
    (r"(?<!\S)\./(?=\w)", "dot slash "),
    (r"\bf/(?=\d)", "f "),
    (r"\bmc(?=\^?2)", "m c"),
    (r"\b(?P<grade>AB|[A-DFO])-(?=$|[,.;:)!?\s]\s?(?!-))(?! [a-z]+-)", r"\g<grade> minus"),
    (r"(?<=[ (\[]n)-(?=\d\b)|(?<=[ (\[][ijkxyN])-(?=\d\b)", " minus "),
    (r"\$(?=[A-Z_]{2,}\b)", "dollar "),  # $PATH
    (r"(?<=\)) \* (?=[\w(])|(?<=\b\w) \* (?=\w\b)", " times "),
    (r"(?<=[A-Za-z])\$(?=[A-Za-z])", "s"),  # Ke$ha
    (r"\b(?P<first>[A-Z])&(?P<last>[A-Z])(?P<plural>s?)\b", _joined_letters),
    (r"(?<=[A-Za-z])!(?=[a-z]{2})", "i"),  # P!nk
)
