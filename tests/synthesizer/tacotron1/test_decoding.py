"""Free running: compiled equals PyTorch, window, changed weights."""

import numpy as np
import pytest
import torch

from modelfile.int8 import quantise_rows
from synthesizer.tacotron1.config import InferenceSettings
from synthesizer.tacotron1.decoding import Sentence, free_run
from synthesizer.tacotron1.model import Tacotron1
from tests.synthesizer.tacotron1.toy import toy_config

RNG = np.random.default_rng(0)
TEXTS = [RNG.integers(2, 60, size) for size in (1, 9, 30)]
VOICE = np.full(256, 1 / 16, np.float32)
ENGINES = ("auto", "torch")


def toy_model(**changes) -> Tacotron1:
    """With LSTM weights that int8 represents exactly."""
    torch.manual_seed(0)
    model = Tacotron1(toy_config(**changes)).eval().requires_grad_(False)
    for cell in (model.decoder.lstm1, model.decoder.lstm2):
        for weight in (cell.weight_ih, cell.weight_hh):
            values, scales = quantise_rows(weight)
            weight.copy_(values * scales[:, None])
    return model


@pytest.mark.parametrize("window", [None, (1, 3)])
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_compiled_decoder_equals_the_reference(factor: int, window) -> None:
    model, settings = toy_model(), InferenceSettings(factor)
    for seed, text in enumerate(TEXTS):
        ours, theirs = (
            free_run(model, Sentence(text, VOICE, seed), settings, window=window, most_steps=40, engine=engine)  # type: ignore[arg-type]
            for engine in ENGINES
        )
        assert ours.stopped == theirs.stopped and ours.mel.shape == theirs.mel.shape
        torch.testing.assert_close(ours.alignment, theirs.alignment, atol=1e-4, rtol=0)
        torch.testing.assert_close(ours.frames, theirs.frames, atol=1e-3, rtol=0)
        torch.testing.assert_close(ours.mel, theirs.mel, atol=1e-3, rtol=0)


def test_blocks_of_steps_do_not_matter(monkeypatch) -> None:
    model, settings = toy_model(), InferenceSettings(2)
    runs = []
    for steps in (16, 3):
        monkeypatch.setattr("synthesizer.tacotron1.decoding.STEPS_AT_ONCE", steps)
        runs.append(free_run(model, Sentence(TEXTS[1], VOICE, 0), settings, most_steps=20))
    assert torch.equal(runs[0].mel, runs[1].mel) and torch.equal(runs[0].alignment, runs[1].alignment)


def test_masks_are_those_of_single_steps() -> None:
    prenet = toy_model().decoder.prenet
    masks = prenet.draw_masks(3, torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(1)
    assert torch.equal(masks, torch.cat([prenet.draw_masks(1, generator) for _ in range(3)]))
    frames = torch.randn(1, 80)
    first, second = masks[0].split([16, 12])
    expected = torch.relu(prenet.second(torch.relu(prenet.first(frames)) * first)) * second
    torch.testing.assert_close(prenet(frames, torch.Generator().manual_seed(1)), expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_attention_stays_within_its_window(engine) -> None:
    run = free_run(
        toy_model(), Sentence(TEXTS[2], VOICE, 0), InferenceSettings(2), window=(1, 2), most_steps=30, engine=engine
    )
    focus = 0
    for weights in run.alignment.T.numpy():
        seen = np.flatnonzero(weights)
        assert focus - 1 <= seen.min() and seen.max() <= focus + 2
        assert weights.sum() == pytest.approx(1, abs=1e-5)
        focus = int(weights.argmax())


def test_changed_weights_are_compiled_again() -> None:
    model, settings = toy_model(), InferenceSettings(2)
    before = free_run(model, Sentence(TEXTS[1], VOICE, 0), settings, most_steps=8)
    assert model.compiled_copy is not None
    model.decoder.to_frames.weight.mul_(2.0)
    after = free_run(model, Sentence(TEXTS[1], VOICE, 0), settings, most_steps=8)
    assert (before.frames - after.frames).abs().max() > 0.01


def test_model_in_training_keeps_no_compiled_copy() -> None:
    model = toy_model().requires_grad_(True)
    free_run(model, Sentence(TEXTS[0], VOICE, 0), InferenceSettings(2), most_steps=2)
    assert model.compiled_copy is None
