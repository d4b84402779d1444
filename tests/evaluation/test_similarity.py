import numpy as np
import pytest

from evaluation.similarity import EncoderJudge, Resemblyzer, embed_voices, nearest
from speech.errors import ConfigError
from tests.evaluation.fakes import FakeSpeakerJudge
from tests.toy_models import speech_like, toy_encoder


def test_the_nearest_voice():
    voices = {"one": np.array((1, 0), np.float32), "two": np.array((0.6, 0.8), np.float32)}
    assert nearest(np.array([0.8, 0.6], np.float32), voices) == "two"
    assert nearest(None, voices) is None
    assert nearest(np.ones(2, np.float32), {}) is None


def test_a_voice_is_the_normalised_mean_of_its_clips():
    judge, silence = FakeSpeakerJudge(), np.zeros(16_000, np.float32)
    clips = [speech_like(1.0, pitch) for pitch in (100, 180)]
    voices = embed_voices(judge, {"ann": [*clips, silence], "mute": [silence]})
    assert list(voices) == ["ann"]
    mean = np.mean([np.asarray(judge.embed(clip)) for clip in clips], axis=0)
    np.testing.assert_allclose(voices["ann"], mean / np.linalg.norm(mean), rtol=1e-6)


def test_silence_has_no_embedding():
    judge = EncoderJudge(toy_encoder(), "toy", 0.5)
    assert judge.embed(np.zeros(16_000, np.float32)) is None
    assert np.linalg.norm(np.asarray(judge.embed(speech_like(1.0)))) == pytest.approx(1, abs=1e-5)


def test_the_public_weights_may_be_missing(monkeypatch):
    monkeypatch.setattr("encoder.convert.find_resemblyzer_weights", lambda: None)
    with pytest.raises(ConfigError, match="resemblyzer"):
        Resemblyzer()
