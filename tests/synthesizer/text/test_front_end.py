"""Text to transcripts, on hard texts and on the sample sentences of the project."""

import csv
import logging
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.errors import TextError
from synthesizer.synthesis import read_lines
from synthesizer.text.front_end import text_to_transcript
from synthesizer.text.lexicon import Entry, Lexicon
from synthesizer.text.transcript import encode


def test_text_to_transcript():
    transcript = text_to_transcript("Dr. Smith said {HH AY1}!")
    assert transcript.text == "doctor smith said {HH AY1}!"
    assert all(word.phonemes for word in transcript.words)


def test_lexicon_entries_are_applied():
    lexicon = Lexicon((Entry("Zorble", (("Z", "OW1"),), exact=False),))
    assert text_to_transcript("Dr. zorble", lexicon).words[1].phonemes == ("Z", "OW1")
    assert read_lines("Zorble's end.", lexicon)[0].transcript.words[0].phonemes == ("Z", "OW1", "Z")


def test_sentences_are_transcribed_one_by_one():
    lines = read_lines("Mr. Jones left at 5 p.m. He was tired.\nNobody saw him.")
    texts = [line.transcript.text for line in lines]
    assert texts == ["mister jones left at five p m.", "he was tired.", "nobody saw him."]


def test_a_sentence_without_speech_is_left_out_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        lines = read_lines("Hello there.\n𐐀𐐁𐐂\nGoodbye.")
    assert [line.transcript.text for line in lines] == ["hello there.", "goodbye."]
    assert "Skipped" in caplog.text


@pytest.mark.parametrize("text", ["", "  \n\t ", "...", "\U0001f600", "?! --"])
def test_texts_without_speech_are_refused(text):
    with pytest.raises(TextError):
        read_lines(text)


def test_invalid_inline_phonemes_are_refused():
    with pytest.raises(TextError, match="QQ"):
        read_lines("All is well. But {QQ} is not.")


@pytest.fixture(scope="module")
def held_out(repository):
    lines = (repository / "samples" / "sentences.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _bare(text: str) -> str:
    return " ".join(re.findall(r"[a-z']+", text.lower()))


def test_held_out_sentences_are_short_and_distinct(held_out):
    assert len(held_out) == len({_bare(s) for s in held_out}) >= 50
    assert all(3 <= len(s.split()) <= 30 for s in held_out)
    words = [set(_bare(s).split()) for s in held_out]
    for i, first in enumerate(words):
        for second in words[:i]:
            assert len(first & second) <= 0.5 * min(len(first), len(second))


def test_held_out_sentences_are_pronounceable(held_out):
    for sentence in held_out:
        transcript = text_to_transcript(sentence)
        assert all(word.phonemes for word in transcript.words), sentence
        assert len(encode(transcript, 1.0)) < 250


def test_held_out_sentences_are_in_no_corpus(held_out, shared_dir):
    transcripts = []
    for path in sorted((shared_dir / "data").glob("*/metadata.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            transcripts += [_bare(row["text"]) for row in csv.DictReader(file)]
    corpus = " | ".join(transcripts)
    assert [s for s in held_out if _bare(s) in corpus] == []


HARD_TEXTS = (Path(__file__).parent / "hard_texts.txt").read_text(encoding="utf-8").split("\n")


def test_number_of_hard_texts():
    assert len([text for text in HARD_TEXTS if text]) >= 250


@pytest.mark.parametrize("text", [text for text in HARD_TEXTS if any(c.isalnum() for c in text)])
def test_every_word_of_a_hard_text_has_phonemes(text):
    for transcript in (line.transcript for line in read_lines(text)):
        assert all(word.phonemes for word in transcript.words)
        assert not re.search(r"\d", re.sub(r"\{[^}]*\}", "", transcript.text))
        assert encode(transcript, 1.0)[-1] == encode(transcript, 0.0)[-1]


def _seconds(text: str) -> float:
    started = time.process_time()
    read_lines(text)
    return time.process_time() - started


def test_long_texts_take_linear_time():
    prose = " ".join(text for text in HARD_TEXTS if "." in text and len(text) > 30)
    read_lines(prose)  # load the dictionary and the model, and fill the caches
    long = (prose + "\n") * (50_000 // len(prose) + 1)
    assert len(long) >= 50_000
    assert _seconds(long) < 12 * _seconds(long[: len(long) // 4])
    one_line = long.replace("\n", " ").replace(".", "")
    assert _seconds(one_line) < 12 * _seconds(one_line[: len(one_line) // 4])


_typed = st.lists(
    st.one_of(st.sampled_from([word for text in HARD_TEXTS for word in text.split(" ")]), st.text(max_size=6)),
    max_size=10,
)


@settings(max_examples=100, deadline=None)
@given(st.one_of(_typed.map(" ".join), _typed.map("".join)))
def test_any_text_is_encoded_or_refused(text):
    try:
        lines = read_lines(text)
    except TextError:
        return
    for transcript in (line.transcript for line in lines):
        assert all(word.phonemes for word in transcript.words)
        assert len(encode(transcript, 1.0)) > 1 and len(encode(transcript, 0.0)) > 1
