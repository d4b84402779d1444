"""Words of a sentence, and splitting it."""

import pytest

from synthesizer.splitting import breaks_of, split_transcript, words_of
from synthesizer.text.front_end import text_to_transcript
from synthesizer.text.symbols import SYMBOLS
from synthesizer.text.transcript import encode


def cut(text: str, near: int | None = None) -> tuple[str, str, bool] | None:
    found = split_transcript(text_to_transcript(text), near)
    return None if found is None else (found.left.text, found.right.text, found.at_punctuation)


def test_words_and_breaks_match_the_encoded_text():
    transcript = text_to_transcript("So, {HH AY1} zzyx!")
    ids = encode(transcript, 1.0)
    names = [SYMBOLS[i] for i in ids]
    words = words_of(transcript)
    assert [word.spelling for word in words] == ["so", "HH AY1", "zzyx"]
    assert names[words[1].first : words[1].last] == ["@HH", "@AY1"]
    breaks = breaks_of(transcript)
    assert len(breaks) == len(ids)
    assert [name for name, pause in zip(names, breaks, strict=True) if pause] == [",", " ", " ", "!", "~"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello there, this is streamed.", ("hello there,", "this is streamed.", True)),
        ("the cat sat down and the dog ran.", ("the cat sat down,", "and the dog ran.", False)),
        ("one two three four.", ("one two,", "three four.", False)),
        ("thirty-four.", ("thirty-,", "four.", False)),
        ('he said "no," and left.', ('he said "no,"', "and left.", True)),
        ("word.", None),
        ("{HH AY1}.", None),
    ],
)
def test_punctuation_then_conjunctions_then_the_middle(text, expected):
    assert cut(text) == expected


def test_nearest_of_several_marks():
    text = "well, if you ask me, it is late."
    assert cut(text, 0) == ("well,", "if you ask me, it is late.", True)
    last = len(encode(text_to_transcript(text), 1.0)) - 1
    assert cut(text, last) == ("well, if you ask me,", "it is late.", True)


@pytest.mark.parametrize("text", ["a b.", "no no no no no.", "yes, no.", "one, two; three: four - five. six"])
def test_no_word_is_lost_or_added(text):
    transcript = text_to_transcript(text)
    found = split_transcript(transcript)
    assert found is not None
    assert found.left.words and found.right.words
    assert found.left.words + found.right.words == transcript.words
