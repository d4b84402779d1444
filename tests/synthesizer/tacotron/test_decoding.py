"""Free running: compiled equals PyTorch, alone equals batch, window, cancellation."""

import numpy as np
import pytest
import torch

from modelfile.int8 import quantise_rows
from speech.errors import WorkCancelled
from synthesizer.decoding_check import Decoded
from synthesizer.stopping import step_limit
from synthesizer.tacotron.config import ATTENTION_KINDS, InferenceSettings
from synthesizer.tacotron.decoding import STEPS_AT_ONCE, free_run
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.variance import LEAST_FRAMES, restore_variance
from tests.synthesizer.toy import SETTINGS, sentences, toy_config

RNG = np.random.default_rng(0)
TEXTS = [RNG.integers(2, 60, size) for size in (5, 20, 9, 14, 3, 30, 11, 7)]
VOICES = torch.nn.functional.normalize(torch.randn(8, 256, generator=torch.Generator().manual_seed(0)), dim=1).numpy()
ENGINES = ("auto", "torch")


def toy_model(kind: str = "dynamic-convolution", **changes) -> Tacotron2:
    torch.manual_seed(0)
    return Tacotron2(toy_config(attention=kind, **changes)).eval().requires_grad_(False)


def with_rounded_weights(model: Tacotron2) -> Tacotron2:
    """Round the weights of its LSTMs to values that int8 represents exactly."""
    for cell in (model.attention_lstm, model.decoder_lstm):
        speaker = model.config.speaker_size
        for weight, width in ((cell.weight_ih, cell.weight_ih.shape[1] - speaker), (cell.weight_hh, cell.hidden_size)):
            values, scales = quantise_rows(weight[:, :width])
            weight[:, :width] = values * scales[:, None]
    return model


def decode(
    model: Tacotron2, rows: slice = slice(None), settings: InferenceSettings = SETTINGS, **options
) -> list[Decoded]:
    return free_run(model, sentences(TEXTS, VOICES)[rows], settings, **options)


@pytest.mark.parametrize("window", [None, (1, 3)])
@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("kind", ATTENTION_KINDS)
def test_compiled_decoder_equals_the_reference(kind: str, factor: int, window) -> None:
    model, settings = with_rounded_weights(toy_model(kind)), InferenceSettings(reduction_factor=factor)
    results = (decode(model, settings=settings, engine=engine, window=window) for engine in ENGINES)
    for ours, theirs in zip(*results, strict=True):
        assert ours.stopped == theirs.stopped and ours.mel.shape == theirs.mel.shape
        np.testing.assert_allclose(ours.alignment, theirs.alignment, atol=1e-3)
        np.testing.assert_allclose(ours.mel, theirs.mel, atol=5e-3)


@pytest.mark.parametrize("kind", ATTENTION_KINDS)
def test_compiled_result_is_identical_alone_and_in_a_batch(kind: str) -> None:
    model = toy_model(kind)
    together = decode(model)
    for k in range(8):
        alone = decode(model, slice(k, k + 1))[0]
        np.testing.assert_array_equal(alone.mel, together[k].mel)
        np.testing.assert_array_equal(alone.alignment, together[k].alignment)


