"""Speech streamed while it is generated, with models of toy width."""

import numpy as np
import pytest

from cloning import Monitor, TwoStage, Voice, VoiceCloner
from cloning.finishing import FADE_SECONDS, fade_edges, finish, finish_stream, samples_of
from speech.errors import ConfigError, ModelFileError, TextError, WorkCancelled
from speech.loudness import integrated_loudness, true_peak
from synthesizer import Synthesis
from tests.toy_models import EMBEDDING_SIZE, TOY_SPACE, toy_encoder, toy_synthesizer
from vocoder import GriffinLimVocoder

TEXT = "Hello there. How are you? Fine."
RATE = round(80 / FADE_SECONDS)  # a fade of 80 samples


@pytest.fixture(scope="module")
def cloner() -> VoiceCloner:
    return VoiceCloner(toy_encoder(), TwoStage(toy_synthesizer(), GriffinLimVocoder(iterations=2)))


@pytest.fixture
def voice() -> Voice:
    return Voice(np.ones(EMBEDDING_SIZE, np.float32), TOY_SPACE, "toy")


def test_the_first_chunk_comes_before_the_last_sentence_is_synthesized(cloner, voice):
    sentences: list[Synthesis] = []
    chunks = cloner.stream(TEXT, voice, seed=1, monitor=Monitor(on_synthesis=sentences.append))
    assert sentences == []
    first = next(chunks)
    assert len(sentences) <= 2 and 0 < len(first) <= 1600
    rest = list(chunks)
    assert len(sentences) == 3
    total = sum(synthesis.mel.shape[1] for synthesis in sentences) * 200
    assert len(first) + sum(map(len, rest)) == total
    assert all(chunk.dtype == np.float32 and np.abs(chunk).max() <= 1 for chunk in rest)


def test_the_seed_determines_the_samples(cloner, voice):
    first, again, other = (np.concatenate(list(cloner.stream(TEXT, voice, seed=seed))) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_a_stream_ends_in_the_speech_of_speak(cloner, voice):
    stream = cloner.stream(TEXT, voice, seed=1)
    first = next(stream)
    speech = stream.speech  # generates the rest
    assert np.array_equal(speech.wav[: len(first)], first)
    whole = cloner.speak(TEXT, voice, seed=1)
    assert np.array_equal(speech.wav, whole.wav) and np.array_equal(speech.mel, whole.mel)
    assert (speech.tokens, speech.alignment_score, speech.remarks) == (
        whole.tokens, whole.alignment_score, whole.remarks,
    )  # fmt: skip


def test_the_chunks_are_the_audio_of_speak(cloner, voice):
    chunks = list(cloner.stream(TEXT, voice, seed=1, loudness=-20))
    assert max(map(len, chunks)) <= 1600
    assert np.array_equal(np.concatenate(chunks), cloner.speak(TEXT, voice, seed=1, loudness=-20).wav)


@pytest.mark.parametrize("loudness", [-30.0, -23.0])
def test_every_sentence_has_the_loudness(cloner, voice, loudness):
    speech = cloner.speak(TEXT, voice, seed=1, loudness=loudness)
    start = 0
    for samples in samples_of(speech.sentences, 16_000):
        sentence = speech.wav[start : start + samples]
        assert integrated_loudness(sentence, 16_000) == pytest.approx(loudness, abs=0.3)
        assert true_peak(sentence) < 10 ** (-1 / 20)
        start += samples
    assert start == len(speech.wav)


def test_a_loudness_out_of_range_is_refused(cloner, voice):
    for loudness in (-41.0, -13.0, float("nan"), float("-inf")):
        with pytest.raises(ConfigError, match="Loudness must be between -40 and -14 LUFS"):
            cloner.stream(TEXT, voice, loudness=loudness)


@pytest.mark.parametrize("sizes", [[24_000], [1600] * 15, [7, 9993, 14_000], [24_000, 0]])
def test_the_chunks_of_the_vocoder_do_not_matter(sizes):
    rng = np.random.default_rng(0)
    wav = (rng.standard_normal(24_000) * np.repeat([0.01, 0.5, 0.1], 8000)).astype(np.float32)
    before = wav.copy()
    chunks = np.split(wav, np.cumsum(sizes)[:-1])
    lengths = [8000, 8000]  # the rest counts as a third sentence
    joined = np.concatenate(list(finish_stream(iter(chunks), lengths, 16_000, -23.0)))
    assert np.array_equal(joined, finish(wav, lengths, 16_000, -23.0)) and np.array_equal(wav, before)
    for sentence in np.split(joined, [8000, 16_000]):
        assert integrated_loudness(sentence, 16_000) == pytest.approx(-23.0, abs=0.2)
    assert joined[0] == joined[-1] == 0


def test_audio_that_is_empty_or_not_finite_is_refused():
    for bad in (np.zeros(0, np.float32), np.array([0, np.nan], np.float32)):
        with pytest.raises(ModelFileError):
            finish(bad, [], 16_000, -23.0)
    assert not finish(np.zeros(3, np.float32), [], 16_000, -23.0).any()


def test_invalid_arguments_are_refused_at_once(cloner, voice):
    with pytest.raises(TextError):
        cloner.stream(" ", voice)
    with pytest.raises(ConfigError):
        cloner.stream(TEXT, Voice(np.ones(EMBEDDING_SIZE, np.float32), "elsewhere", "far"))


def test_cancelling_ends_the_stream(cloner, voice):
    answers = iter([False] * 3 + [True])
    with pytest.raises(WorkCancelled):
        list(cloner.stream(TEXT, voice, seed=1, monitor=Monitor(cancelled=lambda: next(answers))))


def test_cancelling_the_synthesizer_raises_the_same(cloner, voice):
    with pytest.raises(WorkCancelled):
        next(cloner.stream(TEXT, voice, seed=1, monitor=Monitor(cancelled=lambda: True)))


def test_speed_and_pauses_are_those_of_speak(cloner, voice):
    stream = cloner.stream(TEXT, voice, seed=1, speed=1.5, pauses=0.5)
    assert np.array_equal(stream.speech.mel, cloner.speak(TEXT, voice, seed=1, speed=1.5, pauses=0.5).mel)


def test_audio_that_is_not_finite_is_refused(cloner, voice, monkeypatch):
    broken = lambda *_, **__: iter([np.full(99, np.nan, np.float32)])  # noqa: E731
    monkeypatch.setattr(cloner.model.vocoder, "stream_segments", broken)
    with pytest.raises(ModelFileError):
        list(cloner.stream(TEXT, voice, seed=1))


@pytest.mark.parametrize("sizes", [[1000], [1] * 1000, [79, 2, 919], [500, 500], [160, 840], [161, 839]])
def test_only_the_ends_are_faded(sizes):
    chunks = np.split(np.ones(1000, np.float32), np.cumsum(sizes)[:-1])
    joined = np.concatenate(list(fade_edges(iter(chunks), RATE)))
    ramp = np.arange(80, dtype=np.float32) / 80
    np.testing.assert_allclose(joined, np.concatenate([ramp, np.ones(840), ramp[::-1]]), atol=1e-6)


@pytest.mark.parametrize("samples", [0, 1, 2, 100, 160, 161])
def test_short_audio_keeps_its_length(samples):
    joined = [np.zeros(0), *fade_edges(iter([np.ones(samples, np.float32)]), RATE)]
    assert len(np.concatenate(joined)) == samples
