"""Text normalization: the rules, the behaviour of the reference implementation, and arbitrary Unicode."""

import json
import logging
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from speech.errors import TextError
from synthesizer.text.cleaners import clean
from synthesizer.text.symbols import CLEAN_CHARACTERS
from tests.synthesizer.text.code_cases import CODE_CASES
from tests.synthesizer.text.measure_cases import MEASURE_CASES
from tests.synthesizer.text.number_cases import NUMBER_CASES
from tests.synthesizer.text.title_cases import TITLE_CASES
from tests.synthesizer.text.word_cases import WORD_CASES

# Where the reference implementation is wrong: the right reading, and why.
DIFFERENT_FROM_REFERENCE = {
    "Dr. Smith paid $3.50 on Jan 5th, 1999.": (
        "doctor smith paid three dollars, fifty cents on january fifth, nineteen ninety-nine.",
        "the abbreviation of a month beside a day is read as the month",
    ),
    "It's 10% off -- 1,234 items!": (
        "it's ten percent off -- one thousand two hundred thirty-four items!",
        "the percent sign was dropped; a number with a thousands separator is not a year",
    ),
    "The 2nd of 3 is £5.": ("the second of three is five pounds.", "the pound sign became 'ps'"),
}


def test_reference_behaviour(golden_dir):
    for item in json.loads((golden_dir / "cleaners.json").read_text(encoding="utf-8")):
        expected, _reason = DIFFERENT_FROM_REFERENCE.get(item["text"], (item["cleaned"], ""))
        assert clean(item["text"]) == expected


_TABLES = (NUMBER_CASES, MEASURE_CASES, CODE_CASES, TITLE_CASES, WORD_CASES)
CASES = {f"{number}: {kind}": cases for number, table in enumerate(_TABLES) for kind, cases in table.items()}


@pytest.mark.parametrize(
    ("text", "spoken"), [pytest.param(*case, id=f"{group}: {case[0]}") for group in CASES for case in CASES[group]]
)
def test_normalization(text, spoken):
    assert clean(text) == spoken


def test_normalization_is_idempotent():
    for group in CASES.values():
        for _, spoken in group:
            assert clean(spoken) == spoken


@pytest.mark.parametrize("text", ["", " ", "...", "?!", "\U0001f600", "\u200b", "---", "()", "\ud800", "𐐀"])
def test_texts_without_speech_are_refused(text):
    with pytest.raises(TextError, match="spoken"):
        clean(text)


@pytest.mark.parametrize("text", ["{HH AHO L OW1}", "say {HH QQ}", "{hh ax0}", "{}", "{ }"])
def test_invalid_inline_phonemes_are_refused(text):
    with pytest.raises(TextError):
        clean(text)


def test_dropped_characters_are_logged_once(caplog):
    with caplog.at_level(logging.WARNING):
        assert clean("Hi 😀 there™ { \ud800 *") == "hi there"
    (record,) = caplog.records
    assert all(sign in record.getMessage() for sign in ("😀", "™", "{", "*", "U+D800"))


def test_markup_is_left_out_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        assert clean('<speak>Hello <break time="500ms"/> [world](http://a.com)</speak> :-)') == "hello world"
    (record,) = caplog.records
    assert all(part in record.getMessage() for part in ("<speak>", "<break", "http://a.com", "</speak>", ":-)"))


def test_other_scripts_are_transliterated_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        assert clean("Привет") == "privet"
    (record,) = caplog.records
    assert "another script" in record.getMessage() and "П" in record.getMessage()


def test_accents_and_ordinary_symbols_give_no_warning(caplog):
    with caplog.at_level(logging.WARNING):
        clean("Ça va? “Très” bien… $5, 3 × 4 – 20 °C.")
    assert not caplog.records


_snippets = st.lists(
    st.sampled_from(
        [snippet for group in CASES.values() for text, _ in group for snippet in text.split()]
        + [*"$€£%°/:.,-–+#'\"^({", "1" * 30, "９", "\n", "St", "I", "½", "€5", "No."]
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=120, deadline=None)
@given(st.one_of(st.text(max_size=60), _snippets.map(" ".join), _snippets.map("".join)))
@example("\ufdfa ﷽")
@example("1/0 0/0 {} 00:00 0.0.0 $0.00 -$.5")
@example("٪ ٫٣ ۵/۶")
def test_any_text_is_normalized_or_refused(text):
    try:
        cleaned = clean(text)
    except TextError:
        return
    outside = re.sub(r"\{[A-Z0-2 ]+\}", "", cleaned)
    assert set(outside) <= CLEAN_CHARACTERS
    assert cleaned == cleaned.strip() and "  " not in cleaned
    assert any(c.isalpha() for c in cleaned)


@pytest.mark.parametrize("unit", ["1", "a", ".", "1,", "a.", "1-", "A", "@", "$1", "{", "1/", "é"])
def test_long_runs_take_linear_time(unit):
    # Rules with unbounded lookahead would take minutes here and hit the time limit of the suite.
    try:
        clean(unit * (20_000 // len(unit)))
    except TextError:
        assert not unit.isalnum()
