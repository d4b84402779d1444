"""The check passes correct decodings and names the faults of others."""

import dataclasses

import numpy as np
import pytest

from speech.mel_config import MelConfig
from synthesizer.decoding_check import DecodingCheck, check_decoding
from synthesizer.splitting import words_of
from synthesizer.text.front_end import text_to_transcript
from synthesizer.text.transcript import encode
from tests.synthesizer.toy_decodings import KINDS, gibberish, path_of, toy_decoding

CONFIG = MelConfig()
TEXT = text_to_transcript("the old clock, they said, will ring again.")
TOKENS = len(encode(TEXT, 1.0))
WORDS = {word.spelling: word for word in words_of(TEXT)}
COMMA = WORDS["clock"].last


def check(*segments, **options) -> DecodingCheck:
    return check_decoding(toy_decoding(TEXT, path_of(TEXT, *segments), **options), TEXT, CONFIG)


def test_correct_decoding_passes():
    good = check((0, TOKENS))
    assert good.ok and good.score == 1
    assert (good.missed, good.remarks, good.stuck, good.excess_pause) == ((), (), None, 0)
    assert good.rate is not None and 5 < good.rate < 16


@pytest.mark.parametrize("text", ["a.", "yes.", "no no no no no.", "i!", "stop, stop, stop."])
def test_short_texts_and_repeated_words_pass(text):
    assert check_decoding(toy_decoding(text), text_to_transcript(text), CONFIG).ok
    first_only = toy_decoding(text, np.zeros(8, int), stopped=False)
    assert not check_decoding(first_only, text_to_transcript(text), CONFIG).ok


def test_skipped_words_are_named():
    skipped = check((0, WORDS["will"].first), (WORDS["ring"].last, TOKENS))
    assert skipped.missed == ("will", "ring")
    assert skipped.remarks == ('"will ring" are probably missing',)
    assert skipped.score == pytest.approx(6 / 8, abs=0.05)
    assert skipped.stuck == WORDS["will"].first - 1 and not skipped.in_pause


def test_decoding_stuck_in_a_pause():
    stalled = check((0, COMMA + 1), (COMMA + 1, COMMA + 2, 60), stopped=False)
    assert stalled.missed == ("they", "said", "will", "ring", "again")
    assert (stalled.stuck, stalled.in_pause) == (COMMA + 1, True)
    assert len(stalled.remarks) == 1 and "missing" in stalled.remarks[0]
    assert stalled.score < 0.2


def test_long_pause_is_not_a_fault():
    paused = check((0, COMMA + 1), (COMMA + 1, COMMA + 2, 60), (COMMA + 2, TOKENS))
    assert paused.ok
    assert paused.excess_pause == pytest.approx(3.1 - 0.7, abs=0.1)


def test_repetition_is_reported_with_its_word():
    twice = check((0, WORDS["said"].last), (WORDS["old"].first, TOKENS))
    assert not twice.ok and twice.score == 0.5
    assert twice.remarks == ('something is probably said twice near "said"',)
    assert twice.report.repeats >= 8


def test_held_token_is_reported():
    vowel = WORDS["ring"].first + 1
    held = check((0, vowel), (vowel, vowel + 1, 30), (vowel + 1, TOKENS))
    assert held.remarks == ('one sound is held for 1.5 s near "ring"',)
    assert held.stuck == vowel and not held.in_pause


def test_implausible_rate_is_reported():
    possible = check((0, TOKENS, 1))
    assert possible.ok  # 20 a second is fast, but possible
    fast = toy_decoding(TEXT, np.arange(0, TOKENS, 2))
    assert check_decoding(fast, TEXT, CONFIG).remarks == ("it is implausibly fast",)


def test_missing_stop_silence_and_unfocused_attention():
    unstopped = check((0, TOKENS), stopped=False)
    assert len(unstopped.remarks) == 1 and "did not stop" in unstopped.remarks[0]
    assert unstopped.score == 0.5
    assert "there is no speech in it" in check((0, TOKENS), level=-4.5).remarks
    assert check((0, TOKENS), level=-4.5).score == 0
    good = toy_decoding(TEXT)
    unfocused = dataclasses.replace(good, alignment=0.02 * good.alignment + 0.98 / TOKENS)
    assert "the words are probably unclear" in check_decoding(unfocused, TEXT, CONFIG).remarks


@pytest.mark.parametrize("kind", KINDS)
def test_a_perfect_alignment_of_gibberish_is_no_success(kind):
    good = toy_decoding(TEXT)
    found = check_decoding(dataclasses.replace(good, mel=gibberish(kind, good.mel.shape[1])), TEXT, CONFIG)
    assert found.report.ok and found.missed == ()
    assert found.score == 0 and found.unlike_speech and found.unintelligible == found.unlike_speech
    assert found.remarks[0] == f"it is probably unintelligible: {found.unlike_speech}"


def test_a_linear_march_through_the_text_is_no_speech():
    march = toy_decoding(TEXT, np.repeat(np.arange(TOKENS), 3))
    found = check_decoding(march, TEXT, CONFIG)
    assert found.unintelligible == "all its sounds have the same duration" and found.unlike_speech == ""
    coarse = check_decoding(toy_decoding(TEXT, np.arange(TOKENS)), TEXT, CONFIG)
    assert coarse.unintelligible == ""  # one step each: a faster tempo cannot be told from it


def test_impossible_rates_are_unintelligible():
    fast = check_decoding(toy_decoding(TEXT, np.arange(0, TOKENS, 3)), TEXT, CONFIG)
    assert "symbols a second" in fast.unintelligible and fast.unlike_speech == ""
    slow = check((0, TOKENS, 14))
    assert slow.unintelligible and slow.score == 0


def test_empty_decoding():
    nothing = dataclasses.replace(toy_decoding(TEXT, np.zeros(1, int)), stopped=True)
    assert not check_decoding(nothing, TEXT, CONFIG).ok


def test_many_missing_words_are_not_all_listed():
    text = text_to_transcript("one two three four five six seven eight nine ten.")
    start = check_decoding(toy_decoding(text, np.zeros(20, int), stopped=False), text, CONFIG)
    assert start.remarks[0] == '"two three four five six" and 4 more words are probably missing'
