"""The refiner: conditions, sampling, training data and training."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from corpora.store import FeatureStore
from speech.errors import ConfigError, StorageError
from speech.mel_config import MelConfig
from speech.mel_f0 import harmonic_pattern
from speech.reference_mel import ReferenceMel
from synthesizer import batches
from synthesizer.options import EmbeddedVoice
from synthesizer.refiner.data import RefinerBatches, RefinerItems, change_voice
from synthesizer.refiner.flags import RefinerFlags
from synthesizer.refiner.network import Conditions, Refiner, pattern_table
from synthesizer.refiner.sampling import CoarseMel, refine, spoken_symbols, time_steps
from synthesizer.refiner.task import RefinerTask
from synthesizer.tacotron.config import InferenceSettings, TacotronConfig
from synthesizer.tacotron.flags import TacotronFlags
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.refiner_mels import decode_recordings
from synthesizer.tacotron.refiner_plan import decoded_items, model_with_refiner
from tests.synthesizer.toy import HEADER, facade, toy_config, toy_run, toy_store

SIZES: dict[str, Any] = {"postfilter_size": 8, "postfilter_layers": 1, "refiner_size": 16, "refiner_layers": 2}
THREE = InferenceSettings(refiner_steps=3)
FLAGS = RefinerFlags(rows=4, frames=32, reference_frames=32)


def refiner(seed: int = 0) -> Refiner:
    """With random output weights, so that its velocity is not 0."""
    torch.manual_seed(seed)
    made = Refiner(toy_config(**SIZES)).eval()
    torch.nn.init.normal_(made.leave.weight, std=0.3)
    for name, weights in made.named_parameters():
        if name.endswith("modulation.weight"):
            torch.nn.init.normal_(weights, std=0.1)
    return made


def coarse(seed: int = 0, frames: int = 33, **changes: Any) -> CoarseMel:
    rng = np.random.default_rng(seed)
    embedding = rng.standard_normal(256).astype(np.float32)
    given: dict[str, Any] = {
        "mel": rng.uniform(-4, 4, (80, frames)).astype(np.float32),
        "symbols": rng.integers(1, 50, frames),
        "f0": np.where(np.arange(frames) % 10 < 6, 120.0, 0.0),
        "embedding": embedding / np.linalg.norm(embedding),
        "reference": rng.uniform(-4, 4, (80, 41)).astype(np.float32),
    }
    return CoarseMel(**{**given, **changes})


def batch_of(rows: int, frames: int = 32, reference_frames: int = 40) -> Conditions:
    torch.manual_seed(0)
    return Conditions(
        coarse=torch.rand(rows, frames, 80) * 8 - 4,
        coarse_known=torch.ones(rows),
        symbols=torch.randint(1, 50, (rows, frames)),
        f0=torch.rand(rows, frames) * 200 + 80,
        embedding=torch.nn.functional.normalize(torch.randn(rows, 256), dim=1),
        reference=torch.rand(rows, reference_frames, 80) * 8 - 4,
        reference_lengths=torch.full((rows,), reference_frames),
    )


@pytest.mark.parametrize("frames", [1, 2, 33, 160])
def test_result_has_the_shape_of_the_coarse_mel_and_is_clipped(frames):
    made = refine(refiner(), coarse(frames=frames), settings=THREE, seed=0)
    assert made.shape == (80, frames) and made.dtype == np.float32
    assert np.isfinite(made).all() and np.abs(made).max() <= 4


def test_same_seed_same_mel():
    one, again, other = (refine(refiner(), coarse(), settings=THREE, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("name", ["mel", "symbols", "f0", "embedding", "reference"])
def test_result_depends_on_each_condition(name):
    given = getattr(coarse(5), name)
    one, other = refine(refiner(), coarse(), THREE, 0), refine(refiner(), coarse(**{name: given}), THREE, 0)
    if name == "f0":
        other = refine(refiner(), coarse(f0=np.full(33, 200.0)), THREE, 0)
    assert np.abs(one - other).max() > 1e-4


def test_guidance_moves_away_from_the_result_without_a_speaker():
    made = [
        refine(refiner(), coarse(), InferenceSettings(refiner_steps=1, refiner_guidance=guidance), 0)
        for guidance in (1.0, 2.0, 3.0)
    ]
    unknown = refine(
        refiner(), coarse(embedding=np.zeros(256, np.float32), reference=None), InferenceSettings(refiner_steps=1), 0
    )
    inside = np.all([np.abs(mel) < 4 for mel in (*made, unknown)], axis=0)
    assert inside.mean() > 0.5
    for number, mel in enumerate(made, start=1):
        assert np.abs(mel - unknown - number * (made[0] - unknown))[inside].max() < 1e-3


def test_a_reference_is_optional():
    without = refine(refiner(), coarse(reference=None), THREE, 0)
    assert np.isfinite(without).all()
    assert not np.allclose(without, refine(refiner(), coarse(), THREE, 0))


def test_padding_of_the_reference_does_not_matter():
    made, given = refiner(), batch_of(1)
    longer = given._replace(reference=torch.cat((given.reference, torch.randn(1, 30, 80)), 1))
    noisy, time = torch.randn(1, 32, 80), torch.tensor([0.4])
    with torch.no_grad():
        one, other = (made.velocity(noisy, time, made.encode(conditions)) for conditions in (given, longer))
    assert torch.allclose(one, other, atol=1e-5)


def test_rows_of_a_batch_are_independent():
    made, given = refiner(), batch_of(3)
    noisy, time = torch.randn(3, 32, 80), torch.tensor([0.1, 0.5, 0.9])
    with torch.no_grad():
        whole = made.velocity(noisy, time, made.encode(given))
        second = made.velocity(noisy[1:2], time[1:2], made.encode(Conditions(*(values[1:2] for values in given))))
    assert torch.allclose(whole[1:2], second, atol=1e-5)


def test_an_unknown_coarse_mel_is_not_used():
    made, given = refiner(), batch_of(2)
    unknown = given._replace(coarse_known=torch.zeros(2))
    other = unknown._replace(coarse=-given.coarse)
    with torch.no_grad():
        assert torch.equal(made.encode(unknown).positions, made.encode(other).positions)
        assert not torch.equal(made.encode(given).positions, made.encode(unknown).positions)


def test_every_parameter_gets_a_gradient():
    made, given = refiner(), batch_of(2)
    made.velocity(torch.randn(2, 32, 80), torch.rand(2), made.encode(given)).square().mean().backward()
    assert [name for name, value in made.named_parameters() if value.grad is None or not value.grad.any()] == []


def test_harmonic_patterns_are_those_of_pulse_trains():
    made = Refiner(toy_config(**SIZES))
    for f0 in (70.0, 133.7, 250.0, 400.0):
        exact = harmonic_pattern(np.full(16, f0), MelConfig())[:, 8]
        found = made.harmonics(torch.tensor([[f0, 0.0]]))[0]
        assert np.abs(found[0].numpy() - exact).mean() < 0.1
        assert not found[1].any()
    assert len(pattern_table(MelConfig())) == 265


@pytest.mark.parametrize("steps", [1, 4, 8])
def test_time_steps_cover_the_interval_and_get_longer(steps):
    times = np.array(time_steps(steps))
    assert times[0] == 0 and times[-1] == pytest.approx(1)
    assert len(times) == steps + 1
    assert ((np.diff(times) > 0).all() and (np.diff(times, 2) >= -1e-9).all()) or steps > 4


def test_spoken_symbols_follow_the_attention_and_never_go_back():
    alignment = np.eye(4)[[0, 0, 1, 0, 2, 3]].T
    assert spoken_symbols(np.array([7, 8, 9, 1]), alignment, 12).tolist() == [7, 7, 7, 7, 8, 8, 8, 8, 9, 9, 1, 1]


def test_a_changed_voice_stays_a_mel():
    mel = np.random.default_rng(0).uniform(-4, 4, (20, 80)).astype(np.float32)
    changed = change_voice(mel, np.random.default_rng(1))
    assert changed.shape == mel.shape and changed.min() >= -4 and not np.allclose(changed, mel)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return toy_store(tmp_path_factory.mktemp("store"))


def toy_model() -> Tacotron2:
    torch.manual_seed(0)
    return Tacotron2(toy_config(**SIZES)).eval().requires_grad_(False)


def decoded(store: FeatureStore, directory: Path, indices: list[int], origin: str = "a") -> FeatureStore:
    settings = InferenceSettings(reduction_factor=2)
    return decode_recordings(toy_model(), store, indices, settings, directory, origin, lambda items, label: items)


def test_decoded_recordings_are_kept_and_added_to(store, tmp_path):
    every = list(range(len(store)))
    first = decoded(store, tmp_path, every[:2])
    before = first.array(0, "generated").copy()
    both = decoded(store, tmp_path, every)
    assert set(first.keys) < set(both.keys) == {store.keys[index] for index in every}
    index = both.find(first.keys[0])
    assert np.array_equal(both.array(index, "generated"), before)
    frames = store.shape(store.find(first.keys[0]), "mel")[0]
    assert both.shape(index, "generated") == (frames, 80)
    assert both.shape(index, "symbols") == both.shape(index, "f0") == (frames,)
    with pytest.raises(StorageError, match="other settings"):
        decoded(store, tmp_path, every, origin="b")


def test_recordings_without_a_text_are_left_out(tmp_path, monkeypatch):
    store = toy_store(tmp_path / "store")
    monkeypatch.setitem(store.info, "text_optional", True)
    monkeypatch.setattr(batches, "has_text", lambda _, index: index > 0)
    flags = SimpleNamespace(refine=replace(FLAGS, generated=tmp_path / "decoded"))
    config = TacotronConfig(toy_config(**SIZES), inference=InferenceSettings(reduction_factor=2))
    items, held_out = decoded_items(toy_model(), config, store, flags, SimpleNamespace())  # type: ignore[arg-type]
    assert {*items.indices, *held_out.indices} == set(range(1, len(store)))


def test_batches_depend_on_seed_and_step_only(store, tmp_path):
    every = list(range(len(store)))
    items = RefinerItems(store, decoded(store, tmp_path, every), every, FLAGS)
    one, again = (RefinerBatches(items, seed=1).batch_at(3) for _ in range(2))
    assert one.recorded.shape == (4, 32, 80)
    assert torch.equal(one.recorded, again.recorded)
    for first, second in zip(one.given, again.given, strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(one.recorded, RefinerBatches(items, seed=1).batch_at(4).recorded)


def test_references_get_noise_and_nothing_else_does(store, tmp_path):
    every = list(range(len(store)))
    generated = decoded(store, tmp_path, every)
    clean, noisy = (
        RefinerItems(store, generated, every, replace(FLAGS, reference_noise=probability)).crop(
            every[0], np.random.default_rng(1), augmented=True
        )
        for probability in (1e-9, 1.0)  # both draw a number, so that what is drawn later is the same
    )
    names = (*Conditions._fields[:6], "recorded")
    changed = {name for name, one, other in zip(names, clean, noisy, strict=True) if not np.array_equal(one, other)}
    assert "reference" in changed and not {"recorded", "f0", "symbols", "coarse_known"} & changed
    reference = noisy[names.index("reference")]
    assert reference.shape == clean[names.index("reference")].shape and abs(reference).max() <= 4


def test_training_lowers_the_loss_and_validates(store, tmp_path):
    every = list(range(len(store)))
    items = RefinerItems(store, decoded(store, tmp_path, every), every, FLAGS)
    model = toy_model()
    assert model.refiner is not None
    model.refiner.requires_grad_(True)
    mean, deviation = items.statistics()
    model.refiner.mean.copy_(mean)
    model.refiner.deviation.copy_(deviation)
    config = TacotronConfig(model.config)
    task = RefinerTask(model, model.refiner, items, config.inference, model.config.mel, {**HEADER, "config": config})
    run = toy_run()
    batch = RefinerBatches(items, seed=0).batch_at(0)
    optimizer = torch.optim.Adam(model.refiner.parameters(), lr=1e-2)
    losses = []
    for step in range(150):
        loss = task.step(batch, step, torch.Generator().manual_seed(0))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    after = task.validate(150, run)
    assert {"validation_flow", "without_reference", "by_text", "texture", "texture_before", "mel", "mel_before"} == set(
        after
    )
    assert run.images > 0


def test_a_synthesizer_uses_its_refiner(tmp_path):
    model = toy_model()
    assert model.refiner is not None
    torch.nn.init.normal_(model.refiner.leave.weight, std=0.3)
    embedding = np.eye(256, dtype=np.float32)[0]
    reference = ReferenceMel(np.random.default_rng(0).integers(0, 255, (100, 80)).astype(np.uint8), MelConfig())
    made = facade(model, reduction_factor=2).synthesize("Hello.", EmbeddedVoice(embedding, 120.0, reference)).mel
    without = facade(model, reduction_factor=2).synthesize("Hello.", EmbeddedVoice(embedding, 120.0)).mel
    plain = facade(model, reduction_factor=2, refiner_steps=0).synthesize("Hello.", EmbeddedVoice(embedding, 120.0)).mel
    assert made.shape == without.shape == plain.shape
    assert not np.allclose(made, without) and not np.allclose(without, plain)


def test_a_reference_of_other_mel_settings_is_not_used():
    model = toy_model()
    assert model.refiner is not None
    torch.nn.init.normal_(model.refiner.leave.weight, std=0.3)
    embedding = np.eye(256, dtype=np.float32)[0]
    other = ReferenceMel(np.zeros((50, 80), np.uint8), MelConfig(fmax=7000.0))
    made, without = (
        facade(model, reduction_factor=2).synthesize("Hello.", EmbeddedVoice(embedding, 120.0, reference)).mel
        for reference in (other, None)
    )
    assert np.array_equal(made, without)


@pytest.mark.parametrize("size", [-4, 6, 5000])
def test_impossible_sizes_are_refused(size):
    with pytest.raises(ConfigError, match="refiner_size"):
        toy_config(refiner_size=size)


def test_a_tacotron_takes_no_refiner_of_another_model(store, tmp_path):
    flags = TacotronFlags(tmp_path, refiner=True, refine=RefinerFlags(start=tmp_path / "other.safetensors"))
    with pytest.raises(ConfigError, match="for a VITS"):
        model_with_refiner(flags, store)
