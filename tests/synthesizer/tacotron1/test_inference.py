"""The facade: same results by seed, stopping, silence at the end, files."""

import numpy as np
import pytest
import torch

from speech.errors import ModelFileError, TextError, WorkCancelled
from synthesizer import Synthesizer
from synthesizer.options import EmbeddedVoice
from synthesizer.stopping import step_limit
from synthesizer.tacotron1.config import InferenceSettings
from synthesizer.tacotron1.decoding import FreeRun, Sentence, finished, free_run
from tests.synthesizer.tacotron1.toy import toy_synthesizer


@pytest.fixture(scope="module")
def synthesizer():
    return toy_synthesizer()


@pytest.fixture(scope="module")
def voice():
    return EmbeddedVoice(np.full(256, 1 / 16, np.float32))


def sentence(seed=0, length=6):
    return Sentence(np.full(length, 40), np.full(256, 1 / 16, np.float32), seed)


def test_the_seed_decides(synthesizer):
    settings = synthesizer.config.inference
    runs = [free_run(synthesizer.model, sentence(seed), settings, most_steps=6).mel for seed in (1, 1, 2)]
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])


@pytest.mark.parametrize(("bias", "steps"), [(50.0, 6), (-50.0, 61)])
def test_it_stops_by_itself_or_at_the_limit(bias, steps):
    synthesizer = toy_synthesizer(prenet_dropout=0.0)
    with torch.no_grad():
        synthesizer.model.decoder.to_stop.bias.fill_(bias)
        # attention stays on the first of all tokens, so that resting at the end does not stop it
        synthesizer.model.decoder.attention.energy.weight.zero_()
    settings = synthesizer.config.inference
    limit = step_limit(synthesizer.mel_config, settings.reduction_factor, 6)
    assert limit == 109
    run = free_run(synthesizer.model, sentence(), settings, most_steps=61)
    # the stop token counts from the first step after frame 10 on
    assert run.stopped == (bias > 0) and run.alignment.shape == (6, steps + 1 if bias > 0 else steps)


def test_resting_on_the_end_symbol_stops_it():
    synthesizer = toy_synthesizer()
    with torch.no_grad():
        synthesizer.model.decoder.to_stop.bias.fill_(-50.0)
    run = free_run(synthesizer.model, sentence(length=1), synthesizer.config.inference)
    assert run.stopped and run.alignment.shape == (1, 16)  # 0.4 s


def test_silence_at_the_end_is_cut_off():
    mel = torch.full((1, 12, 80), -3.9)
    mel[0, 4] = 9.0
    decoded = finished(FreeRun(mel, mel, torch.ones(3, 6), True), InferenceSettings(2, -3.4), 4.0)
    assert decoded.mel.shape == (80, 6) and decoded.alignment.shape == (3, 3) and decoded.mel.max() == 4.0
    silent = finished(FreeRun(mel, mel[:, :4], torch.ones(3, 6), True), InferenceSettings(2, -3.4), 4.0)
    assert silent.mel.shape == (80, 2)


def test_a_text_is_synthesized(synthesizer, voice):
    spoken = synthesizer.synthesize("Hello there, Dr. Smith.", voice, seed=3)
    assert spoken.mel.shape[0] == 80 and np.isfinite(spoken.mel).all() and np.abs(spoken.mel).max() <= 4
    assert [sentence.text for sentence in spoken.sentences] == ["hello there, doctor smith."]
    assert spoken.alignment.shape[0] == len(spoken.tokens)
    parts = list(synthesizer.stream("Hello there, Dr. Smith.", voice, seed=3))
    np.testing.assert_array_equal(np.concatenate([part.mel for part in parts], 1), spoken.mel)


def test_bad_input(synthesizer, voice):
    with pytest.raises(TextError):
        synthesizer.synthesize("...", voice)
    with pytest.raises(TextError, match="letters only"):
        synthesizer.synthesize("Say {HH AH0 L OW1}.", voice)
    with pytest.raises(WorkCancelled):
        synthesizer.synthesize("Hello.", voice, cancelled=lambda: True)


def test_a_recording_is_aligned_by_teacher_forcing(synthesizer, voice):
    mel = np.random.default_rng(0).uniform(-4, 4, (80, 21)).astype(np.float32)
    aligned = synthesizer.align("Hello there.", mel, voice, "clip")
    assert aligned.mel.shape == mel.shape and aligned.alignment.shape == (13, 11)
    np.testing.assert_array_equal(aligned.mel, synthesizer.align("Hello there.", mel, voice, "clip").mel)


def test_a_file_gives_the_same_mel(synthesizer, voice, tmp_path):
    path = tmp_path / "toy.safetensors"
    synthesizer.save(path)
    loaded = Synthesizer.load(path)
    assert (loaded.step, loaded.licence, loaded.embedding_space) == (7, "CC0", "toy")
    np.testing.assert_array_equal(
        loaded.synthesize("Hello.", voice, seed=1).mel, synthesizer.synthesize("Hello.", voice, seed=1).mel
    )
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelFileError):
        Synthesizer.load(path)
