"""Audio of validations for TensorBoard."""

import numpy as np
import pytest
import torch

from speech.mel_config import MelConfig
from synthesizer.tacotron.model import Tacotron2
from synthesizer.validation_audio import AUDIO_CLIPS, MAX_SECONDS, ValidationAudio
from tests.synthesizer.toy import toy_config, toy_run, toy_store, toy_task
from train_synth import vocode


def test_a_validation_has_audio_of_free_running_sentences(tmp_path) -> None:
    lengths = []

    def vocode_and_note(mel: np.ndarray, config: MelConfig) -> np.ndarray:
        lengths.append(mel.shape[1] * config.hop_length)
        return vocode(mel, config)

    model, store, run = Tacotron2(toy_config()).eval(), toy_store(tmp_path), toy_run()
    states = []
    for task in (toy_task(model, store), toy_task(model, store, vocode=vocode_and_note)):
        torch.manual_seed(0)
        task.validate(7, run)
        states.append(torch.random.get_rng_state())
    assert torch.equal(*states)
    assert list(run.audio) == [(f"audio/{number}", 7, 16_000) for number in range(AUDIO_CLIPS)]
    assert [len(wav) for wav in run.audio.values()] == lengths
    assert all(np.isfinite(wav).all() and np.abs(wav).max() > 0 for wav in run.audio.values())


def test_audio_of_a_24_khz_model() -> None:
    config = MelConfig(sample_rate=24_000, n_fft=1200, win_length=1200, hop_length=300, fmax=11_000)
    run = toy_run()
    ValidationAudio(vocode, config).write(run, "a", np.linspace(-5, 5, 80 * 9).reshape(80, 9), 1)
    assert {key: len(wav) for key, wav in run.audio.items()} == {("a", 1, 24_000): 2700}


@pytest.mark.parametrize("mel", [np.zeros((80, 0)), np.full((80, 4), np.nan), np.full((80, 4), np.inf)])
def test_mels_without_audio(mel: np.ndarray) -> None:
    run = toy_run()
    ValidationAudio(vocode, MelConfig()).write(run, "a", mel, 1)
    assert not run.audio


def test_long_mels_are_cut() -> None:
    run = toy_run()
    audio = ValidationAudio(lambda mel, config: np.zeros(mel.shape[1]), MelConfig())
    audio.write(run, "a", np.zeros((80, 5000)), 1)
    assert [len(wav) for wav in run.audio.values()] == [80 * MAX_SECONDS]
