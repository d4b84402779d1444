"""Sentence splitting."""

import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from synthesizer.text.sentences import MAX_CHARACTERS, split_sentences, spoken_length


@pytest.mark.parametrize(
    "sentences",
    [
        ["It rains.", "The sun shines!", "Does it?", "Yes."],
        ["On Sept. 11 we met.", "It was Mon. 5 May."],
        ["Open Mon.-Fri. 9am-5pm, Sat. 10 a.m. to noon."],
        ["Add 8 oz. (225 g) of it.", "See Vol. II."],
        ["Cpl. Jones and Pvt. Ryan met Adm. Lee.", "See para. 2 of it."],
        ["Sat. & Sun. are days off."],
        ["Read Rom. 8:28.", "Open the app.", "2) Click."],
        ["It is $5/mo. or $50/yr. in all."],
        ["10 lb. of sugar and 5 sq. ft. of space"],
        ["Roe v. Wade is c. 50 sq. m of paper."],
        ["Dr. Smith met Mr. J. R. Jones at 5 p.m.", "He paid $3.50.", "Then he left."],
        ["The U.S. Army is here.", "It came from the U.S.", "The end."],
        ["See No. 5 and Fig. 3 etc.", "Then stop."],
        ["He lives on Main St.", "The house is old."],
        ["St. Louis is far."],
        ["So did I.", "The next one was late."],
        ["He paused... and went on.", "Then...", "Nothing."],
        ["Wait…", "What?"],
        ['"Stop!" he said.', "'Why?'", "Nobody knew."],
        ['She said, "Come in."', '"No," he answered.'],
        ["(It was late.)", "We went home."],
        ["1. Open the door.", "2. Close it."],
        ["Pi is 3.14159, e is 2.718.", "Good."],
        ["He works at Acme Inc. in Boston.", "She does not."],
        ["Use e.g. a hammer, i.e. Thor's tool, vs. Nothing at all."],
        ["hello.", "how are you?", "fine, e.g. happy."],  # a text without capitals
        ["Really?!", "Yes!!"],
        ["Go to example.com now.", "Then read."],
        ["你好。", "再见！"],
        ["Say {HH AH0 L OW1}.", "And {B AY1}."],
        ["Sgt. 1st Class Jones met Sec. Clinton.", "Wait 5 sec.", "Then go."],
        ["Sr. Mary met Sr. Garcia.", "He left."],
        ["Closed Sat. - Sun. and on Mon. Wed. Fri. in May."],
        ["Model no. XR-500B is in Bldg. C of it.", "No.", "XR is better."],
        ["He is 6 ft. tall.", "He is 6 ft.", "She is 5 ft. 2 in."],
        ["II. Methods of it"],
        ["add 3 km. of rope, 5 qts. of water and ¼ tsp. of salt"],
    ],
)
def test_sentence_ends(sentences):
    assert split_sentences(" ".join(sentences)) == sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("First line\nSecond line\n\n\nThird", ["First line", "Second line", "Third"]),
        ("one\r\ntwo\r\n", ["one", "two"]),
        (
            "This line was broken to fit the full width\nof a page.\nThis was not.",
            ["This line was broken to fit the full width\nof a page.", "This was not."],
        ),
        ("", []),
        (" \n\t\n", []),
        ("...", ["..."]),
        ('"" Hi. - ok? !!!', ['"" Hi.', "- ok? !!!"]),
        ("Hi.\n***\nBye.", ["Hi. ***", "Bye."]),
    ],
)
def test_line_breaks_and_segments_without_words(text, expected):
    assert split_sentences(text) == expected


def test_long_sentences_are_cut_at_clauses():
    text = (
        "The road climbed slowly through a forest of pines, and every few miles a small white stone told the walker "
        "how far he had come; the innkeeper, who had walked it often before, knew each of them by name, but he would "
        "never say which one he liked best because he feared that the others might hear."
    )
    segments = split_sentences(text)
    assert len(segments) > 1 and " ".join(segments) == text
    assert segments[0].endswith(";")
    assert all(25 <= len(segment) <= MAX_CHARACTERS for segment in segments)


def test_cuts_at_conjunctions_are_preferred_to_other_spaces():
    first = "the tall gardener with the crooked hat watered the roses near the southern gate every warm morning"
    second = "the cook in the dark kitchen below the stairs baked several loaves of bread for the whole household"
    assert split_sentences(f"{first} and {second}.") == [first, f"and {second}."]


def test_digits_count_as_words():
    assert spoken_length("1999") == 20
    segments = split_sentences(" ".join(["1999"] * 40))
    assert len(segments) > 1 and all(spoken_length(segment) <= MAX_CHARACTERS for segment in segments)


def test_inline_phonemes_are_never_cut():
    segments = split_sentences("{HH AH0 L OW1} " * 60, max_characters=20)
    assert " ".join(segments).split() == ("{HH AH0 L OW1} " * 60).split()
    assert all(segment.count("{") == segment.count("}") for segment in segments)


def test_very_long_words_are_cut():
    segments = split_sentences("a" * 1000)
    assert "".join(segments) == "a" * 1000 and max(map(len, segments)) <= MAX_CHARACTERS


def test_a_limit_that_is_too_small_is_refused():
    with pytest.raises(ValueError):
        split_sentences("text", max_characters=5)


_FRAGMENTS = [
    *(
        "Dr.",
        "the",
        "end.",
        "He",
        "U.S.",
        '"Stop!"',
        "(No.",
        "5)",
        "3.14",
        "...",
        "and",
        "but,",
        "ran;",
        "?!",
        "e.g.",
        "I.",
    ),
    *("\n", "\n\n", "{HH AY1}", "{", "}", "😀", "你好。", "—", "-", "'tis", "1999", "a" * 60, "x" * 250),
]
_prose = st.lists(st.sampled_from(_FRAGMENTS), max_size=60).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=400), _prose))
@example("0\x1c\x1d。a")
@example("{ {HH AY1} . A}")
def test_all_characters_are_kept(text):
    segments = split_sentences(text)
    assert "".join("".join(segments).split()) == "".join(text.split())
    assert all(segment == segment.strip() and segment for segment in segments)


_words = st.from_regex(r"[A-Za-z0-9]{1,30}[.,;:?!]?", fullmatch=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(_words, max_size=80).map(" ".join), st.integers(20, 200))
def test_segments_are_within_the_limit(text, limit):
    assert all(spoken_length(segment) <= limit for segment in split_sentences(text, limit))


@pytest.mark.parametrize("unit", ["{HH} ", "{HH}", "{hello} ", "}{", "a{b}. "])
def test_the_work_grows_with_the_length_of_a_text_and_not_with_its_square(unit):
    def calls(count: int) -> int:
        """Function calls and returns, which do not depend on the machine."""
        events = []
        sys.setprofile(lambda *_: events.append(1))
        try:
            split_sentences(unit * count)
        finally:
            sys.setprofile(None)
        return len(events)

    assert calls(1600) < 3 * calls(800)
