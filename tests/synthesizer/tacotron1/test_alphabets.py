"""Symbol sets of public synthesizers."""

import numpy as np
import pytest

from speech.errors import TextError
from synthesizer.tacotron1.alphabets import ALPHABETS, read_pinyin, reads_pinyin, symbols_of
from synthesizer.tacotron1.cleaning import read_letters
from synthesizer.tacotron1.config import SYMBOL_SETS
from synthesizer.text.transcript import encode


def test_sizes():
    assert tuple(ALPHABETS) == SYMBOL_SETS == tuple(len(set(symbols)) for symbols in ALPHABETS.values())
    assert [reads_pinyin(size) for size in SYMBOL_SETS] == [False, True, True]


def test_english_symbols_are_those_of_the_default_encoding():
    transcript = read_letters("Hello, (dear) world!")
    np.testing.assert_array_equal(symbols_of(transcript, 66), encode(transcript, 0.0))


def test_pinyin_has_tones_and_ascii_punctuation():
    transcript = read_pinyin("Ni3 hao3\uff0c  shi4 jie4\u3002", 75)
    assert transcript.text == "ni3 hao3, shi4 jie4."
    assert [token.spelling for token in transcript.words] == ["ni3", "hao3", "shi4", "jie4"]
    symbols = symbols_of(transcript, 75)
    assert symbols[0] == 2 + 26 + 13 and symbols[2] == 2 + 52 + 2 and symbols[-1] == 1  # n, 3, end
    assert symbols_of(read_pinyin("a0", 70), 70).tolist() == [28, 58, 1]
    assert read_pinyin("ma5 a1", 70).text == "ma a1"  # that set has no 5


def test_what_cannot_be_read_is_refused():
    with pytest.raises(TextError, match="pinyin"):
        read_pinyin("\u4f60\u597d", 75)
    with pytest.raises(TextError, match="nothing that can be spoken"):
        read_pinyin("123", 75)
    with pytest.raises(TextError, match="not among the symbols"):
        symbols_of(read_pinyin("ni3", 75), 66)
