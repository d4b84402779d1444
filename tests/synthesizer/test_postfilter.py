"""The postfilter: the harmonics of a voice drawn into a mel, at a pitch that it foretells or is told."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from modelfile.checkpoint import load_weights
from speech.errors import ConfigError, CorpusError
from speech.mel_f0 import harmonic_pattern
from synthesizer import Synthesizer
from synthesizer.tacotron.decoding import free_run
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.postfilter import FURTHEST, Postfilter, apply_postfilter, contour_of
from synthesizer.tacotron.postfilter_config import PostfilterConfig
from synthesizer.tacotron.postfilter_data import PostfilterBatches, Reading, read_along
from synthesizer.tacotron.postfilter_task import PostfilterTask, texture_distance
from tests.synthesizer.toy import toy_config, toy_store
from train_synth import Arguments, main

SIZES = {"postfilter_size": 12, "postfilter_layers": 2, "postfilter_kernel": 3}


def voice(seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=256).astype(np.float32)
    return values / np.linalg.norm(values)


def learnt(model: Postfilter) -> Postfilter:
    """As if it had learnt something."""
    with torch.no_grad():
        for network in (model.of_pitch, model.of_mel):
            network.leave.weight.normal_(std=0.3, generator=torch.Generator().manual_seed(1))
        model.of_pitch.leave.bias.add_(0.5)
    return model.eval()


def postfilter() -> Postfilter:
    torch.manual_seed(0)
    return learnt(Postfilter(toy_config(**SIZES)))


def readings(count: int, frames: int = 48) -> list[Reading]:
    """Mels with the harmonics of a pitch, and what was made in their place: without."""
    items = []
    for number in range(count):
        pitch = np.full(frames + number, 110.0 + 20 * (number % 4), np.float32)
        pitch[-8:] = 0
        harmonics = harmonic_pattern(pitch, toy_config().mel).T
        smooth = np.sin(np.linspace(0, 6, len(pitch)))[:, None] + np.linspace(-1, 1, 80)
        level = np.full((1, 80), 0.05 * number) - 0.5 * (pitch == 0)[:, None]  # by which the pitch can be told
        made, real = (values.astype(np.float16) for values in (smooth + level, smooth + level + harmonics))
        items.append(Reading(made, real, pitch, harmonics.astype(np.float16), voice(number)))
    return items


def task() -> PostfilterTask:
    torch.manual_seed(0)
    model = Tacotron2(toy_config(**SIZES)).requires_grad_(False)
    assert model.postfilter is not None
    model.postfilter.requires_grad_(True)
    return PostfilterTask(model, readings(4, 60), embedding_space="toy")


def train(one: PostfilterTask, steps: int) -> list[dict[str, float]]:
    batches = PostfilterBatches(readings(6), rows=4, frames=32, seed=0)
    optimizer = torch.optim.Adam(one.postfilter.parameters(), lr=5e-3)
    figures = []
    for step in range(steps):
        losses = one.step(batches.batch_at(step), step, torch.Generator())
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        figures.append({name: float(value.detach()) for name, value in losses.items()})
    return figures


def test_it_begins_as_the_identity_and_keeps_its_shape() -> None:
    fresh = Postfilter(toy_config(**SIZES))
    mel, harmonics = torch.rand(2, 37, 80) * 8 - 4, torch.rand(2, 37, 80)
    voices = torch.from_numpy(np.stack([voice(0), voice(1)]))
    assert torch.equal(fresh(mel, harmonics, voices), mel)
    assert postfilter()(mel, harmonics, voices).shape == mel.shape
    assert [tuple(part.shape) for part in fresh.pitch(mel, voices)] == [(2, 37), (2, 37)]


def test_one_utterance_stays_in_range_whatever_it_is() -> None:
    for frames in (1, 2, 50):
        mel = torch.rand(80, frames) * 8 - 4
        whole = apply_postfilter(postfilter(), mel, torch.from_numpy(voice()), toy_config(**SIZES))
        assert whole.shape == mel.shape and whole.abs().max() <= 4


def test_it_hears_which_voice_is_asked_for() -> None:
    mel = torch.zeros(80, 40)
    one, other = (
        apply_postfilter(postfilter(), mel, torch.from_numpy(voice(k)), toy_config(**SIZES)) for k in range(2)
    )
    assert not torch.allclose(one, other, atol=1e-3)


def test_a_contour() -> None:
    octaves = np.linspace(-0.2, 0.2, 12, dtype=np.float32)
    voiced = np.array([1, 1, 1, 1, -1, -1, 1, 1, -1, 1, 1, 1], np.float32)
    pitch = contour_of(octaves, voiced, 1.0)
    assert np.array_equal(pitch > 0, [1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1])  # two frames are no voice
    assert pitch[0] == pytest.approx(150 * 2**-0.2, rel=1e-5)
    flat = contour_of(octaves, voiced, 0.0)
    assert len(set(flat[flat > 0])) == 1
    assert np.ptp(np.log2(contour_of(octaves, voiced, 2.0)[pitch > 0])) == pytest.approx(0.8, rel=1e-4)
    assert contour_of(octaves + 5, voiced, 1.0).max() <= 60 * 2**2.75 + 1e-3
    assert not contour_of(octaves, -np.ones(12), 1.0).any()


def test_a_contour_goes_where_the_voice_is() -> None:
    octaves, voiced = np.linspace(-0.2, 0.2, 11, dtype=np.float32), np.ones(11, np.float32)
    moved = contour_of(octaves, voiced, 1.0, middle=180.0)
    assert np.median(moved) == pytest.approx(180, rel=1e-5)
    assert np.ptp(np.log2(moved)) == pytest.approx(0.4, rel=1e-4)
    assert np.median(contour_of(octaves, voiced, 1.0, middle=350.0)) == pytest.approx(150 * 2**FURTHEST, rel=1e-5)
    assert np.array_equal(contour_of(octaves, voiced, 1.0, None), contour_of(octaves, voiced, 1.0))


def test_texture() -> None:
    real = torch.randn(60, 80, generator=torch.Generator().manual_seed(0))
    assert texture_distance(real, real) == 0
    assert texture_distance(real / 2, real) == pytest.approx(np.log(2), rel=1e-4)


def test_a_step_trains_the_postfilter_and_nothing_else() -> None:
    one = task()
    before = {name: value.clone() for name, value in one.network.state_dict().items()}
    train(one, 3)
    for name, value in one.network.state_dict().items():
        assert torch.equal(value, before[name]) != name.startswith("postfilter."), name


def test_it_learns_to_draw_harmonics_and_to_foretell_the_pitch() -> None:
    one = task()
    run = type("Run", (), {})()
    before = one.validate(0, run)
    figures = train(one, 300)
    after = one.validate(300, run)
    assert before["validation_mel"] == pytest.approx(before["mel_before"])
    assert after["validation_mel"] < 0.4 * before["validation_mel"]
    assert after["texture"] < before["texture"] == pytest.approx(before["texture_before"])
    assert after["voicing_errors"] < 0.15 < before["voicing_errors"]
    assert figures[-1]["octaves"] < 0.5 * figures[0]["octaves"]
    assert 1 <= one.network.config.pitch_gain <= 2.5 and len(one.network.config.variance_gains) == 80
    assert one.model_file()["config"] == one.network.config


def test_read_along(tmp_path) -> None:
    store = toy_store(tmp_path / "store", frames=40)
    model = Tacotron2(toy_config()).eval().requires_grad_(False)
    along = read_along(model, store, [0, 5, 1], lambda items, what: items)
    assert [len(item.made) for item in along] == [40, 43, 55]  # by length
    for item in along:
        assert item.real.shape == item.made.shape == item.harmonics.shape == (len(item.pitch), 80)
    with pytest.raises(CorpusError, match="frames long"):
        PostfilterBatches(along, 2, 64, seed=0)


def test_a_batch_is_a_function_of_its_step() -> None:
    first, second = (PostfilterBatches(readings(4), 3, 32, seed=1) for _ in range(2))
    for one, other in zip(first.batch_at(7), second.batch_at(7), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(first.batch_at(7).made, first.batch_at(8).made)
    assert first.batch_at(0).made.shape == (3, 32, 80) and first.batch_at(0).pitch.shape == (3, 32)


@pytest.mark.parametrize("changes", [{"rows": 0}, {"frames": 8}, {"recordings": 0}])
def test_settings_out_of_range_are_refused(changes) -> None:
    with pytest.raises(ConfigError):
        PostfilterConfig(**changes)


def test_sentences_get_it_alone_as_beside_others() -> None:
    torch.manual_seed(0)
    model = Tacotron2(toy_config(**SIZES)).eval().requires_grad_(False)
    assert model.postfilter is not None
    texts = [np.arange(2, 2 + length) for length in (5, 9)]
    voices = np.stack([voice(0), voice(1)])
    without = free_run(model, texts, voices, [1, 2])
    learnt(model.postfilter)
    both = free_run(model, texts, voices, [1, 2])
    for number in range(2):
        alone = free_run(model, texts[number : number + 1], voices[number : number + 1], [1 + number])[0]
        assert np.array_equal(alone.mel, both[number].mel)
        assert np.array_equal(alone.alignment, without[number].alignment)
        assert not np.allclose(alone.mel, without[number].mel, atol=1e-2)
    reference = free_run(model, texts, voices, [1, 2], engine="torch")
    assert [item.mel.shape for item in reference] == [item.mel.shape for item in both]
    decoded = free_run(model, texts, voices, [1, 2], refined=False)
    assert not np.allclose(decoded[0].mel, both[0].mel, atol=1e-2)


def test_expression_is_how_far_the_pitch_goes() -> None:
    torch.manual_seed(0)
    model = Tacotron2(toy_config(**SIZES)).eval().requires_grad_(False)
    assert model.postfilter is not None
    learnt(model.postfilter)
    text, someone = [np.arange(2, 12)], voice()[None]
    mels = [free_run(model, text, someone, [0], pitch_ranges=[value])[0].mel for value in (0.0, 1.0, 2.0)]
    assert mels[0].shape == mels[1].shape == mels[2].shape  # what is read, and how fast, stays
    assert not np.allclose(mels[0], mels[1], atol=1e-2) and not np.allclose(mels[1], mels[2], atol=1e-2)
    assert np.array_equal(mels[1], free_run(model, text, someone, [0])[0].mel)


def test_the_script_gives_a_finished_model_a_postfilter_and_can_be_resumed(tmp_path) -> None:
    store = toy_store(tmp_path / "store", frames=60).directory
    Synthesizer(Tacotron2(toy_config()), embedding_space="toy").save(tmp_path / "base.safetensors")

    def run(name: str, **changes) -> None:
        common: dict[str, Any] = {"warm_start": tmp_path / "base.safetensors", "postfilter": True, "device": "cpu"}
        small = PostfilterConfig(recordings=6, rows=3, frames=32)
        rhythm: dict[str, Any] = {"steps": 5, "save_every": 0, "validate_every": 0, "threads": 1}
        shape = toy_config(**SIZES)
        main(Arguments(store, run=tmp_path / name, post=small, model=shape, **common, **rhythm, **changes))

    run("whole")
    run("parts", max_minutes=1e-9)
    run("parts", resume=True)
    whole, parts = (load_weights(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())

    lines = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert any("validation/texture" in line for line in lines)
    synthesizer = Synthesizer.load(tmp_path / "whole" / "best.safetensors")
    assert synthesizer.config.postfilter_size == 12 and synthesizer.embedding_space == "toy"
    base = load_weights(tmp_path / "base.safetensors")
    assert all(torch.equal(value, whole[name]) for name, value in base.items())


def test_it_is_no_part_of_an_adaptation(tmp_path, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(Arguments(run=tmp_path / "run", postfilter=True, adapt=tmp_path))
    assert "--postfilter" in capsys.readouterr().err
