"""The pitch predictor: F0 of each token, and its effect on decoding."""

import dataclasses

import numpy as np
import pytest
import torch

from modelfile.checkpoint import warm_start
from speech.errors import ConfigError
from synthesizer.batches import BatchConfig, collate
from synthesizer.options import EmbeddedVoice, SynthesisOptions
from synthesizer.tacotron.config import ATTENTION_KINDS, InferenceSettings
from synthesizer.tacotron.decoding import free_run
from synthesizer.tacotron.model import Tacotron2
from synthesizer.token_pitch import token_pitch
from tests.synthesizer.toy import SETTINGS, TEXTS, facade, sentences, toy_config, toy_store, toy_task, with_pitch

IDS = [np.arange(2, 9), np.arange(5, 30)]
VOICES = torch.nn.functional.normalize(torch.randn(2, 256, generator=torch.Generator().manual_seed(0)), dim=1).numpy()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return toy_store(tmp_path_factory.mktemp("store"))


def toy_model(kind: str = "dynamic-convolution", **changes) -> Tacotron2:
    torch.manual_seed(0)
    return Tacotron2(toy_config(attention=kind, pitch_predictor_size=8, **changes)).eval()


def test_tokens_are_interpolated_within_their_word():
    words = np.array([0, 0, 0, 1, 1, 2])
    pitch = token_pitch(np.array([[0, 1, 2], [5, 6, 7], [9, 9, 9]], np.float32), words)
    np.testing.assert_allclose(pitch, [0, 1, 2, 5.25, 6.75, 9], atol=1e-6)
    assert np.isnan(token_pitch(np.zeros((2, 3), np.float32), words)).all()  # different numbers of words


def test_untrained_pitch_predictor_changes_nothing():
    plain = Tacotron2(toy_config()).eval().requires_grad_(False)
    model = toy_model()
    left = warm_start(model, plain.state_dict())
    assert left and all(name.startswith("pitch_predictor.") for name in left)
    for engine in ("auto", "torch"):
        before, after = (free_run(each, sentences(IDS, VOICES), SETTINGS, engine=engine) for each in (plain, model))
        for ours, theirs in zip(after, before, strict=True):
            np.testing.assert_array_equal(ours.mel, theirs.mel)


@pytest.mark.parametrize("kind", ATTENTION_KINDS)
def test_compiled_decoder_equals_the_reference(kind):
    model = with_pitch(toy_model(kind))
    compiled, reference = (
        free_run(model, sentences(IDS, VOICES), SETTINGS, engine=engine) for engine in ("auto", "torch")
    )
    flat = free_run(model, sentences(IDS, VOICES), InferenceSettings(pitch_predictor_emphasis=0.0))
    for ours, theirs, without in zip(compiled, reference, flat, strict=True):
        assert ours.mel.shape == theirs.mel.shape
        np.testing.assert_allclose(ours.mel, theirs.mel, atol=0.05)
        steps = min(ours.mel.shape[1], without.mel.shape[1])
        assert np.abs(ours.mel[:, :steps] - without.mel[:, :steps]).max() > 0.01


def test_pitch_range_scales_the_contour_of_each_sentence():
    model = with_pitch(toy_model())
    for engine in ("auto", "torch"):
        once, twice, mixed = (
            free_run(model, sentences(IDS, VOICES, pitch_ranges=scales), SETTINGS, engine=engine)
            for scales in ([1.0, 1.0], [2.0, 2.0], [1.0, 2.0])
        )
        np.testing.assert_array_equal(mixed[0].alignment, once[0].alignment)
        assert mixed[1].mel.shape == twice[1].mel.shape
        np.testing.assert_allclose(mixed[1].mel, twice[1].mel, atol=1e-4)
        steps = min(once[1].mel.shape[1], twice[1].mel.shape[1])
        assert np.abs(once[1].mel[:, :steps] - twice[1].mel[:, :steps]).max() > 0.01


def test_pitch_range_of_the_facade_reaches_the_decoder():
    model = with_pitch(toy_model())
    synthesizer, voice = facade(model), VOICES[0]
    usual, flat = (
        synthesizer.synthesize("Yes.", EmbeddedVoice(voice), SynthesisOptions(pitch_range=scale)).mel
        for scale in (1.0, 0.0)
    )
    assert flat.shape != usual.shape or np.abs(flat - usual).max() > 1e-3
    with pytest.raises(ConfigError, match="Pitch range"):
        SynthesisOptions(pitch_range=3.5)


def test_known_pitch_replaces_the_prediction():
    model = with_pitch(toy_model())
    memory, speaker = torch.randn(1, 6, 16), torch.randn(1, 8)
    mask = torch.ones(1, 6, dtype=torch.bool)
    own, predicted = model.add_pitch(memory, speaker, mask)
    unknown = torch.full((1, 6), float("nan"))
    torch.testing.assert_close(model.add_pitch(memory, speaker, mask, unknown)[0], own)
    torch.testing.assert_close(model.add_pitch(memory, speaker, mask, predicted.detach())[0], own)
    assert not torch.allclose(model.add_pitch(memory, speaker, mask, torch.zeros(1, 6))[0], own)


def test_one_step_trains_the_pitch_predictor(store):
    torch.manual_seed(0)
    task = toy_task(Tacotron2(toy_config(pitch_predictor_size=8)), store)
    batch = collate(store, [0, 1, 2], BatchConfig(), 4, None)
    assert batch.pitch[0].isnan().all() and batch.pitch[2].isnan().all()  # not in the store
    words = len(TEXTS[1].split())
    assert words <= int((~batch.pitch[1].isnan()).sum()) == int(batch.symbol_lengths[1])
    losses = task.step(batch, 0, torch.Generator().manual_seed(0))
    assert losses["pitch"].item() > 0
    losses["loss"].backward()
    assert [name for name, weight in task.network.named_parameters() if weight.grad is None] == []
    weight = dict(task.network.named_parameters())["pitch_predictor.from_pitch.weight"]
    assert weight.grad is not None and weight.grad.abs().sum() > 0


def test_prenet_blur_hides_harmonics():
    model = toy_model(prenet_blur=3.5)
    comb = torch.full((1, 80), -1.0)
    comb[:, ::4] = 1.0
    other = comb.roll(2, 1)
    masks = torch.ones(1, 28)
    fed = [model.prenet(frame, masks) for frame in (comb, other)]
    sharp = [toy_model().prenet(frame, masks) for frame in (comb, other)]
    assert (fed[0] - fed[1]).abs().max() < 0.25 * (sharp[0] - sharp[1]).abs().max()
    results = (free_run(model, sentences(IDS, VOICES), SETTINGS, engine=engine) for engine in ("auto", "torch"))
    for ours, theirs in zip(*results, strict=True):
        assert ours.mel.shape == theirs.mel.shape
        np.testing.assert_allclose(ours.mel, theirs.mel, atol=0.05)


def test_bad_settings_are_refused():
    for sizes in ({"pitch_predictor_size": -1}, {"prenet_blur": -1.0}):
        with pytest.raises(ConfigError, match=r"pitch_predictor|prenet_blur"):
            dataclasses.replace(toy_config(), **sizes)
    for emphasis in (-0.5, 9.0):
        with pytest.raises(ConfigError, match="pitch_predictor_emphasis"):
            InferenceSettings(pitch_predictor_emphasis=emphasis)
