"""Written text to transcripts, sentence by sentence; and the texts that come with the project."""

import csv
import logging
import re

import pytest

from speech.errors import TextError
from synthesizer.text.front_end import text_to_transcript, text_to_transcripts
from synthesizer.text.transcript import encode


def test_text_to_transcript():
    transcript = text_to_transcript("Dr. Smith said {HH AY1}!")
    assert transcript.text == "doctor smith said {HH AY1}!"
    assert all(word.phonemes for word in transcript.words)


def test_a_lexicon_reaches_the_words():
    assert text_to_transcript("Zorble", {"zorble": ("Z",)}).words[0].phonemes == ("Z",)


def test_texts_are_prepared_sentence_by_sentence():
    prepared = text_to_transcripts("Mr. Jones left at 5 p.m. He was tired.\nNobody saw him.")
    assert [sentence for sentence, _ in prepared] == ["Mr. Jones left at 5 p.m.", "He was tired.", "Nobody saw him."]
    assert prepared[0][1].text == "mister jones left at five p m."


def test_a_piece_without_speech_is_left_out_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        prepared = text_to_transcripts("Hello there.\n𐐀𐐁𐐂\nGoodbye.")
    assert [sentence for sentence, _ in prepared] == ["Hello there.", "Goodbye."]
    assert "Left out" in caplog.text


@pytest.mark.parametrize("text", ["", "  \n\t ", "...", "\U0001f600", "?! --"])
def test_nothing_to_speak_is_a_text_error(text):
    with pytest.raises(TextError):
        text_to_transcripts(text)


def test_bad_inline_phonemes_are_not_just_left_out():
    with pytest.raises(TextError, match="QQ"):
        text_to_transcripts("All is well. But {QQ} is not.")


@pytest.fixture(scope="module")
def held_out(repository):
    lines = (repository / "samples" / "sentences.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _bare(text: str) -> str:
    return " ".join(re.findall(r"[a-z']+", text.lower()))


def test_held_out_sentences_are_fifty_short_and_distinct(held_out):
    assert len(held_out) == len({_bare(s) for s in held_out}) == 50
    assert all(4 <= len(s.split()) <= 18 for s in held_out)
    words = [set(_bare(s).split()) for s in held_out]
    for i, first in enumerate(words):
        for second in words[:i]:
            assert len(first & second) <= 0.5 * min(len(first), len(second))


def test_held_out_sentences_are_pronounceable(held_out):
    for sentence in held_out:
        transcript = text_to_transcript(sentence)
        assert all(word.phonemes for word in transcript.words), sentence
        assert len(encode(transcript, 1.0)) < 120


def test_held_out_sentences_are_in_no_corpus(held_out, shared_dir):
    transcripts = []
    for path in sorted((shared_dir / "data").glob("*/metadata.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            transcripts += [_bare(row["text"]) for row in csv.DictReader(file)]
    corpus = " | ".join(transcripts)
    assert [s for s in held_out if _bare(s) in corpus] == []
