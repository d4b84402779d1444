"""E-mail addresses, URLs, domains and file names in words."""

import re

from synthesizer.text.letters import LETTER_MARK
from synthesizer.text.matching import word_set

_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"
    r"(?:\?(?=\w+=)[^\s<>\"]*)?"
)
_LINK = re.compile(r"\b(?:(?:https?|ftp)://|www\.)[^\s<>\"{}]+|\b(?:mailto:)(?=\S)", re.IGNORECASE)
_TLDS = word_set("com org net edu gov mil io ai dev app info biz eu uk de fr ca au jp tv")
_DOMAIN = re.compile(
    rf"(?<![\w.@-])(?:[A-Za-z0-9-]{{1,63}}\.){{1,6}}(?:{'|'.join(sorted(_TLDS, reverse=True))})\b"
    r"(?::\d{2,5}\b)?(?:(?:/|[?#](?=\w))[^\s<>\"{}]*)?"
)
_SIGNS = {
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
_PRONOUNCED_TLDS = word_set("com org net info biz gov mil app dev")
_EXTENSIONS = word_set("""
    js ts py txt doc docx xls xlsx ppt pptx pdf html htm css wav mp3 mp4 ogg flac jpg jpeg png gif svg exe zip tar
    gz csv md json xml yaml yml ini cfg log java cpp sh bat dll iso psd tex bak
""")
# A page or a path with a query: "page.php?id=7", "/search?q=cats"
_PAGE = re.compile(r"(?<![\w.@/-])(?:[\w./-]{1,80})?\?(?=[\w.%+-]{1,40}=)[^\s<>\"{}]*")
_FILE = re.compile(rf"(?<=[A-Za-z0-9_)])\.(?P<extension>{'|'.join(sorted(_EXTENSIONS, reverse=True))})\b(?!\s*\.\w)")
_LEADING_DOT = re.compile(r"(?:(?<=\s)|(?<=[(\[/\"'])|^)\.(?=[A-Za-z]{2,})")


def expand_links(text: str) -> str:
    """'www.example.com/a' -> 'w w w dot example dot com slash a', 'me@example.org' -> 'me at example dot org'."""
    text = _EMAIL.sub(lambda m: _spoken(m.group()), text)
    text = _LINK.sub(lambda m: _spoken(m.group()), text)
    text = _DOMAIN.sub(lambda m: _spoken(m.group()), text)
    text = _PAGE.sub(lambda m: _spoken(m.group()), text)
    text = _FILE.sub(lambda m: f" dot {_spelled(m['extension'])}", text)
    return _LEADING_DOT.sub("dot ", text)


def _spelled(extension: str) -> str:
    """A file extension as a word if it has a vowel ('wav', 'zip'), else letter by letter ('p d f')."""
    return re.sub(r"^[^aeiou]+$", lambda m: " ".join(m.group()), extension)


def _spoken(link: str) -> str:
    core = link.rstrip(".,;:!?)'\"")
    tail = link[len(core) :]
    core = re.sub(r"^(?:(?:https?|ftp)://|mailto:)", "", core, flags=re.IGNORECASE).rstrip("/")
    host = re.split(r"[/?#]", core, maxsplit=1)[0]
    last = host.rpartition(".")[2]
    if "." in host and last.isalpha() and last.lower() not in _PRONOUNCED_TLDS and len(last) <= 3:
        core = host[: -len(last)] + " ".join(last) + core[len(host) :]
    core = re.sub(r"(?i)^www(?=\.)", "w w w", core)
    spoken = re.sub(r"[^\w\s]|_", lambda m: f" {_SIGNS.get(m.group(), m.group())} ", core)
    spoken = re.sub(r" {2,}", " ", spoken).strip().lower()
    return re.sub(r"\ba\b", LETTER_MARK, spoken) + tail
