"""Texts are split into sentences, and decoded sentences are joined."""

import logging

import numpy as np
import pytest

from speech.errors import TextError
from speech.mel_config import MelConfig
from synthesizer import synthesis as module
from synthesizer.decoding_check import check_decoding
from synthesizer.fallbacks import SPLIT, Outcome, Part
from synthesizer.options import SynthesisOptions
from synthesizer.pacing import BOUNDARY_SECONDS, EDGE_SECONDS
from synthesizer.synthesis import (
    FULL_STOP_SECONDS,
    PARAGRAPH_SECONDS,
    PAUSE_SECONDS,
    Line,
    Synthesis,
    assemble,
    join_syntheses,
    read_lines,
)
from synthesizer.text.front_end import text_to_transcript
from synthesizer.text.lexicon import Entry, Lexicon
from synthesizer.text.transcript import Transcript
from tests.synthesizer.toy_decodings import FACTOR, toy_decoding

CONFIG = MelConfig()
FPS = CONFIG.frames_per_second


def part(text: str, pauses_after: bool = True) -> Part:
    transcript = text_to_transcript(text)
    decoded = toy_decoding(transcript)
    return Part(transcript, decoded, check_decoding(decoded, transcript, CONFIG), pauses_after)


def spoken(text: str, *parts: Part, pause: float = 0.0, speed: float = 1.0, pauses: float = 1.0) -> Synthesis:
    outcome = Outcome(parts or (part(text),), attempts=3, fallbacks=(SPLIT,), kept=SPLIT)
    return assemble(
        Line(text_to_transcript(text), pause), outcome, CONFIG, FACTOR, SynthesisOptions(speed=speed, pauses=pauses)
    )


def transcripts(text: str, lexicon: Lexicon | None = None) -> list[Transcript]:
    return [line.transcript for line in read_lines(text, lexicon)]


# --- lines ------------------------------------------------------------------------------------------------------------


def test_every_sentence_ends_in_punctuation() -> None:
    for transcript in transcripts("No mark here\nand (another one)\nHello!"):
        assert transcript.text.rstrip("\"') ")[-1] in ".,;:!?-"


def test_long_sentences_are_split() -> None:
    words = "the quick brown fox jumps over the lazy dog and " * 40
    parts = transcripts(words)
    assert len(parts) > 10
    assert sum(len(part.words) for part in parts) == 400


def test_pauses_are_longer_between_paragraphs_and_none_at_the_end() -> None:
    lines = read_lines("One. Two!\n \n\nThree; four. Five.")
    assert [line.transcript.text for line in lines] == ["one.", "two!", "three; four.", "five."]
    assert [line.pause for line in lines] == [FULL_STOP_SECONDS, PARAGRAPH_SECONDS, FULL_STOP_SECONDS, 0.0]


@pytest.mark.parametrize("text", ["", " \n\n ", "...", "***\n\n***"])
def test_text_without_speech_is_refused(text) -> None:
    with pytest.raises(TextError):
        read_lines(text)


def test_unspeakable_sentence_is_skipped(caplog) -> None:
    with caplog.at_level(logging.WARNING):
        assert len(read_lines("Good morning.\n\n...\n\nGood night.")) == 2


def test_lexicon_takes_precedence() -> None:
    (transcript,) = transcripts("Hello.", Lexicon((Entry("hello", (("Y", "OW1"),), False),)))
    assert transcript.words[0].phonemes == ("Y", "OW1")


# --- sentences --------------------------------------------------------------------------------------------------------


def test_sentence_reports_how_it_was_decoded() -> None:
    whole = spoken("hello there, this is streamed.", part("hello there,"), part("this is streamed."), pause=0.3)
    (sentence,) = whole.sentences
    assert (sentence.text, sentence.attempts, sentence.parts) == ("hello there, this is streamed.", 3, 2)
    assert sentence.ok and sentence.score == 1 and sentence.stopped
    assert sentence.done == ("decoded 3 times: split into 2 parts",)
    assert len(whole.tokens) == whole.alignment.shape[0] == len(sentence.alignment)
    assert whole.mel.shape[1] == FACTOR * whole.alignment.shape[1]
    assert sentence.seconds == pytest.approx(whole.mel.shape[1] / FPS - 0.3)
    assert (whole.mel[:, -round(0.3 * FPS) :] == -4).all()


def test_pause_between_parts_follows_their_punctuation() -> None:
    texts = ("hello there,", "this is streamed.")
    alone = sum(spoken(text).mel.shape[1] for text in texts)
    for pauses_after, pause in ((True, PAUSE_SECONDS[","]), (False, BOUNDARY_SECONDS - EDGE_SECONDS)):
        joined = spoken("x", part(texts[0], pauses_after), part(texts[1]))
        assert joined.mel.shape[1] - alone == pytest.approx(pause * FPS, abs=FACTOR - 1)


@pytest.mark.parametrize(("speed", "pauses", "expected"), [(1, 1, 0.4), (1, 2, 0.8), (1, 0, 0.0), (2, 1, 0.2)])
def test_pause_after_a_sentence_follows_speed_and_pauses(speed, pauses, expected) -> None:
    mel = spoken("hello.", pause=0.4, speed=speed, pauses=pauses).mel
    quiet = mel.max(axis=0) == -4
    silent = len(quiet) - 1 - np.flatnonzero(~quiet)[-1]
    assert expected <= silent / FPS <= expected + EDGE_SECONDS + FACTOR / FPS


def test_alignment_of_a_long_text_is_thinned(monkeypatch) -> None:
    parts = [spoken(f"{word} bottles.") for word in ("one", "two", "three", "four", "five")]
    full = join_syntheses(parts)
    monkeypatch.setattr(module, "MAX_CELLS", full.alignment.size // 3)
    thin = join_syntheses(parts)
    assert thin.alignment.size <= full.alignment.size // 3 + len(full.tokens)
    every = next(n for n in range(2, 9) if np.array_equal(full.alignment[:, ::n], thin.alignment))
    assert every in (3, 4)
    np.testing.assert_array_equal(thin.mel, full.mel)
