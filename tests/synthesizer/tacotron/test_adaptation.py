"""Adaptation of a refiner to one voice."""

import numpy as np
import pytest
import torch

from speech.errors import ConfigError, CorpusError, WorkCancelled
from synthesizer.adapter import AdaptationClip, VoiceAdapter
from synthesizer.options import EmbeddedVoice
from synthesizer.refiner import adaptation
from synthesizer.refiner.adaptation import adapt_refiner, adapted, spoken_mel
from synthesizer.refiner.discriminators import MelDiscriminators
from synthesizer.refiner.network import Conditions, Refiner
from synthesizer.refiner.one_step import one_step_losses
from synthesizer.tacotron.model import Tacotron2
from tests.synthesizer.toy import facade, toy_config

SIZES = {"postfilter_size": 8, "postfilter_layers": 1, "refiner_size": 16, "refiner_layers": 2}
VOICE = np.eye(256, dtype=np.float32)[0]


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(adaptation, "STEPS", 60)
    monkeypatch.setattr(adaptation, "LEARNING_RATE", 5e-3)  # the toy refiner learns slowly
    monkeypatch.setattr(adaptation, "CROP", 32)
    monkeypatch.setattr(adaptation, "REFERENCE", (16, 32))


def toy_refiner() -> Refiner:
    torch.manual_seed(0)
    made = Refiner(toy_config(**SIZES)).eval().requires_grad_(False)
    torch.nn.init.normal_(made.leave.weight, std=0.1)
    return made


def recording(frames: int = 90) -> np.ndarray:
    """A mel with a pattern over the bands."""
    return np.repeat(3 * np.sin(np.arange(80, dtype=np.float32) / 4)[:, None], frames, axis=1)


def clips(**changes) -> list[AdaptationClip]:
    return [AdaptationClip(**{"mel": recording(), "embedding": VOICE, **changes})] * 2


def loss_of(refiner: Refiner, spoken) -> float:
    with torch.no_grad():
        return float(
            adaptation._loss(refiner, None, spoken, np.random.default_rng(5), torch.Generator().manual_seed(5))
        )


def test_an_adapter_lowers_the_loss_and_leaves_the_model():
    refiner = toy_refiner()
    before = {name: value.clone() for name, value in refiner.state_dict().items()}
    spoken = [spoken_mel(recording(), np.zeros(90), VOICE)]
    adapter = adapt_refiner(refiner, spoken)
    assert loss_of(adapted(refiner, adapter), spoken) < 0.9 * loss_of(refiner, spoken)
    for name, value in refiner.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_refiner_of_one_step_is_adapted_against_its_discriminators():
    refiner = toy_refiner()
    torch.manual_seed(1)
    discriminators = MelDiscriminators(80)
    before = {name: value.clone() for name, value in discriminators.state_dict().items()}
    spoken = [spoken_mel(recording(), np.zeros(90), VOICE)]
    changed = adapted(refiner, adapt_refiner(refiner, spoken, discriminators))
    assert one_step_distance(changed, spoken) < 0.9 * one_step_distance(refiner, spoken)
    for name, value in discriminators.state_dict().items():
        assert torch.equal(value, before[name]), name


def one_step_distance(refiner: Refiner, spoken) -> float:
    given, recorded = adaptation._crop(spoken[0], spoken, np.random.default_rng(5))
    given = Conditions(*(value[None] for value in given))
    noise = torch.randn(recorded.shape, generator=torch.Generator().manual_seed(5))[None]
    losses = one_step_losses(refiner, MelDiscriminators(80), given, recorded[None], noise, 0.0)
    return losses["distance"].item()


def test_same_seed_same_adapter():
    spoken = [spoken_mel(recording(), np.zeros(90), VOICE)]
    one, again, other = (adapt_refiner(toy_refiner(), spoken, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(values, again.tensors[name]) for name, values in one.tensors.items())
    assert any(not np.array_equal(values, other.tensors[name]) for name, values in one.tensors.items())


def test_the_coarse_mel_is_smooth():
    rng = np.random.default_rng(0)
    recorded = rng.uniform(-4, 4, (80, 50)).astype(np.float32)
    spoken = spoken_mel(recorded, np.zeros(50), VOICE)
    assert np.diff(spoken.coarse).std() < 0.3 * np.diff(recorded).std()


def test_a_synthesizer_speaks_with_the_adapter_of_a_voice():
    torch.manual_seed(0)
    model = Tacotron2(toy_config(**SIZES))
    assert model.refiner is not None
    torch.nn.init.normal_(model.refiner.leave.weight, std=0.1)
    synthesizer = facade(model, reduction_factor=2)
    done: list[tuple[int, int]] = []
    adapter = synthesizer.adapt(clips(), progress=lambda *figures: done.append(figures))
    assert done == [(step, 60) for step in range(1, 61)]
    plain, changed = (
        synthesizer.synthesize("Hello.", EmbeddedVoice(VOICE, 120.0, None, one)).mel for one in (None, adapter)
    )
    assert plain.shape == changed.shape
    assert np.abs(plain - changed).max() > 1e-3
    again = synthesizer.synthesize("Hello.", EmbeddedVoice(VOICE, 120.0)).mel
    assert np.array_equal(plain, again)


def test_an_adapter_of_another_model_is_not_used(caplog):
    def synthesizer(seed):
        torch.manual_seed(seed)
        model = Tacotron2(toy_config(**SIZES))
        assert model.refiner is not None
        torch.nn.init.normal_(model.refiner.leave.weight, std=0.1)
        return facade(model, reduction_factor=2)

    adapter = synthesizer(0).adapt(clips())
    other = synthesizer(1)
    plain, given = (other.synthesize("Hello.", EmbeddedVoice(VOICE, 120.0, None, one)).mel for one in (None, adapter))
    assert np.array_equal(plain, given)
    assert "adapted with another model" in caplog.text


def test_adaptation_can_be_cancelled():
    synthesizer = facade(Tacotron2(toy_config(**SIZES)), reduction_factor=2)
    with pytest.raises(WorkCancelled):
        synthesizer.adapt(clips(), cancelled=lambda: True)


def test_a_model_without_a_refiner_is_not_adapted():
    synthesizer = facade(Tacotron2(toy_config()), reduction_factor=2)
    with pytest.raises(ConfigError, match="cannot be adapted"):
        synthesizer.adapt(clips())


@pytest.mark.parametrize("given", [[], [spoken_mel(recording(20), np.zeros(20), VOICE)]])
def test_too_little_speech_is_refused(given):
    with pytest.raises(CorpusError, match="no speech to adapt"):
        adapt_refiner(toy_refiner(), given)


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"a": np.zeros(3, np.float32)},
        {"a": np.array([np.nan], np.float16)},
        {"a": np.array([np.inf], np.float16)},
        {"a": np.zeros(5_000_000, np.float16)},
    ],
)
def test_damaged_adapters_are_refused(tensors):
    with pytest.raises(ConfigError, match="adapter"):
        VoiceAdapter(tensors, "x")


@pytest.mark.parametrize("change", ["missing", "shape"])
def test_an_adapter_with_other_tensors_is_refused(change):
    refiner = toy_refiner()
    adapter = adapt_refiner(refiner, [spoken_mel(recording(), np.zeros(90), VOICE)])
    tensors = dict(adapter.tensors)
    name = next(iter(tensors))
    if change == "missing":
        del tensors[name]
    else:
        tensors[name] = tensors[name][:-1]
    with pytest.raises(ConfigError, match="another model"):
        adapted(refiner, VoiceAdapter(tensors, adapter.model))
