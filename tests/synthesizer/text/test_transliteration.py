"""Every code point of Unicode is written in ASCII, kept or dropped; none stops a batch."""

import pytest

from speech.errors import TextError
from synthesizer.text.cleaners import normalize
from synthesizer.text.transliteration import Losses, to_ascii


@pytest.mark.parametrize(
    "character",
    # not assigned among Greek letters; Roman numerals without a number, and others beside them; alone and in words
    ["\u03a2", "\u0378", "\u2183", "\u2184", "\u2180", "\u2188", "\u2189", "\u215f", "\ud800", "\uffff", "\U0010ffff"],
)
def test_characters_without_a_name_or_a_number(character):
    assert "hello" in normalize(f"Hello {character} there")
    assert "hello" in normalize(f"Hello{character}2").lower()
    try:
        normalize(character)
    except TextError as error:
        assert "\n" not in str(error)


def test_the_greek_letters_beside_the_gap_keep_their_names():
    assert normalize("the letter \u03a1") == "the letter rho"
    assert normalize("the letter \u03a3") == "the letter sigma"


@pytest.mark.slow
def test_all_of_unicode():
    for first in range(0, 0x110000, 0x100):
        losses = Losses()
        for code in range(first, first + 0x100):
            to_ascii(chr(code), losses)
