import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.words import edit_distance, spoken_words
from speech.errors import TextError


@pytest.mark.parametrize(
    ("expected", "recognised", "errors"),
    [
        ("a b c", "a b c", 0),
        ("a b c", "a c", 1),
        ("a c", "a b c", 1),
        ("a b", "c d", 2),
        ("", "a b", 2),
        ("a b", "", 2),
    ],
)
def test_edit_distance_counts_words(expected, recognised, errors):
    assert edit_distance(expected.split(), recognised.split()) == errors


def test_edit_distance_counts_letters():
    assert edit_distance("kitten", "sitting") == 3


@settings(max_examples=50, deadline=None)
@given(st.text("ab", max_size=6), st.text("ab", max_size=6), st.text("ab", max_size=6))
def test_edit_distance_is_a_metric(a, b, c):
    assert edit_distance(a, b) == edit_distance(b, a)
    assert (edit_distance(a, b) == 0) == (a == b)
    assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)


def test_spoken_words_are_bare():
    assert spoken_words("“Hello,” said Dr. O'Neil's wife — at 5!") == [
        "hello", "said", "doctor", "o'neil's", "wife", "at", "five",
    ]  # fmt: skip
    assert spoken_words("'quoted' words") == ["quoted", "words"]


def test_texts_without_words_are_refused():
    with pytest.raises(TextError):
        spoken_words("")
