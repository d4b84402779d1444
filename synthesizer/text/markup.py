"""Markup, emoticons, operators and hashtags."""

import html
import re

from synthesizer.text.matching import apply_rules, compile_rules, word_table
from synthesizer.text.transliteration import Losses

_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#x[0-9a-fA-F]{1,6});")
_TAG = re.compile(
    r"</?(?:a|b|i|u|p|s|em|br|hr|h[1-6]|ul|ol|li|tr|td|th|img|div|sub|sup|span|code|pre|font|strong|table|html|body|head"
    r"|small|style|script|section|blockquote)\b[^<>\n]{0,200}>|<!--.{0,500}?-->",
    re.IGNORECASE,
)
_QUOTE_MARK = re.compile(r"^\s*>+(?=\s|$)", re.MULTILINE)  # quoted lines in an e-mail
_EMOTICON = re.compile(r"(?<!\S)(?:[:;=]['^]?-?[()DPpOo/|*\]3]+|[xX]D+)(?!\w)")
_COMPARISONS = word_table("""
    <= less than or equal to, >= greater than or equal to, != is not equal to, == equals, => to, -> to, --> to,
    && and, || or, < less than, > greater than
""")
_COMPARISON = re.compile(r"\s?(?:-->|->|=>|<=|>=|!=|==|&&|\|\|)\s?|(?<=\w) ?[<>] ?(?=[\d.$-])|(?<=\S) [<>] (?=\S)")
_MARKUP = re.compile(r"[<>](?!\s?[\d.$])")  # before a number it is a comparison


def remove_markup(text: str, losses: Losses) -> str:
    """Remove tags, quote marks at the start of lines and emoticons; write comparison operators as words."""
    text = _ENTITY.sub(lambda m: _entity(m.group()), text)
    for pattern in (_TAG, _QUOTE_MARK, _EMOTICON):
        text = pattern.sub(losses.drop, text)
    return _MARKUP.sub(losses.drop, _COMPARISON.sub(lambda m: f" {_COMPARISONS[m.group().strip()]} ", text))


def _entity(entity: str) -> str:
    character = html.unescape(entity)
    return character if character.isascii() and character.isprintable() else " "


def expand_symbols(text: str) -> str:
    """'#fun' -> 'hashtag fun', 'C#' -> 'C sharp', 'A-' -> 'A minus', '~5' -> 'about 5', '3*4' -> '3 times 4'."""
    return apply_rules(_SYMBOL_RULES, text)


def _joined_letters(match: re.Match[str]) -> str:
    return f"{match['first']} and {match['last']}" + ("'s" if match["plural"] else "")


_SYMBOL_RULES = compile_rules(
    (r"#(?=[A-Za-z])", "hashtag "),
    (r"\b(?P<note>[A-G])#(?!\w)", r"\g<note> sharp"),
    (r"\b([Aa]t)\s+@(?=\w)", r"\1 "),
    (r"\bCO ?2\b", "C O 2"),
    (r"\s?(?<![\w+])\+/?-(?=\s?[\d.$£€])|(?<!\S)\+/-(?!\S)", " plus or minus "),
    (r"\s?(?<![\w-])-/\+(?!\S*[A-Za-z])", " minus or plus "),
    (r"~\s?(?=\d)", "about "),
    (r"(?<=\d)\s?\*\s?(?=\d)", " times "),
    (r"\b(?P<grade>AB|[A-DFO])-(?=$|[,.;:)!?\s]\s?(?!-))(?! [a-z]+-)", r"\g<grade> minus"),
    (r"(?<=[A-Za-z])\$(?=[A-Za-z])", "s"),  # Ke$ha
    (r"\b(?P<first>[A-Z])&(?P<last>[A-Z])(?P<plural>s?)\b", _joined_letters),
    (r"(?<=[A-Za-z])!(?=[a-z]{2})", "i"),  # P!nk
)
