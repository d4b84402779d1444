from pathlib import Path

import numpy as np
import pytest

from evaluation.judge import VoiceJudge, nearest
from evaluation.sets import Recording
from evaluation.verification import SpeechSet, equal_error_rates
from speech.corpora import Utterance
from speech.errors import ConfigError, CorpusError
from tests.toy_models import speech_like, toy_encoder


def recordings(speakers: str, seconds: float = 4.0):
    for number, speaker in enumerate(speakers):
        utterance = Utterance(f"c/{number}", Path(f"{number}.wav"), 0.0, seconds, speaker, "", "c")
        pitch = 90 + 40 * (ord(speaker) - ord("a"))
        yield Recording(utterance, speech_like(seconds, pitch, seed=number))


def test_rates_for_whole_utterances_and_the_crops_that_fit():
    speech = SpeechSet(recordings("aabb"))
    figures = equal_error_rates(toy_encoder(), speech)
    assert "equal error rate, whole utterances" in figures
    assert "equal error rate, 1.6 s of speech" in figures
    assert "equal error rate, 5 s of speech" not in figures  # none is that long
    assert all(figure.n == 4 and 0 <= (figure.value or 0) <= 1 for figure in figures.values())
    assert figures == equal_error_rates(toy_encoder(), speech)


def test_crops_have_their_length_and_are_repeatable():
    speech = SpeechSet(recordings("aab"))
    crops, speakers = speech.crop(1.6, seed=3)
    assert {len(crop) for crop in crops} == {25_600}
    assert speakers == ["a", "a", "b"]
    again, _ = speech.crop(1.6, seed=3)
    assert all(np.array_equal(one, two) for one, two in zip(crops, again, strict=True))


@pytest.mark.parametrize("speakers", ["aaa", "abc", "a", ""])
def test_there_must_be_pairs_of_both_kinds(speakers):
    with pytest.raises(CorpusError, match="two speakers"):
        SpeechSet(recordings(speakers, seconds=1.0))


def test_utterances_without_speech_are_told_of():
    items = [*recordings("aab", 1.0)]
    quiet = Recording(items[0].utterance, np.full(16_000, 1e-4, np.float32))
    told: dict[str, str] = {}
    SpeechSet([*items, quiet], told.__setitem__)
    assert list(told) == ["c/0"]


def test_the_nearest_reference():
    embeddings = [np.array(row, np.float32) for row in ((1, 0), (0.6, 0.8))]
    assert nearest(np.array([0.8, 0.6], np.float32), embeddings) == 1
    assert nearest(None, embeddings) is None


def test_the_judge_hears_nothing_in_silence():
    assert VoiceJudge(toy_encoder()).embed(np.zeros(16_000, np.float32)) is None


def test_the_judges_weights_may_be_missing(monkeypatch):
    monkeypatch.setattr("encoder.convert.find_resemblyzer_weights", lambda: None)
    with pytest.raises(ConfigError, match="resemblyzer"):
        VoiceJudge()