def test_reference_result_is_the_same_alone_and_in_a_batch() -> None:
    model = toy_model()
    together = decode(model, engine="torch")
    for k in (0, 4, 5):
        alone = decode(model, slice(k, k + 1), engine="torch")[0]
        np.testing.assert_allclose(alone.mel, together[k].mel, atol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_unrefined_output_is_the_input_of_the_postnet(engine) -> None:
    model = toy_model()
    for plain, refined in zip(decode(model, engine=engine, stage="decoder"), decode(model, engine=engine), strict=True):
        frames = torch.from_numpy(plain.mel.T.copy())[None]
        whole = frames + model.postnet(frames, torch.ones(frames.shape[:2], dtype=torch.bool))
        np.testing.assert_allclose(whole[0].T.clamp(-4, 4), refined.mel, atol=1e-3)
        np.testing.assert_array_equal(plain.alignment, refined.alignment)


@pytest.mark.parametrize("engine", ENGINES)
def test_seed_determines_the_result(engine) -> None:
    model = toy_model()
    first, again, other = (
        free_run(model, sentences(TEXTS[:1], VOICES[:1], [seed]), SETTINGS, engine=engine)[0].mel for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ATTENTION_KINDS)
def test_padding_gets_no_attention(kind: str, engine) -> None:
    for text, decoded in zip(TEXTS, decode(toy_model(kind), engine=engine), strict=True):
        assert decoded.alignment.shape[0] == len(text)
        np.testing.assert_allclose(decoded.alignment.sum(0), 1, atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("window", [(0, 1), (2, 4)])
@pytest.mark.parametrize("kind", ATTENTION_KINDS)
def test_attention_stays_within_its_window(kind: str, window, engine) -> None:
    for decoded in decode(toy_model(kind), window=window, engine=engine):
        focus = 0
        for weights in decoded.alignment.T:
            seen = np.flatnonzero(weights)
            assert focus - window[0] <= seen.min() and seen.max() <= focus + window[1]
            focus = int(weights.argmax())


def test_changed_weights_are_compiled_again() -> None:
    model = toy_model()
    before = decode(model, slice(1))[0]
    assert model.compiled_copy is not None
    model.to_frames.bias.add_(0.5)
    after = decode(model, slice(1))[0]
    assert before.mel.shape != after.mel.shape or np.abs(before.mel - after.mel).max() > 0.1


def test_model_in_training_keeps_no_compiled_copy() -> None:
    model = toy_model().requires_grad_(True)
    decode(model, slice(1))
    assert model.compiled_copy is None
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("engine", ENGINES)
def test_progress_counts_decoder_steps(engine) -> None:
    model = toy_model()
    seen: list[tuple[int, int]] = []
    model.to_stop.bias.fill_(-1e3)
    (decoded,) = decode(model, slice(4, 5), progress=lambda *done: seen.append(done), engine=engine)
    most = step_limit(model.config.mel, 4, 3)
    assert [steps for steps, _ in seen] == sorted({steps for steps, _ in seen})
    assert {total for _, total in seen} == {most}
    assert decoded.alignment.shape[1] <= seen[-1][0] <= most


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("answers", [1, 3, 6])
def test_cancelling_leaves_the_model_usable(answers: int, engine) -> None:
    model = toy_model()
    asked: list[None] = []
    before = decode(model, slice(1), engine=engine)[0].mel

    def cancelled() -> bool:
        asked.append(None)
        return len(asked) >= answers

    with pytest.raises(WorkCancelled):
        decode(model, engine=engine, cancelled=cancelled)
    assert len(asked) == answers
    np.testing.assert_array_equal(before, decode(model, slice(1), engine=engine)[0].mel)


def test_cancelled_is_polled_every_few_steps() -> None:
    model = toy_model()
    model.to_stop.bias.fill_(-1e3)
    polls: list[None] = []

    def cancelled() -> bool:
        polls.append(None)
        return False

    decode(model, slice(5, 6), cancelled=cancelled)
    assert len(polls) > step_limit(model.config.mel, 4, 30) / STEPS_AT_ONCE / 4


def test_reduction_factor_is_a_setting_of_the_run() -> None:
    model = toy_model()
    frames = [decode(model, slice(1), InferenceSettings(reduction_factor=factor))[0] for factor in (4, 2, 4)]
    for factor, result in zip((4, 2, 4), frames, strict=True):
        assert result.mel.shape[1] == factor * result.alignment.shape[1]
    np.testing.assert_array_equal(frames[0].mel, frames[2].mel)


@pytest.mark.parametrize("engine", ENGINES)
def test_variance_is_restored(engine) -> None:
    """With gains of 1.5 in every band, the mel varies 1.5 times as much around its mean."""
    model = toy_model()
    rows = slice(5, 6)
    (plain,) = decode(model, rows, engine=engine)
    gains = (1.5,) * model.config.mel.n_mels
    (restored,) = decode(model, rows, InferenceSettings(variance_gains=gains), engine=engine)
    assert plain.mel.shape[1] >= LEAST_FRAMES and restored.mel.std() > plain.mel.std()
    np.testing.assert_allclose(restored.mel, restore_variance(plain.mel, gains), atol=1e-6)
