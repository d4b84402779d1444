"""The postfilter: adds harmonics to a mel, with predicted or given F0."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from modelfile.checkpoint import load_weights
from speech.errors import ConfigError, CorpusError
from speech.mel_config import MelConfig
from speech.mel_f0 import harmonic_pattern
from synthesizer.tacotron.config import InferenceSettings, TacotronConfig
from synthesizer.tacotron.decoding import free_run
from synthesizer.tacotron.flags import TacotronFlags
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.postfilter import MAX_SHIFT, Postfilter, add_harmonics, f0_contour, predicted_f0
from synthesizer.tacotron.postfilter_data import MelPair, PostfilterBatches, teacher_forced_pairs
from synthesizer.tacotron.postfilter_flags import PostfilterFlags
from synthesizer.tacotron.postfilter_task import PostfilterTask, texture_distance
from tests.synthesizer.toy import HEADER, SETTINGS, facade, load_file, sentences, toy_config, toy_run, toy_store
from tests.training.runs import differences
from train_synth import main

SIZES = {"postfilter_size": 12, "postfilter_layers": 2, "postfilter_kernel": 3}


def voice(seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=256).astype(np.float32)
    return values / np.linalg.norm(values)


def trained(model: Postfilter) -> Postfilter:
    """As if it were trained: it starts as the identity."""
    with torch.no_grad():
        for network in (model.of_pitch, model.of_mel):
            network.leave.weight.normal_(std=0.3, generator=torch.Generator().manual_seed(1))
        model.of_pitch.leave.bias.add_(0.5)
    return model.eval()


def postfilter() -> Postfilter:
    torch.manual_seed(0)
    return trained(Postfilter(toy_config(**SIZES)))


def pairs(count: int, frames: int = 48) -> list[MelPair]:
    """Mels with the harmonics of an F0, and without."""
    items = []
    for number in range(count):
        f0 = np.full(frames + number, 110.0 + 20 * (number % 4), np.float32)
        f0[-8:] = 0
        harmonics = harmonic_pattern(f0, toy_config().mel).T
        smooth = np.sin(np.linspace(0, 6, len(f0)))[:, None] + np.linspace(-1, 1, 80)
        level = np.full((1, 80), 0.05 * number) - 0.5 * (f0 == 0)[:, None]  # from which F0 can be predicted
        generated, recorded = (values.astype(np.float16) for values in (smooth + level, smooth + level + harmonics))
        items.append(MelPair(generated, recorded, f0, harmonics.astype(np.float16), voice(number)))
    return items


def task() -> PostfilterTask:
    torch.manual_seed(0)
    model = Tacotron2(toy_config(**SIZES)).requires_grad_(False)
    assert model.postfilter is not None
    model.postfilter.requires_grad_(True)
    return PostfilterTask(model, pairs(4, 60), TacotronConfig(model.config), HEADER)


def train(one: PostfilterTask, steps: int) -> list[dict[str, float]]:
    batches = PostfilterBatches(pairs(6), rows=4, frames=32, seed=0)
    optimizer = torch.optim.Adam(one.postfilter.parameters(), lr=5e-3)
    figures = []
    for step in range(steps):
        losses = one.step(batches.batch_at(step), step, torch.Generator())
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        figures.append({name: float(value.detach()) for name, value in losses.items()})
    return figures


def applied(mel: torch.Tensor, embedding: np.ndarray) -> torch.Tensor:
    given = torch.from_numpy(embedding)
    f0 = predicted_f0(postfilter(), mel, given, MelConfig())
    return add_harmonics(postfilter(), mel, given, f0, MelConfig())


def test_starts_as_the_identity() -> None:
    fresh = Postfilter(toy_config(**SIZES))
    mel, harmonics = torch.rand(2, 37, 80) * 8 - 4, torch.rand(2, 37, 80)
    voices = torch.from_numpy(np.stack([voice(0), voice(1)]))
    assert torch.equal(fresh(mel, harmonics, voices), mel)
    assert postfilter()(mel, harmonics, voices).shape == mel.shape
    assert [tuple(part.shape) for part in fresh.pitch(mel, voices)] == [(2, 37), (2, 37)]


def test_result_is_clipped() -> None:
    for frames in (1, 2, 50):
        mel = torch.rand(80, frames) * 8 - 4
        whole = applied(mel, voice())
        assert whole.shape == mel.shape and whole.abs().max() <= 4


def test_result_depends_on_the_voice() -> None:
    mel = torch.zeros(80, 40)
    one, other = (applied(mel, voice(k)) for k in range(2))
    assert not torch.allclose(one, other, atol=1e-3)


def test_f0_contour() -> None:
    octaves = np.linspace(-0.2, 0.2, 12, dtype=np.float32)
    voiced = np.array([1, 1, 1, 1, -1, -1, 1, 1, -1, 1, 1, 1], np.float32)
    f0 = f0_contour(octaves, voiced, 1.0)
    assert np.array_equal(f0 > 0, [1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1])  # two voiced frames are too few
    assert f0[0] == pytest.approx(150 * 2**-0.2, rel=1e-5)
    flat = f0_contour(octaves, voiced, 0.0)
    assert len(set(flat[flat > 0])) == 1
    assert np.ptp(np.log2(f0_contour(octaves, voiced, 2.0)[f0 > 0])) == pytest.approx(0.8, rel=1e-4)
    assert f0_contour(octaves + 5, voiced, 1.0).max() <= 60 * 2**2.75 + 1e-3
    assert not f0_contour(octaves, -np.ones(12), 1.0).any()


def test_contour_is_shifted_to_the_median_f0() -> None:
    octaves, voiced = np.linspace(-0.2, 0.2, 11, dtype=np.float32), np.ones(11, np.float32)
    shifted = f0_contour(octaves, voiced, 1.0, median_f0=180.0)
    assert np.median(shifted) == pytest.approx(180, rel=1e-5)
    assert np.ptp(np.log2(shifted)) == pytest.approx(0.4, rel=1e-4)
    assert np.median(f0_contour(octaves, voiced, 1.0, median_f0=350.0)) == pytest.approx(150 * 2**MAX_SHIFT, rel=1e-5)
    assert np.array_equal(f0_contour(octaves, voiced, 1.0, None), f0_contour(octaves, voiced, 1.0))


def test_texture_distance() -> None:
    real = torch.randn(60, 80, generator=torch.Generator().manual_seed(0))
    assert texture_distance(real, real) == 0
    assert texture_distance(real / 2, real) == pytest.approx(np.log(2), rel=1e-4)


def test_step_trains_the_postfilter_only() -> None:
    one = task()
    before = {name: value.clone() for name, value in one.model.state_dict().items()}
    train(one, 3)
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, before[name]) != name.startswith("postfilter."), name


def test_training_improves_harmonics_and_f0() -> None:
    one = task()
    run = toy_run()
    before = one.validate(0, run)
    figures = train(one, 300)
    after = one.validate(300, run)
    assert before["validation_mel"] == pytest.approx(before["mel_before"])
    assert after["validation_mel"] < 0.4 * before["validation_mel"]
    assert after["texture"] < before["texture"] == pytest.approx(before["texture_before"])
    assert after["voicing_errors"] < 0.15 < before["voicing_errors"]
    assert figures[-1]["octaves"] < 0.5 * figures[0]["octaves"]
    inference = one.config.inference
    assert 1 <= inference.pitch_gain <= 2.5 and len(inference.variance_gains) == 80
    assert one.model_file() == {**HEADER, "config": one.config}


def test_teacher_forced_pairs(tmp_path) -> None:
    store = toy_store(tmp_path / "store", frames=40)
    model = Tacotron2(toy_config()).eval().requires_grad_(False)
    made = teacher_forced_pairs(model, store, [0, 5, 1], 4, lambda items, label: items)
    assert [len(item.generated) for item in made] == [40, 43, 55]  # by length
    for item in made:
        assert item.recorded.shape == item.generated.shape == item.harmonics.shape == (len(item.f0), 80)
    with pytest.raises(CorpusError, match="64 frames"):
        PostfilterBatches(made, 2, 64, seed=0)


def test_batch_is_a_function_of_its_step() -> None:
    first, second = (PostfilterBatches(pairs(4), 3, 32, seed=1) for _ in range(2))
    for one, other in zip(first.batch_at(7), second.batch_at(7), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(first.batch_at(7).generated, first.batch_at(8).generated)
    assert first.batch_at(0).generated.shape == (3, 32, 80) and first.batch_at(0).f0.shape == (3, 32)


@pytest.mark.parametrize("changes", [{"rows": 0}, {"frames": 8}, {"recordings": 0}])
def test_settings_out_of_range_are_refused(changes) -> None:
    with pytest.raises(ConfigError):
        PostfilterFlags(**changes)


def test_free_running_applies_it_alone_and_in_a_batch() -> None:
    torch.manual_seed(0)
    model = Tacotron2(toy_config(**SIZES)).eval().requires_grad_(False)
    assert model.postfilter is not None
    texts = [np.arange(2, 2 + length) for length in (5, 9)]
    inputs = sentences(texts, [voice(0), voice(1)], [1, 2])
    without = free_run(model, inputs, SETTINGS)
    trained(model.postfilter)
    both = free_run(model, inputs, SETTINGS)
    for number in range(2):
        alone = free_run(model, inputs[number : number + 1], SETTINGS)[0]
        assert np.array_equal(alone.mel, both[number].mel)
        assert np.array_equal(alone.alignment, without[number].alignment)
        assert not np.allclose(alone.mel, without[number].mel, atol=1e-2)
    reference = free_run(model, inputs, SETTINGS, engine="torch")
    assert [item.mel.shape for item in reference] == [item.mel.shape for item in both]
    decoded = free_run(model, inputs, SETTINGS, stage="decoder")
    assert not np.allclose(decoded[0].mel, both[0].mel, atol=1e-2)


def test_pitch_range_and_gain_scale_the_contour() -> None:
    torch.manual_seed(0)
    model = Tacotron2(toy_config(**SIZES)).eval().requires_grad_(False)
    assert model.postfilter is not None
    trained(model.postfilter)
    text = [np.arange(2, 12)]
    inputs = [sentences(text, [voice()], pitch_ranges=[value]) for value in (0.0, 1.0, 2.0)]
    mels = [free_run(model, each, SETTINGS)[0].mel for each in inputs]
    assert mels[0].shape == mels[1].shape == mels[2].shape  # timing does not change
    assert not np.allclose(mels[0], mels[1], atol=1e-2) and not np.allclose(mels[1], mels[2], atol=1e-2)
    assert np.array_equal(mels[2], free_run(model, inputs[1], InferenceSettings(pitch_gain=2.0))[0].mel)


def test_script_trains_a_postfilter_and_resumes(tmp_path) -> None:
    store = toy_store(tmp_path / "store", frames=60).directory
    facade(Tacotron2(toy_config())).save(tmp_path / "base.safetensors")

    def run(name: str, **changes) -> None:
        common: dict[str, Any] = {"warm_start": tmp_path / "base.safetensors", "postfilter": True, "device": "cpu"}
        small = PostfilterFlags(recordings=6, rows=3, frames=32)
        schedule: dict[str, Any] = {"steps": 5, "save_every": 0, "validate_every": 0, "threads": 1}
        sizes = toy_config(**SIZES)
        main(TacotronFlags(store, run=tmp_path / name, post=small, architecture=sizes, **common, **schedule, **changes))

    run("whole")
    run("parts", max_minutes=1e-9)
    run("parts", resume=True)
    assert differences(tmp_path / "parts", tmp_path / "whole") == []
    whole = load_weights(tmp_path / "whole" / "model.safetensors")

    lines = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert any("validation/texture" in line for line in lines)
    synthesizer = load_file(tmp_path / "whole" / "best.safetensors")
    assert synthesizer.config.architecture.postfilter_size == 12 and synthesizer.embedding_space == "toy"
    base = load_weights(tmp_path / "base.safetensors")
    assert all(torch.equal(value, whole[name]) for name, value in base.items())


def test_adaptation_is_a_separate_training(tmp_path, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(TacotronFlags(run=tmp_path / "run", postfilter=True, adapt=tmp_path))
    assert "--postfilter" in capsys.readouterr().err
