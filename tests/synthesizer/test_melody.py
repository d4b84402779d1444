"""The melody: where each token gets its pitch from, and what the network makes of it."""

import dataclasses

import numpy as np
import pytest
import torch

from modelfile.checkpoint import warm_start
from speech.errors import ConfigError
from synthesizer import Synthesizer
from synthesizer.options import EmbeddedVoice, SynthesisOptions
from synthesizer.tacotron.config import ATTENTION_KINDS
from synthesizer.tacotron.data import BatchConfig, collate
from synthesizer.tacotron.decoding import free_run
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.pitch_predictor import token_melody
from synthesizer.tacotron.task import LossConfig, SynthesizerTask
from tests.synthesizer.toy import TEXTS, toy_config, toy_store, with_melody

IDS = [np.arange(2, 9), np.arange(5, 30)]
VOICES = torch.nn.functional.normalize(torch.randn(2, 256, generator=torch.Generator().manual_seed(0)), dim=1).numpy()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return toy_store(tmp_path_factory.mktemp("store"))


def toy_model(kind: str = "dynamic-convolution", **changes) -> Tacotron2:
    torch.manual_seed(0)
    return Tacotron2(toy_config(attention=kind, melody_size=8, **changes)).eval()


def test_tokens_have_the_pitch_of_their_place_in_the_word():
    words = np.array([0, 0, 0, 1, 1, 2])
    melody = token_melody(np.array([[0, 1, 2], [5, 6, 7], [9, 9, 9]], np.float32), words)
    np.testing.assert_allclose(melody, [0, 1, 2, 5.25, 6.75, 9], atol=1e-6)
    assert np.isnan(token_melody(np.zeros((2, 3), np.float32), words)).all()  # the words do not match


def test_a_model_that_has_no_melody_yet_goes_on_as_it_was():
    plain = Tacotron2(toy_config()).eval().requires_grad_(False)
    model = toy_model()
    left = warm_start(model, plain.state_dict())
    assert left and all(name.startswith("melody.") for name in left)
    for engine in ("auto", "torch"):
        before, after = (free_run(each, IDS, VOICES, [0, 1], engine=engine) for each in (plain, model))
        for ours, theirs in zip(after, before, strict=True):
            np.testing.assert_array_equal(ours.mel, theirs.mel)


@pytest.mark.parametrize("kind", ATTENTION_KINDS)
def test_what_runs_compiled_has_the_melody_too(kind):
    model = with_melody(toy_model(kind))
    compiled, reference = (free_run(model, IDS, VOICES, [0, 1], engine=engine) for engine in ("auto", "torch"))
    flat = with_melody(toy_model(kind, melody_emphasis=0.0))
    silent = free_run(flat, IDS, VOICES, [0, 1])
    for ours, theirs, without in zip(compiled, reference, silent, strict=True):
        assert ours.mel.shape == theirs.mel.shape
        np.testing.assert_allclose(ours.mel, theirs.mel, atol=0.05)
        steps = min(ours.mel.shape[1], without.mel.shape[1])
        assert np.abs(ours.mel[:, :steps] - without.mel[:, :steps]).max() > 0.01


def test_expression_scales_the_melody_of_each_sentence():
    model = with_melody(toy_model())
    for engine in ("auto", "torch"):
        once, twice, mixed = (
            free_run(model, IDS, VOICES, [0, 1], engine=engine, pitch_ranges=scales)
            for scales in ([1.0, 1.0], [2.0, 2.0], [1.0, 2.0])
        )
        np.testing.assert_array_equal(mixed[0].alignment, once[0].alignment)
        assert mixed[1].mel.shape == twice[1].mel.shape
        np.testing.assert_allclose(mixed[1].mel, twice[1].mel, atol=1e-4)
        steps = min(once[1].mel.shape[1], twice[1].mel.shape[1])
        assert np.abs(once[1].mel[:, :steps] - twice[1].mel[:, :steps]).max() > 0.01


def test_the_expression_reaches_the_decoder_from_the_facade():
    model = with_melody(toy_model())
    synthesizer, voice = Synthesizer(model, embedding_space="toy"), VOICES[0]
    usual, flat = (
        synthesizer.synthesize("Yes.", EmbeddedVoice(voice), SynthesisOptions(pitch_range=scale)).mel
        for scale in (1.0, 0.0)
    )
    assert flat.shape != usual.shape or np.abs(flat - usual).max() > 1e-3
    with pytest.raises(ConfigError, match="Pitch range"):
        SynthesisOptions(pitch_range=3.5)


def test_what_is_known_is_told_and_the_rest_predicted():
    model = with_melody(toy_model())
    memory, speaker = torch.randn(1, 6, 16), torch.randn(1, 8)
    mask = torch.ones(1, 6, dtype=torch.bool)
    own, predicted = model.intone(memory, speaker, mask)
    unknown = torch.full((1, 6), float("nan"))
    torch.testing.assert_close(model.intone(memory, speaker, mask, unknown)[0], own)
    torch.testing.assert_close(model.intone(memory, speaker, mask, predicted.detach())[0], own)
    assert not torch.allclose(model.intone(memory, speaker, mask, torch.zeros(1, 6))[0], own)


def test_one_step_teaches_the_melody(store):
    torch.manual_seed(0)
    task = SynthesizerTask(Tacotron2(toy_config(melody_size=8)), store, BatchConfig(), LossConfig(), "toy")
    batch = collate(store, [0, 1, 2], BatchConfig(), 4, None)
    assert batch.melody[0].isnan().all() and batch.melody[2].isnan().all()  # the store does not know them
    words = len(TEXTS[1].split())
    assert words <= int((~batch.melody[1].isnan()).sum()) == int(batch.symbol_lengths[1])
    losses = task.step(batch, 0, torch.Generator().manual_seed(0))
    assert losses["melody"].item() > 0
    losses["loss"].backward()
    untaught = [name for name, weight in task.network.named_parameters() if weight.grad is None]
    assert untaught == []
    weight = dict(task.network.named_parameters())["melody.from_pitch.weight"]
    assert weight.grad is not None and weight.grad.abs().sum() > 0


def test_frames_fed_blurred_show_no_harmonics():
    model = toy_model(prenet_blur=3.5)
    comb = torch.full((1, 80), -1.0)
    comb[:, ::4] = 1.0
    other = comb.roll(2, 1)
    masks = torch.ones(1, 28)
    fed = [model.prenet(frame, masks) for frame in (comb, other)]
    sharp = [toy_model().prenet(frame, masks) for frame in (comb, other)]
    assert (fed[0] - fed[1]).abs().max() < 0.25 * (sharp[0] - sharp[1]).abs().max()
    for ours, theirs in zip(*(free_run(model, IDS, VOICES, [0, 1], engine=e) for e in ("auto", "torch")), strict=True):
        assert ours.mel.shape == theirs.mel.shape
        np.testing.assert_allclose(ours.mel, theirs.mel, atol=0.05)


def test_bad_settings_are_refused():
    for wrong in ({"melody_size": -1}, {"melody_emphasis": -0.5}, {"melody_emphasis": 9.0}, {"prenet_blur": -1.0}):
        with pytest.raises(ConfigError, match=r"melody|prenet_blur"):
            dataclasses.replace(toy_config(), **wrong)
