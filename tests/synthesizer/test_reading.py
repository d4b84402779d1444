"""Good readings are told from bad ones, and what is wrong is said in plain words."""

import dataclasses

import numpy as np
import pytest

from speech.mel import MelConfig
from synthesizer.splitting import words_of
from synthesizer.tacotron.reading import judge
from synthesizer.text.front_end import text_to_transcript
from synthesizer.text.transcript import encode
from tests.synthesizer.readings import path_of, reading

CONFIG = MelConfig()
TEXT = text_to_transcript("the old clock, they said, will ring again.")
TOKENS = len(encode(TEXT, 1.0))
WORDS = {word.spelling: word for word in words_of(TEXT)}
COMMA = WORDS["clock"].last


def verdict(*stretches, **options):
    return judge(reading(TEXT, path_of(TEXT, *stretches), **options), TEXT, CONFIG)


def test_a_good_reading():
    good = verdict((0, TOKENS))
    assert good.ok and good.score == 1
    assert (good.missed, good.remarks, good.stuck, good.dead_air) == ((), (), None, 0)
    assert 5 < good.rate < 16


@pytest.mark.parametrize("text", ["a.", "yes.", "no no no no no.", "i!", "stop, stop, stop."])
def test_short_and_repeated_words(text):
    assert judge(reading(text), text_to_transcript(text), CONFIG).ok
    first_only = reading(text, np.zeros(8, int), stopped=False)
    assert not judge(first_only, text_to_transcript(text), CONFIG).ok


def test_a_skipped_word_is_named():
    skipped = verdict((0, WORDS["will"].first), (WORDS["ring"].last, TOKENS))
    assert skipped.missed == ("will", "ring")
    assert skipped.remarks == ('"will ring" are probably missing',)
    assert skipped.score == pytest.approx(6 / 8, abs=0.05)
    assert skipped.stuck == WORDS["will"].first - 1 and not skipped.in_pause


def test_a_stall_in_a_pause_is_known_for_what_it_is():
    stalled = verdict((0, COMMA + 1), (COMMA + 1, COMMA + 2, 60), stopped=False)
    assert stalled.missed == ("they", "said", "will", "ring", "again")
    assert (stalled.stuck, stalled.in_pause) == (COMMA + 1, True)
    assert len(stalled.remarks) == 1 and "missing" in stalled.remarks[0]
    assert stalled.score < 0.2


def test_a_long_pause_alone_is_no_fault():
    paused = verdict((0, COMMA + 1), (COMMA + 1, COMMA + 2, 60), (COMMA + 2, TOKENS))
    assert paused.ok
    assert paused.dead_air == pytest.approx(3.1 - 0.7, abs=0.1)


def test_what_is_said_twice_is_told_with_the_place():
    twice = verdict((0, WORDS["said"].last), (WORDS["old"].first, TOKENS))
    assert not twice.ok and twice.score == 0.5
    assert twice.remarks == ('something is probably said twice near "said"',)
    assert twice.report.repeats >= 8


def test_a_sound_that_is_held():
    vowel = WORDS["ring"].first + 1
    held = verdict((0, vowel), (vowel, vowel + 1, 30), (vowel + 1, TOKENS))
    assert held.remarks == ('one sound is held for 1.5 s near "ring"',)
    assert held.stuck == vowel and not held.in_pause


def test_a_rate_that_nobody_speaks_at():
    fast = verdict((0, TOKENS, 1))
    assert fast.ok  # 20 a second is fast, but possible
    rushed = reading(TEXT, np.arange(0, TOKENS, 2))
    assert judge(rushed, TEXT, CONFIG).remarks == ("it is spoken implausibly fast",)


def test_no_end_no_sound_no_focus():
    unstopped = verdict((0, TOKENS), stopped=False)
    assert len(unstopped.remarks) == 1 and "did not stop" in unstopped.remarks[0]
    assert unstopped.score == 0.5
    assert "nothing is to be heard" in verdict((0, TOKENS), level=-3.5).remarks
    assert verdict((0, TOKENS), level=-3.5).score == 0
    good = reading(TEXT)
    blurred = dataclasses.replace(good, alignment=0.02 * good.alignment + 0.98 / TOKENS)
    assert "the words are probably blurred" in judge(blurred, TEXT, CONFIG).remarks


def test_a_reading_of_nothing():
    nothing = dataclasses.replace(reading(TEXT, np.zeros(1, int)), stopped=True)
    assert not judge(nothing, TEXT, CONFIG).ok


def test_many_missing_words_are_not_all_listed():
    text = text_to_transcript("one two three four five six seven eight nine ten.")
    start = judge(reading(text, np.zeros(20, int), stopped=False), text, CONFIG)
    assert start.remarks[0] == '"two three four five six" and 4 more words are probably missing'
