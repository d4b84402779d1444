"""Money: amounts with currency signs and codes, ranges, and amounts that modify a noun."""

import re

from synthesizer.text.matching import one_of
from synthesizer.text.numbers import NUMBER, counted, decimal
from synthesizer.text.transliteration import CURRENCY_SIGNS

_CURRENCIES: dict[str, tuple[str, str, str, str]] = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "US$": ("U S dollar", "U S dollars", "cent", "cents"),
    "C$": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "A$": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "HK$": ("Hong Kong dollar", "Hong Kong dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "jeon", "jeon"),
    "₽": ("ruble", "rubles", "kopek", "kopeks"),
    "₺": ("lira", "lira", "kurus", "kurus"),
    "₪": ("shekel", "shekels", "agora", "agorot"),
    "₫": ("dong", "dong", "hao", "hao"),
    "₦": ("naira", "naira", "kobo", "kobo"),
    "₴": ("hryvnia", "hryvnias", "kopek", "kopeks"),
    "₱": ("peso", "pesos", "centavo", "centavos"),
    "₸": ("tenge", "tenge", "tiyn", "tiyn"),
    "₵": ("cedi", "cedis", "pesewa", "pesewas"),
    "₿": ("bitcoin", "bitcoins", "", ""),
    "¢": ("cent", "cents", "", ""),
    "USD": ("U S dollar", "U S dollars", "cent", "cents"),
    "CAD": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "AUD": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "EUR": ("euro", "euros", "cent", "cents"),
    "GBP": ("pound", "pounds", "penny", "pence"),
    "JPY": ("yen", "yen", "sen", "sen"),
    "CHF": ("Swiss franc", "Swiss francs", "centime", "centimes"),
    "INR": ("rupee", "rupees", "paisa", "paise"),
    "CNY": ("yuan", "yuan", "fen", "fen"),
    "SEK": ("Swedish krona", "Swedish kronor", "ore", "ore"),
    "NOK": ("Norwegian krone", "Norwegian kroner", "ore", "ore"),
    "DKK": ("Danish krone", "Danish kroner", "ore", "ore"),
    "NZ$": ("New Zealand dollar", "New Zealand dollars", "cent", "cents"),
    "S$": ("Singapore dollar", "Singapore dollars", "cent", "cents"),
    "R$": ("real", "reais", "centavo", "centavos"),
    "NZD": ("New Zealand dollar", "New Zealand dollars", "cent", "cents"),
    "SGD": ("Singapore dollar", "Singapore dollars", "cent", "cents"),
    "HKD": ("Hong Kong dollar", "Hong Kong dollars", "cent", "cents"),
    "BRL": ("Brazilian real", "Brazilian reais", "centavo", "centavos"),
    "MXN": ("Mexican peso", "Mexican pesos", "centavo", "centavos"),
    "ZAR": ("rand", "rand", "cent", "cents"),
    "KRW": ("won", "won", "jeon", "jeon"),
    "RUB": ("ruble", "rubles", "kopek", "kopeks"),
    "PLN": ("zloty", "zloty", "grosz", "groszy"),
    "CZK": ("Czech koruna", "Czech koruna", "", ""),
    "HUF": ("forint", "forints", "", ""),
    "BTC": ("bitcoin", "bitcoins", "", ""),
}
# Only after an amount.
_AFTER_ONLY = {"kr": ("krona", "kronor", "ore", "ore"), "zl": ("zloty", "zloty", "grosz", "groszy")}
_MAGNITUDES = {"k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion", "tn": "trillion"}

