"""The prior from units: training beside text, and conversion."""

from pathlib import Path

import numpy as np
import pytest
import torch

from speech.errors import ConfigError, CorpusError, WorkCancelled
from synthesizer import Synthesizer
from synthesizer.options import EmbeddedVoice
from synthesizer.training_flags import TrainingRun
from synthesizer.vits.inference import VitsSynthesizer
from synthesizer.vits.plan import plan_training
from tests.synthesizer.vits.toy import toy_architecture, toy_audio_store, toy_flags, toy_network, toy_vits
from train_synth import load_encoder, main

RUN = TrainingRun(Path("unused"), load_encoder)
VOICE = EmbeddedVoice(np.full(16, 0.25, np.float32))
UNITS = np.random.default_rng(0).integers(0, 10, 60)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return toy_audio_store(tmp_path_factory.mktemp("store"))


def test_units_are_interpolated_to_frames():
    network = toy_network(units=4)
    x = torch.tensor([[[0.0, 1.0, 2.0, 3.0, 4.0]]])
    found = network.at_frames(x, 8)[0, 0]  # 50 units a second, 80 frames a second
    torch.testing.assert_close(found, torch.tensor([0.0, 0.4375, 1.0625, 1.6875, 2.3125, 2.9375, 3.5625, 4.0]))


def test_a_step_trains_the_prior_of_units_too(store):
    plan = plan_training(toy_flags(store, architecture=toy_architecture(units=10)), store, RUN)
    losses = plan.task.step(plan.batches.batch_at(0), 0, torch.Generator().manual_seed(0))
    losses["loss"].backward()
    assert "unit_kl" in losses
    encoder = plan.task.model.unit_encoder
    assert all(value.grad is not None and value.grad.any() for value in encoder.leave.parameters())  # type: ignore[union-attr, operator]


def test_a_store_without_units_is_refused(store, monkeypatch):
    has = store.has
    monkeypatch.setattr(store, "has", lambda index, name: name != "units" and has(index, name))
    with pytest.raises(CorpusError, match="units"):
        plan_training(toy_flags(store, architecture=toy_architecture(units=10)), store, RUN)


def test_conversion_keeps_the_timing_and_streams(tmp_path):
    vits = toy_vits(units=10)
    chunks = [*vits.convert(UNITS, VOICE, seed=1)]
    assert sum(map(len, chunks)) == 60 * 16_000 // 50 and len(chunks) > 1
    vits.save(tmp_path / "vits.safetensors")
    loaded = Synthesizer.load(tmp_path / "vits.safetensors")
    assert isinstance(loaded, VitsSynthesizer)
    np.testing.assert_array_equal(np.concatenate([*loaded.convert(UNITS, VOICE, seed=1)]), np.concatenate(chunks))
    other = EmbeddedVoice(-VOICE.embedding)
    assert np.abs(np.concatenate([*vits.convert(UNITS, other, seed=1)]) - np.concatenate(chunks)).max() > 1e-4


def test_a_trained_model_speaks_and_converts(store, tmp_path):
    main(toy_flags(store, tmp_path / "run", architecture=toy_architecture(units=10)))
    vits = Synthesizer.load(tmp_path / "run/best.safetensors")
    assert isinstance(vits, VitsSynthesizer)
    assert vits.synthesize("Yes.", VOICE).wav is not None
    assert np.isfinite(np.concatenate([*vits.convert(UNITS, VOICE)])).all()


@pytest.mark.parametrize(
    "units", [np.array([3, 10]), np.array([-1]), np.zeros(0, np.int64), np.zeros((2, 2), np.int64)]
)
def test_units_that_do_not_fit_are_refused(units):
    with pytest.raises(ConfigError, match="from 0 to 9"):
        [*toy_vits(units=10).convert(units, VOICE)]


def test_a_model_of_text_cannot_convert_and_conversion_can_be_cancelled():
    with pytest.raises(ConfigError, match="--units"):
        [*toy_vits().convert(UNITS, VOICE)]
    with pytest.raises(WorkCancelled):
        [*toy_vits(units=10).convert(UNITS, VOICE, cancelled=lambda: True)]
