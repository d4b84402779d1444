"""Postal addresses: streets, US states, compass directions and postal codes."""

import re

from synthesizer.text.matching import final_stop, one_of, word_set, word_table
from synthesizer.text.numbers import spell_digits

_STATES = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California", "CO": "Colorado",
    "CT": "Connecticut", "DE": "Delaware", "FL": "Florida", "GA": "Georgia", "HI": "Hawaii", "ID": "Idaho",
    "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky", "LA": "Louisiana",
    "ME": "Maine", "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota",
    "MS": "Mississippi", "MO": "Missouri", "MT": "Montana", "NE": "Nebraska", "NV": "Nevada",
    "NH": "New Hampshire", "NJ": "New Jersey", "NM": "New Mexico", "NY": "New York", "NC": "North Carolina",
    "ND": "North Dakota", "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon", "PA": "Pennsylvania",
    "RI": "Rhode Island", "SC": "South Carolina", "SD": "South Dakota", "TN": "Tennessee", "TX": "Texas",
    "UT": "Utah", "VT": "Vermont", "VA": "Virginia", "WA": "Washington", "WV": "West Virginia",
    "WI": "Wisconsin", "WY": "Wyoming",
}  # fmt: skip
# Abbreviations that are usually something else unless a postal code follows.
_AMBIGUOUS = word_set("AL CO DE HI ID IN LA MA MD ME MS OH OK OR PA")
_STREETS = {
    "Ave": "avenue",
    "Blvd": "boulevard",
    "Rd": "road",
    "Ln": "lane",
    "Pkwy": "parkway",
    "Sq": "square",
    "Hwy": "highway",
    "Ct": "court",
    "Pl": "place",
    "Cir": "circle",
    "Ter": "terrace",
    "Cres": "crescent",
    "Expy": "expressway",
}
_DIRECTIONS = {
    "NW": "northwest",
    "NE": "northeast",
    "SW": "southwest",
    "SE": "southeast",
    "NNW": "north-northwest",
    "NNE": "north-northeast",
    "SSW": "south-southwest",
    "SSE": "south-southeast",
}

_ZIP = r"(?P<zip>\d{5})(?:-(?P<more>\d{4}))?\b(?![,.]\d)"
_STATE_ZIP = re.compile(rf"\b(?P<state>{'|'.join(_STATES)}|DC)\s+{_ZIP}")
_STATE = re.compile(
    r"(?:(?<=Baltimore,\s)|(?<=Bethesda,\s)|(?<=Annapolis,\s)|(?<=Rockville,\s)|(?<=Silver Spring,\s))MD\b"
    rf"|(?<=[a-z],\s)(?P<state>{'|'.join(s for s in _STATES if s not in _AMBIGUOUS)})\b(?=$|[\s,.;:)?!])"
)
_STREET = re.compile(
    rf"(?P<name>\b(?:[A-Z][a-z]+(?:'s)?|\d+(?:st|nd|rd|th))\s)(?P<street>{one_of(_STREETS)})(?:\.(?=\s?[,;)]|\s[a-z\d]))?(?=$|[\s,;)&])"
)
_DIRECTION = re.compile(
    rf"(?P<before>\b(?:[Aa]venue|Ave\.?|[Ss]treet|St\.?|[Rr]oad|Rd\.?|[Ww]inds?|[Hh]eading|[Ff]rom|[Tt]he),?\s)"
    rf"(?P<direction>{'|'.join(_DIRECTIONS)})\b|\b(?P<alone>{'|'.join(_DIRECTIONS)})(?=\s(?:of|winds?|corner|\d+(?:st|nd|rd|th)|\d{{1,3}}(?:-\d{{1,3}})?\s?(?:mph|km/h|kph|knots|kts?))\b)"
)


_HOUSE_DIRECTION = re.compile(
    r"(?<=\d )(?P<side>[NSEW])\b\.?\s(?=(?:[A-Z][a-z]+|\d+(?:st|nd|rd|th))\s"
    r"(?:St|Ave|Rd|Blvd|Dr|Ln|Ct|Pl|Way|Pkwy|Hwy|Street|Avenue|Road|Drive|Lane|Boulevard)\b)"
)
_SIDES = {"N": "North", "S": "South", "E": "East", "W": "West"}
_PARTY = re.compile(rf"\((?P<party>[DRI])-(?P<state>{'|'.join(_STATES)})\)")


# "Montecito, Calif., in 2020"
_LONG_STATES = word_table("""
    Ala Alabama, Ariz Arizona, Ark Arkansas, Calif California, Colo Colorado, Conn Connecticut, Del Delaware, Fla
    Florida, Ga Georgia, Ill Illinois, Ind Indiana, Kan Kansas, Ky Kentucky, La Louisiana, Mass Massachusetts, Md
    Maryland, Mich Michigan, Minn Minnesota, Miss Mississippi, Mont Montana, Neb Nebraska, Nev Nevada, Okla Oklahoma,
    Ore Oregon, Pa Pennsylvania, Tenn Tennessee, Tex Texas, Va Virginia, Vt Vermont, Wash Washington, Wis Wisconsin,
    Wyo Wyoming, Ont Ontario, Que Quebec
""")
_LONG_STATE = re.compile(rf"(?<=[a-z],\s)(?P<state>{one_of(_LONG_STATES)})\.")


def expand_addresses(text: str) -> str:
    """'Springfield, IL 62704' -> 'Springfield, Illinois six two seven zero four', '5th Ave' -> '5th avenue'."""
    text = _PARTY.sub(lambda m: f"({m['party']}, {_STATES[m['state']]})", text)
    text = _HOUSE_DIRECTION.sub(lambda m: _SIDES[m["side"]] + " ", text)
    text = _STATE_ZIP.sub(_state_and_code, text)
    text = _LONG_STATE.sub(lambda m: _LONG_STATES[m["state"]] + final_stop(m), text)
    text = _STATE.sub(lambda m: _STATES[m.group()], text)
    text = _DIRECTION.sub(lambda m: (m["before"] or "") + _DIRECTIONS[m["direction"] or m["alone"]], text)
    return _STREET.sub(lambda m: m["name"] + _STREETS[m["street"]], text)


def _state_and_code(match: re.Match[str]) -> str:
    more = f", {spell_digits(match['more'])}" if match["more"] else ""
    return f"{_STATES.get(match['state'], 'D C')} {spell_digits(match['zip'])}{more}"
