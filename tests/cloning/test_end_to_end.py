"""A synthesizer that generates audio itself, behind the facades that two stages have."""

import shutil

import numpy as np
import pytest

from cloning import EndToEnd, ModelFiles, SpeechOptions, Voice, VoiceCloner
from cloning.models import load_speech_model
from cloning.monitor import Monitor
from speech.errors import ConfigError, WorkCancelled
from tests.synthesizer.vits.toy import toy_vits
from tests.toy_models import EMBEDDING_SIZE, TOY_SPACE, save_toy_models, toy_encoder, toy_synthesizer

TEXT = "Hello there. Good morning!"
VOICE = Voice(np.full(EMBEDDING_SIZE, EMBEDDING_SIZE**-0.5, np.float32), TOY_SPACE, name="ann")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Models without a vocoder."""
    folder = tmp_path_factory.mktemp("models")
    toy_encoder().save(folder / "encoder.safetensors")
    toy_vits().save(folder / "synthesizer.safetensors")
    return folder


@pytest.fixture(scope="module")
def cloner(folder):
    return VoiceCloner.load(folder, device="cpu")


def test_a_folder_without_a_vocoder_is_enough(folder, cloner):
    assert isinstance(cloner.model, EndToEnd)
    assert ModelFiles.find(folder).digests()["vocoder"] == "no file"


def test_speech_has_audio_mel_and_alignment(cloner):
    speech = cloner.speak(TEXT, VOICE, seed=1)
    assert speech.wav.size == 200 * speech.mel.shape[1] and len(speech.sentences) == 2
    assert np.isfinite(speech.wav).all() and speech.alignment.shape == (len(speech.tokens), speech.mel.shape[1])


def test_a_stream_has_the_samples_of_the_whole(cloner):
    stream = cloner.stream(TEXT, VOICE, SpeechOptions(seed=1))
    chunks = [*stream]
    assert max(map(len, chunks)) <= 1600
    whole = cloner.speak(TEXT, VOICE, SpeechOptions(seed=1))
    np.testing.assert_array_equal(np.concatenate(chunks), whole.wav)
    np.testing.assert_array_equal(stream.speech.mel, whole.mel)


def test_raw_chunks_are_those_of_the_synthesis(cloner):
    options = SpeechOptions(seed=1)
    synthesis = cloner.model.synthesize(TEXT, VOICE, options)
    chunks = [*cloner.model.stream(TEXT, VOICE, options)]
    np.testing.assert_array_equal(np.concatenate(chunks), synthesis.wav)
    np.testing.assert_array_equal(np.concatenate([*cloner.model.audio_of(synthesis, 1)]), synthesis.wav)


def test_work_can_be_cancelled(cloner):
    with pytest.raises(WorkCancelled):
        cloner.speak(TEXT, VOICE, monitor=Monitor(cancelled=lambda: True))


def test_a_vocoder_that_is_not_used_is_named_in_a_warning(folder, tmp_path, caplog):
    models = save_toy_models(tmp_path / "models")
    shutil.copy(folder / "synthesizer.safetensors", models / "synthesizer.safetensors")
    assert ModelFiles.find(models).vocoder is None
    files = ModelFiles.find(models, vocoder=models / "vocoder.safetensors")
    assert isinstance(load_speech_model(files, "cpu"), EndToEnd)
    assert "is not used" in caplog.text


def test_a_synthesizer_of_mels_needs_a_vocoder():
    with pytest.raises(ConfigError, match="vocoder"):
        EndToEnd(toy_synthesizer())
