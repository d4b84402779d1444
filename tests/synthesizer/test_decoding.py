"""Free running: compiled as in PyTorch, alone as in a batch, within its window, and cancelled in time."""

import dataclasses
import time

import numpy as np
import pytest
import torch

from synthesizer.tacotron.config import ATTENTION_KINDS, SynthesizerConfig
from synthesizer.tacotron.decoder_layout import to_levels
from synthesizer.tacotron.decoding import Decoded, DecodingCancelled, free_run, step_limit
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.variance import LEAST_FRAMES, restore_variance
from tests.synthesizer.toy import toy_config

RNG = np.random.default_rng(0)
TEXTS = [RNG.integers(2, 60, size) for size in (5, 20, 9, 14, 3, 30, 11, 7)]
VOICES = torch.nn.functional.normalize(torch.randn(8, 256, generator=torch.Generator().manual_seed(0)), dim=1).numpy()
ENGINES = ("auto", "torch")


def toy_model(kind: str = "dynamic-convolution", **changes) -> Tacotron2:
    torch.manual_seed(0)
    return Tacotron2(toy_config(attention=kind, **changes)).eval().requires_grad_(False)


def with_rounded_weights(model: Tacotron2) -> Tacotron2:
    """The products of its LSTMs use weights that eight-bit levels hold exactly."""
    for cell in (model.attention_lstm, model.decoder_lstm):
        speaker = model.config.speaker_size
        for weight, width in ((cell.weight_ih, cell.weight_ih.shape[1] - speaker), (cell.weight_hh, cell.hidden_size)):
            levels, steps = to_levels(weight[:, :width])
            weight[:, :width] = torch.from_numpy(levels * steps[:, None])
    return model


def speak(model: Tacotron2, rows: slice = slice(None), **settings) -> list[Decoded]:
    return free_run(model, TEXTS[rows], VOICES[rows], list(range(8))[rows], **settings)


@pytest.mark.parametrize("window", [None, (1, 3)])
@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("kind", ATTENTION_KINDS)
def test_the_compiled_decoder_is_the_reference(kind: str, factor: int, window) -> None:
    model = with_rounded_weights(toy_model(kind, reduction_factor=factor))
    for ours, theirs in zip(*(speak(model, engine=engine, window=window) for engine in ENGINES), strict=True):
        assert ours.stopped == theirs.stopped and ours.mel.shape == theirs.mel.shape
        np.testing.assert_allclose(ours.alignment, theirs.alignment, atol=1e-3)
        np.testing.assert_allclose(ours.mel, theirs.mel, atol=5e-3)


@pytest.mark.parametrize("kind", ATTENTION_KINDS)
def test_a_sentence_is_the_same_to_the_last_bit_alone_and_among_eight(kind: str) -> None:
    model = toy_model(kind)
    together = speak(model)
    for k in range(8):
        alone = speak(model, slice(k, k + 1))[0]
        np.testing.assert_array_equal(alone.mel, together[k].mel)
        np.testing.assert_array_equal(alone.alignment, together[k].alignment)


