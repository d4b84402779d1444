"""The letter A and the article, and full stops after single letters."""

import pytest

from synthesizer.text.front_end import text_to_transcript
from synthesizer.text.sentences import split_sentences


def pronunciations_of_a(text: str) -> list[str]:
    return [" ".join(word.phonemes or ()) for word in text_to_transcript(text).words if word.spelling == "a"]


@pytest.mark.parametrize(
    "text",
    [
        "AI is here.", "Use AI.", "The AI's answer", "Team A won.", "A vs. B", "Option A is right.", "Plan A failed.",
        "Choose A, B or C.", "A is for apple.", "A to Z", "Serie A clubs", "He got an A.", "I live in flat 4A.",
        "Print it on A4 paper.", "It starts with the letter \"a\".", "His name is A. Smith.", "an A+ student",
        "VITAMIN A HELPS", "Take exit A. Then turn left.", "Gate A is there.", "Model A and Model T", "a.io is down.",
        "a b c", "He lives in the u s a.", "at 5 a.m. sharp",
    ],
)  # fmt: skip
def test_the_letter(text):
    assert pronunciations_of_a(text) == ["EY1"]


@pytest.mark.parametrize(
    "text",
    [
        "A friend came.", "# A title", "- A list item", "Once Upon A Time", "The Tale Of A City", "It ends. A new day",
        '"A friend," he said.', "Plan a trip.", "as I a man", "Note: A friend came.", "A BBC reporter came.",
        "I got a B in math.", "a Ph.D. student", "A PhD student", "a B.S. degree", "A T-shirt", "a C# developer",
        "Vitamin C a day helps.", "At 5 p.m. a man came.",
    ],
)  # fmt: skip
def test_the_article(text):
    assert pronunciations_of_a(text) == ["AH0"]


@pytest.mark.parametrize(
    "sentences",
    [
        ["My answer is A.", "Option A is right."],
        ["Take vitamin C.", "Eat well."],
        ["Go with plan B.", "Joe will help."],
        ["Draw a line from A to B.", "Measure it."],
        ["He got a B.", "Mary got an A."],
        ["So did Mary and I.", "Bob left."],
        ["Press A.", "Press B.", "Done."],
        ["Give me an A.", "Give me a B."],
        ["Answer: A.", "Correct!"],
        ["Take exit A.", "Turn left."],
        ["Choose between C and J.", "Nobody knows."],
        ["He loves AI.", "Bob does not."],
    ],
)
def test_letters_at_the_end_of_a_sentence(sentences):
    assert split_sentences(" ".join(sentences)) == sentences


@pytest.mark.parametrize(
    "text",
    [
        "It was written by J. Smith.",
        "Samuel L. Jackson came.",
        "His name is A. Smith.",
        "We met J. R. Jones.",
        "D and J. Smith came.",
        "Messrs. D and J. Smith",
        "He was A. Smith.",
        "A. A. Milne wrote it.",
        "a. first, b. second",
    ],
)
def test_initials_do_not_end_a_sentence(text):
    assert split_sentences(text) == [text]
