"""Clones equal the output of the cloner. All vocoders get the same mel."""

from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest

from cloning import SpeechOptions, TwoStage, Voice, VoiceCloner
from evaluation.outputs import NATURAL, CloneJob, Output, clone_outputs, copy_output
from evaluation.run import load_models
from evaluation.settings import CloningSettings
from tests.synthesizer.vits.toy import toy_vits
from tests.toy_models import TOY_SPACE, speech_like, toy_encoder, toy_synthesizer, toy_vocoder
from vocoder.griffin_lim.inference import GriffinLimVocoder


@pytest.fixture(scope="module")
def models():
    synthesizer = toy_synthesizer()
    vocoders = {"one": GriffinLimVocoder(iterations=4), "two": toy_vocoder()}
    return {label: TwoStage(synthesizer, vocoder) for label, vocoder in vocoders.items()}


@pytest.fixture(scope="module")
def voice() -> Voice:
    return Voice(toy_encoder().embed(speech_like()), TOY_SPACE, name="ann", pitch=120.0)


def test_clones_are_the_samples_of_the_cloner(models, voice, monkeypatch):
    synthesizer = models["one"].synthesizer
    counted = Mock(wraps=synthesizer.synthesize)
    monkeypatch.setattr(synthesizer, "synthesize", counted)
    outputs = list(clone_outputs(models, [CloneJob("a", voice, "Hello there.", 3)], seed=7))
    assert counted.call_count == 1  # one mel for all vocoders
    assert [output.condition for output in outputs] == ["clone, one", "clone, two"]
    for output, model in zip(outputs, models.values(), strict=True):
        speech = VoiceCloner(toy_encoder(), model).speak("Hello there.", voice, SpeechOptions(seed=7))
        np.testing.assert_array_equal(output.wav, speech.wav)
        assert (output.key, output.voice, output.sentence) == ("a", "ann", 3)
        assert output.synthesis_seconds is not None and output.vocoder_seconds is not None
        assert len(output.attention) == 1 and output.attempts >= 1


def test_an_end_to_end_model_has_an_output_without_a_vocoder(voice, tmp_path):
    toy_encoder().save(tmp_path / "encoder.safetensors")
    toy_vits().save(tmp_path / "vits.safetensors")
    given = {"references": (tmp_path,), "sentences": tmp_path, "out": tmp_path / "report", "models": tmp_path}
    settings = CloningSettings(**given, synthesizer=tmp_path / "vits.safetensors", device="cpu")
    cloner, models = load_models(settings)
    assert list(models) == ["vits"]
    (output,) = clone_outputs(models, [CloneJob("a", voice, "Hello there.", 3)], seed=7)
    np.testing.assert_array_equal(output.wav, cloner.speak("Hello there.", voice, SpeechOptions(seed=7)).wav)
    _, both = load_models(replace(settings, vocoder=("griffin-lim",)))
    assert list(both) == ["vits", "griffin-lim"]


def test_outputs_are_measured_at_16_khz(models):
    natural = Output(NATURAL, "a", "low", "", 0, speech_like(1.0))
    assert natural.measured is natural.wav
    high = Output(NATURAL, "a", "low", "", 0, np.repeat(speech_like(1.0), 3), 48_000)
    assert len(high.measured) == 16_000
    copy = copy_output(high, "one", models["one"].vocoder, seed=0)
    assert copy.sample_rate == 16_000 and len(copy.wav) == pytest.approx(16_000, abs=200)
