"""Text as the public synthesizer reads it."""

import json
import logging

import pytest

from speech.errors import TextError
from synthesizer.tacotron1.cleaning import clean_english, letters_only, read_letters
from synthesizer.text.front_end import text_to_transcript
from synthesizer.text.lexicon import read_lexicon
from synthesizer.text.transcript import encode


def test_texts_equal_the_golden_ones(golden_dir):
    examples = json.loads((golden_dir / "cleaners.json").read_text(encoding="utf-8"))
    checked = [each for each in examples if "£" not in each["text"]]  # which the reference misreads
    assert len(checked) == 3
    for example in checked:
        assert clean_english(example["text"]) == example["cleaned"]


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("The 2nd of 3 is £5.", "the second of three is five pounds."),
        ("In 2000, 2005, 1905, 1800 and 2013", "in two thousand, two thousand five, nineteen oh five, eighteen hundred "
         "and twenty thirteen"),
        ("1000 and 3000 and 1,234,567", "one thousand and three thousand and one million, two hundred thirty-four "
         "thousand, five hundred sixty-seven"),
        ("$1.01, $0.50, $2 and $0", "one dollar, one cent, fifty cents, two dollars and zero dollars"),
        ("$1.2.3", "one point two.three dollars"),
        ("3.14 on the 21st", "three point fourteen on the twenty-first"),
        ("MR. and Mrs. Jones,\n St. Ives", "mister and misess jones, saint ives"),
        ("1" * 40, " ".join(["one"] * 40)),
    ],
)  # fmt: skip
def test_numbers_money_and_abbreviations(text, cleaned):
    assert clean_english(text) == cleaned


def test_symbols_equal_the_golden_ones(golden_dir):
    import numpy as np

    golden = np.load(golden_dir / "synthesizer_small.npz")
    np.testing.assert_array_equal(encode(read_letters(str(golden["text"])), 0.0), golden["sequence"])


def test_a_transcript_has_words_and_no_phonemes():
    transcript = read_letters("It's 10% off_~ {really} -- yes!")
    assert transcript.text == "it's ten off really -- yes!"
    assert [token.spelling for token in transcript.words] == ["it's", "ten", "off", "really", "yes"]
    assert all(token.phonemes is None for token in transcript.tokens)
    known = text_to_transcript("Hello there.")
    assert letters_only(known).text == known.text and letters_only(known).words[0].phonemes is None


def test_phonemes_are_refused_and_lexica_not_used(tmp_path, caplog):
    with pytest.raises(TextError, match="letters only"):
        read_letters("Say {HH AH0 L OW1} now.")
    with pytest.raises(TextError, match="letters only"):
        letters_only(text_to_transcript("Say {HH AH0 L OW1} now."))
    with pytest.raises(TextError, match="nothing that can be spoken"):
        read_letters("%%%")
    (tmp_path / "lexicon.csv").write_text("Zorble,Z OW1 R B AH0 L\n")
    with caplog.at_level(logging.WARNING):
        assert read_letters("Zorble.", read_lexicon(tmp_path / "lexicon.csv")).text == "zorble."
    assert "letters only" in caplog.text
