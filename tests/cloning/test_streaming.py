"""A text spoken while it is made, with models of toy width."""

import numpy as np
import pytest

from cloning import Voice, VoiceCloner
from cloning.cloner import finish
from cloning.streaming import as_speech, faded
from speech.errors import ConfigError, ModelFileError, TextError
from synthesizer import Synthesis
from tests.toy_models import EMBEDDING_SIZE, TOY_SPACE, toy_encoder, toy_synthesizer
from vocoder import GriffinLimVocoder
from vocoder.base import VocodingCancelled

TEXT = "Hello there. How are you? Fine."


@pytest.fixture(scope="module")
def cloner() -> VoiceCloner:
    return VoiceCloner(toy_encoder(), toy_synthesizer(), GriffinLimVocoder(iterations=2))


@pytest.fixture
def voice() -> Voice:
    return Voice(np.ones(EMBEDDING_SIZE, np.float32), TOY_SPACE, "toy")


def test_the_first_chunk_is_there_before_the_second_sentence_is_made(cloner, voice):
    sentences: list[Synthesis] = []
    chunks = cloner.stream(TEXT, voice, 1, sentences.append)
    assert sentences == []
    first = next(chunks)
    assert len(sentences) == 1 and 0 < len(first) <= 1600
    rest = list(chunks)
    assert len(sentences) == 3
    total = sum(synthesis.mel.shape[1] for synthesis in sentences) * 200
    assert len(first) + sum(map(len, rest)) == total
    assert all(chunk.dtype == np.float32 and np.abs(chunk).max() <= 1 for chunk in rest)


def test_the_seed_decides(cloner, voice):
    first, again, other = (np.concatenate(list(cloner.stream(TEXT, voice, seed))) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_what_was_streamed_becomes_a_speech(cloner, voice):
    sentences: list[Synthesis] = []
    chunks = list(cloner.stream(TEXT, voice, 1, sentences.append))
    speech = as_speech(chunks, sentences, cloner.sample_rate, TEXT, 1)
    whole = cloner.speak(TEXT, voice, 1)
    np.testing.assert_allclose(speech.mel, whole.mel, atol=1e-4)
    assert (speech.tokens, speech.alignment_score, speech.remarks) == (
        whole.tokens, whole.alignment_score, whole.remarks,
    )  # fmt: skip
    assert np.array_equal(speech.wav, finish(np.concatenate(chunks), 16_000))


def test_bad_calls_are_refused_at_once(cloner, voice):
    with pytest.raises(TextError):
        cloner.stream(" ", voice)
    with pytest.raises(ConfigError):
        cloner.stream(TEXT, Voice(np.ones(EMBEDDING_SIZE, np.float32), "elsewhere", "far"))


def test_cancelling_ends_it(cloner, voice):
    answers = iter([False] * 3 + [True])
    with pytest.raises(VocodingCancelled):
        list(cloner.stream(TEXT, voice, 1, cancelled=lambda: next(answers)))


def test_cancelling_while_the_synthesizer_works_is_the_same(cloner, voice):
    with pytest.raises(VocodingCancelled):
        next(cloner.stream(TEXT, voice, 1, cancelled=lambda: True))


def test_speed_and_pauses_are_those_of_speak(cloner, voice):
    sentences: list[Synthesis] = []
    for _ in cloner.stream(TEXT, voice, 1, sentences.append, speed=1.5, pauses=0.5):
        pass
    whole = cloner.speak(TEXT, voice, 1, speed=1.5, pauses=0.5)
    np.testing.assert_allclose(np.concatenate([one.mel for one in sentences], 1), whole.mel, atol=1e-4)


def test_a_vocoder_that_makes_no_numbers_is_told_of(cloner, voice, monkeypatch):
    monkeypatch.setattr(cloner.vocoder, "stream", lambda *_, **__: iter([np.full(99, np.nan, np.float32)]))
    with pytest.raises(ModelFileError):
        list(cloner.stream(TEXT, voice, 1))


@pytest.mark.parametrize("sizes", [[1000], [1] * 1000, [79, 2, 919], [500, 500], [160, 840], [161, 839]])
def test_both_ends_are_faded_and_nothing_else(sizes):
    chunks = np.split(np.ones(1000, np.float32), np.cumsum(sizes)[:-1])
    joined = np.concatenate(list(faded(iter(chunks), 80)))
    ramp = np.arange(80, dtype=np.float32) / 80
    np.testing.assert_allclose(joined, np.concatenate([ramp, np.ones(840), ramp[::-1]]), atol=1e-6)


@pytest.mark.parametrize("samples", [0, 1, 2, 100, 160, 161])
def test_a_short_sound_keeps_its_length(samples):
    joined = [np.zeros(0), *faded(iter([np.ones(samples, np.float32)]), 80)]
    assert len(np.concatenate(joined)) == samples