_SIGN = one_of(_CURRENCIES)
_CURRENCIES |= _AFTER_ONLY
# "5,50" with a currency has a decimal comma: a thousands separator would have three digits after it.
_AMOUNT = r"(?:\d{1,3}(?:\.\d{3})+,\d\d(?!\d)|\d+,\d\d(?!,?\d)|" + NUMBER + ")"
_MAGNITUDE = r"(?:[\s-]?(?P<magnitude>thousand|million|billion|trillion|[kKmMbB]n?|tn)\b)?"
# Nouns that an amount modifies, which makes the currency singular: "a $5 bill", "the $20-a-day plan".
_QUALIFIED = (
    r"(?P<qualified>-(?:dollar|pound|euro)(?=[-\s])|-(?:an?-)?(?=[a-z])"
    r"|(?=\s(?:bills?|notes?|coins?|tickets?|fine|fee|bonus|prize|stamps?|question|budget|deal|loan|voucher)\b))?"
)
_ARTICLE = re.compile(
    r"\b(?:an?|another|every|each|this|that|the|his|her|my|our|your|their|its)\s(?:[a-z]+ly\s)?$", re.IGNORECASE
)
_NOUN = re.compile(
    r"\s(?!(?:and|or|but|to|for|in|on|at|of|is|was|were|are|it|he|she|we|they|i|you|that|which|from|by|with|per|an?|the"
    r"|more|less|each|every|when|if|as|than|will|would|can|could|has|had|have|into|apiece|extra|not|so|then)\b)[a-z]{3,}"
)

_BEFORE = re.compile(
    rf"(?P<minus>(?<![\w)])-)?(?<![A-Za-z])(?P<sign>{_SIGN})\s?(?P<amount>{_AMOUNT}){_MAGNITUDE}{_QUALIFIED}"
)
_AFTER = re.compile(
    rf"(?P<minus>(?<![\w)])-)?(?<![\d.,^])(?P<amount>{_AMOUNT}){_MAGNITUDE}\s?"
    rf"(?P<sign>{_SIGN}|{one_of(_AFTER_ONLY)})(?![A-Za-z]){_QUALIFIED}"
)
# "$5-$10" -> "5 to 10 dollars"
_RANGE = re.compile(
    rf"(?P<sign>[{re.escape(CURRENCY_SIGNS)}])(?P<low>{NUMBER})\s?-\s?(?P=sign)?(?P<high>{NUMBER})(?!-\d)"
)
_PENCE = re.compile(r"(?<![\w.,:/])(?P<amount>\d{1,2})p\b(?!\.)")


def expand_money(text: str) -> str:
    """'$3.50' -> 'three dollars, fifty cents', '£5m' -> 'five million pounds', 'a $5 bill' -> 'a five dollar bill'."""
    text = _BEFORE.sub(_money, text)
    text = _AFTER.sub(_money, text)
    return _PENCE.sub(lambda m: counted(m["amount"], ("penny", "pence")), text)


def plural_currency(sign: str) -> str:
    """'$' -> 'dollars'."""
    return _CURRENCIES[sign][1]


def expand_money_ranges(text: str) -> str:
    """'$5-$10' -> '5 to $10', to be read by `expand_money`. It must run before ranges of plain numbers."""
    return _RANGE.sub(lambda m: f"{m['low']} to {m['sign']}{m['high']}", text)


def _money(match: re.Match[str]) -> str:
    one, many, one_part, parts = _CURRENCIES[match["sign"]]
    amount = match["amount"]
    if re.search(r",\d\d$", amount):
        amount = amount.replace(".", "").replace(",", ".")
    qualifies = match["qualified"] is not None or _qualifies(match)
    if qualifies:
        many, parts = one, one_part
    minus = "minus " if match["minus"] else ""
    qualified = match["qualified"] or ""
    space = qualified.replace("-", " ") if qualified in ("-", "-a-", "-an-") else ""
    magnitude = match["magnitude"]
    if magnitude:
        return f"{minus}{decimal(amount)} {_MAGNITUDES.get(magnitude.lower(), magnitude)} {many}{space}"
    whole, _, hundredths = amount.partition(".")
    if len(hundredths) != 2 or not parts:
        return minus + counted(amount, (one, many)) + space
    spoken = [counted(whole, (one, many))] if whole.strip("0,") or hundredths == "00" else []
    if hundredths != "00":
        spoken.append(counted(str(int(hundredths)), (one_part, parts)))
    return minus + (" " if qualifies else ", ").join(spoken) + space


def _qualifies(match: re.Match[str]) -> bool:
    """Whether an article precedes and a noun follows: "a £2 million house", but not "the $5 is mine"."""
    before = match.string[max(0, match.start() - 30) : match.start()]
    return bool(_ARTICLE.search(before) and _NOUN.match(match.string, match.end()))