def test_the_reference_gives_the_same_alone_and_among_eight() -> None:
    model = toy_model()
    together = speak(model, engine="torch")
    for k in (0, 4, 5):
        alone = speak(model, slice(k, k + 1), engine="torch")[0]
        np.testing.assert_allclose(alone.mel, together[k].mel, atol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_unrefined_frames_are_what_the_postnet_refines(engine) -> None:
    model = toy_model()
    for plain, refined in zip(speak(model, engine=engine, refined=False), speak(model, engine=engine), strict=True):
        frames = torch.from_numpy(plain.mel.T.copy())[None]
        whole = frames + model.postnet(frames, torch.ones(frames.shape[:2], dtype=torch.bool))
        np.testing.assert_allclose(whole[0].T.clamp(-4, 4), refined.mel, atol=1e-3)
        np.testing.assert_array_equal(plain.alignment, refined.alignment)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_seed_decides(engine) -> None:
    model = toy_model()
    first, again, other = (free_run(model, TEXTS[:1], VOICES[:1], [seed], engine=engine)[0].mel for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ATTENTION_KINDS)
def test_all_attention_is_on_the_texts_own_tokens(kind: str, engine) -> None:
    for text, decoded in zip(TEXTS, speak(toy_model(kind), engine=engine), strict=True):
        assert decoded.alignment.shape[0] == len(text)
        np.testing.assert_allclose(decoded.alignment.sum(0), 1, atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("window", [(0, 1), (2, 4)])
@pytest.mark.parametrize("kind", ATTENTION_KINDS)
def test_attention_keeps_within_its_window(kind: str, window, engine) -> None:
    for decoded in speak(toy_model(kind), window=window, engine=engine):
        focus = 0
        for weights in decoded.alignment.T:
            seen = np.flatnonzero(weights)
            assert focus - window[0] <= seen.min() and seen.max() <= focus + window[1]
            focus = int(weights.argmax())


def test_frozen_weights_that_change_are_noticed() -> None:
    model = toy_model()
    before = speak(model, slice(1))[0]
    assert model.fast_decoder is not None
    model.to_frames.bias.add_(0.5)
    after = speak(model, slice(1))[0]
    assert before.mel.shape != after.mel.shape or np.abs(before.mel - after.mel).max() > 0.1


def test_a_model_in_training_keeps_no_copy() -> None:
    model = toy_model().requires_grad_(True)
    speak(model, slice(1))
    assert model.fast_decoder is None
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("engine", ENGINES)
def test_progress_counts_up_to_the_most_steps(engine) -> None:
    model = toy_model()
    seen: list[tuple[int, int]] = []
    model.to_stop.bias.fill_(-1e3)
    (decoded,) = speak(model, slice(4, 5), progress=lambda *done: seen.append(done), engine=engine)
    most = step_limit(model, 3)
    assert [steps for steps, _ in seen] == sorted({steps for steps, _ in seen})
    assert {total for _, total in seen} == {most}
    assert decoded.alignment.shape[1] <= seen[-1][0] <= most


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("answers", [1, 3, 6])
def test_a_cancelled_run_ends_and_leaves_the_model_usable(answers: int, engine) -> None:
    model = toy_model()
    asked: list[None] = []
    before = speak(model, slice(1), engine=engine)[0].mel

    def cancelled() -> bool:
        asked.append(None)
        return len(asked) >= answers

    with pytest.raises(DecodingCancelled):
        speak(model, engine=engine, cancelled=cancelled)
    assert len(asked) == answers
    np.testing.assert_array_equal(before, speak(model, slice(1), engine=engine)[0].mel)


def test_cancelled_is_asked_every_50_ms() -> None:
    torch.manual_seed(0)
    model = Tacotron2(SynthesizerConfig()).eval().requires_grad_(False)
    texts = [RNG.integers(2, 60, 120) for _ in range(8)]
    times: list[float] = []

    def cancelled() -> bool:
        times.append(time.thread_time())
        return False

    free_run(model, texts[:1], VOICES[:1], [0], window=(0, 2))  # what the first use loads or compiles is not waited for
    free_run(model, texts, VOICES, list(range(8)), cancelled=cancelled, window=(0, 2))
    times.append(time.thread_time())
    assert max(np.diff(times)) < 0.05


@pytest.mark.parametrize("engine", ENGINES)
def test_variance_is_given_back_to_what_was_decoded(engine) -> None:
    """With gains of 1.5 in every band, the mel moves half as far again around its mean."""
    model = toy_model()
    rows = slice(5, 6)
    (plain,) = speak(model, rows, engine=engine)
    gains = (1.5,) * model.config.mel.n_mels
    model.config = dataclasses.replace(model.config, variance_gains=gains)
    (lively,) = speak(model, rows, engine=engine)
    assert plain.mel.shape[1] >= LEAST_FRAMES and lively.mel.std() > plain.mel.std()
    np.testing.assert_allclose(lively.mel, restore_variance(plain.mel, gains), atol=1e-6)
