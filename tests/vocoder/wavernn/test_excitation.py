"""The excitation shape: its training crops, its loop in PyTorch, and sharpened sampling."""

import dataclasses

import numpy as np
import pytest
import torch

from speech.audio import mu_law_decode
from speech.mel import MelConfig, synthesis_mel
from vocoder import Vocoder
from vocoder.wavernn.batches import WaveRNNBatches
from vocoder.wavernn.data import cut_samples, mel_window
from vocoder.wavernn.engine import CompiledSampler
from vocoder.wavernn.engines import start_engine
from vocoder.wavernn.excitation import ExcitationStepper, ExcitationWaveRNN
from vocoder.wavernn.excitation_data import excitation_batch
from vocoder.wavernn.folding import Fold
from vocoder.wavernn.inference import WaveRNNVocoder
from vocoder.wavernn.model import build_wavernn
from vocoder.wavernn.pruning import Pruner, PruningSchedule
from vocoder.wavernn.samples import draw_samples
from vocoder.wavernn.sampling import TorchSampler, make_tape


@pytest.fixture
def config(toy_config):
    return toy_config("excitation")


@pytest.fixture
def model(config) -> ExcitationWaveRNN:
    torch.manual_seed(0)
    model = build_wavernn(config).eval().requires_grad_(False)
    assert isinstance(model, ExcitationWaveRNN)
    return model


# --- crops


def test_shapes_of_a_batch(config, toy_store):
    batch = WaveRNNBatches(toy_store, config, batch_size=3, frames=2).batch_at(0)
    assert batch["labels"].shape == (3, 400, 2) and batch["targets"].shape == (3, 400)
    assert batch["signals"].shape == (3, 400, 6) and batch["mel"].shape == (3, 80, 6)
    assert batch["labels"].min() >= 0 and batch["labels"].max() < 512
    assert batch["signals"].abs().max() <= 1


@pytest.mark.parametrize("noise", [0.0, 4.0])
@pytest.mark.parametrize("start", [0, 9])
def test_targets_lead_back_to_the_recording(config, toy_store, noise, start):
    batch = excitation_batch(toy_store, [(0, start)], 4, config, noise, np.random.default_rng(0))
    samples = cut_samples(toy_store, 0, start * 200, (start + 4) * 200, config)
    predicted = mu_law_decode(batch["labels"][0, :, 1].numpy())
    reached = predicted + mu_law_decode(batch["targets"][0].numpy())
    bins = 0.0125 * (np.abs(predicted) + np.abs(samples - predicted)) + 5e-5  # half a bin of each of both labels
    assert (np.abs(reached - samples) <= bins).all()


def test_history_is_that_of_generation(config, model, toy_store):
    """Following the labels of a crop, the loop of generation arrives at the same predictions and signals."""
    batch = excitation_batch(toy_store, [(0, 0)], 3, config, 3.0, np.random.default_rng(1))
    expected, stepper, outputs = model(batch["labels"], batch["signals"], batch["mel"])[0], model.stepper(1), []
    mel = toy_store.array(0, "mel")
    drawn = batch["labels"][:, :, 0]
    for frame in range(3):
        stepper.begin_frame(torch.from_numpy(mel_window(mel, frame, 1, config.pad, config).copy())[None])
        for offset in range(200):
            t = frame * 200 + offset
            outputs.append(stepper.step(offset, drawn[:, t])[0])
            if t + 1 < drawn.shape[1]:
                stepper.samples(drawn[:, t + 1])
    difference = (torch.stack(outputs) - expected).abs().amax(dim=1)
    assert (difference > 1e-4).float().mean() < 0.02  # where rounding decides about the label of a prediction


def test_noise_is_a_function_of_seed_and_crop(config, toy_store):
    def batch(noise, seed=0, step=0):
        return WaveRNNBatches(toy_store, config, 2, 2, seed=seed, noise=noise).batch_at(step)

    assert torch.equal(batch(3.0)["labels"], batch(3.0)["labels"])
    assert not torch.equal(batch(3.0)["labels"], batch(0.0)["labels"])
    quiet, noisy = (
        excitation_batch(toy_store, [(1, 6)], 2, config, level, np.random.default_rng(2)) for level in (0.0, 9.0)
    )
    assert not torch.equal(quiet["signals"], noisy["signals"]) and torch.equal(quiet["mel"], noisy["mel"])


# --- sampling


def test_sharpened_distribution(config, model):
    stepper = model.stepper(2)
    assert isinstance(stepper, ExcitationStepper)
    stepper.power = torch.tensor([[1.0], [2.0]])
    probabilities = torch.tensor([0.5, 0.3, 0.196, 0.004]).expand(2, 4)
    unvoiced, voiced = stepper.sharpened(probabilities.log()).softmax(dim=1)
    expected = (probabilities[0] - 0.002 * 0.5).clamp(min=0)
    torch.testing.assert_close(unvoiced, expected / expected.sum())
    squares = (probabilities[0].square() - 0.002 * 0.25).clamp(min=0)
    torch.testing.assert_close(voiced, squares / squares.sum())


@pytest.mark.parametrize("sharpen", [True, False])
def test_sharpening_is_a_setting_of_both_engines(config, model, voice, sharpen):
    model.output.weight.mul_(20)
    mel = synthesis_mel(voice(0.4))[:, 8:16]
    tape = make_tape(config, 1600, 0)
    samplers = CompiledSampler(model, 1, sharpen), TorchSampler(model, sharpen), CompiledSampler(model, 1, not sharpen)
    compiled, reference, other = (sampler.sample_folds(mel, [Fold(0, 8)], [tape])[0] for sampler in samplers)
    assert (np.abs(compiled - reference) > 1e-3).mean() < 0.02
    assert (np.abs(compiled - other) > 1e-3).mean() > 0.2


def test_compiled_samples_follow_the_reference_on_speech(toy_config, voice):
    """In a distribution like that of a trained network: most samples near the prediction."""
    torch.manual_seed(1)
    model = build_wavernn(toy_config("excitation", hidden_size=40, fc_size=24)).eval().requires_grad_(False)
    model.output.bias.copy_(-0.002 * (torch.arange(512) - 256).square())
    mel, tape = synthesis_mel(voice(0.3))[:, 3:18], make_tape(model.config, 15 * 200, 3)
    made, expected = (
        sampler.sample_folds(mel, [Fold(0, 15)], [tape])[0] for sampler in (CompiledSampler(model), TorchSampler(model))
    )
    assert 0.001 < np.abs(expected).mean() < 0.3
    assert (np.abs(made - expected) > 1e-3).mean() < 0.02


def test_loop_uses_the_drawn_label(config, model):
    """The sample is the prediction plus the excitation."""
    stepper = model.stepper(1)
    stepper.begin_frame(torch.zeros(1, 80, 5))
    tape = torch.rand(200, 1, generator=torch.Generator().manual_seed(0))
    drawn = torch.tensor([256])
    made: list[float] = []
    for offset in range(200):
        drawn = draw_samples(stepper.step(offset, drawn), tape[offset, None], config)
        past = torch.tensor((made[::-1] + [0.0] * 16)[:16])
        coefficients = stepper.coefficients[0, offset // 50]
        expected = float((past @ coefficients).clamp(-1, 1)) + float(mu_law_decode(drawn.numpy())[0])
        made.append(float(stepper.samples(drawn)))
        assert made[-1] == pytest.approx(min(1, max(-1, expected)), abs=1e-5)


# --- the facade


def test_vocoder_of_the_shape(config, model, tmp_path, voice):
    mel = synthesis_mel(voice(0.4))
    vocoder = WaveRNNVocoder(model, engine="compiled", threads=1)
    wav = vocoder.vocode(mel, seed=1)
    assert wav.shape == (mel.shape[1] * 200,) and wav.dtype == np.float32 and np.abs(wav).max() <= 1
    assert np.array_equal(np.concatenate(list(vocoder.stream(mel, seed=2))), vocoder.vocode_folds(mel, 1, seed=2))
    halves = vocoder.stream_segments([mel[:, :13], mel[:, 13:]], seed=2)
    assert np.array_equal(np.concatenate(list(halves)), vocoder.vocode_folds(mel, 1, seed=2))
    vocoder.save(tmp_path / "voc.safetensors")
    loaded = Vocoder.load(tmp_path / "voc.safetensors", engine="compiled", threads=1)
    assert isinstance(loaded, WaveRNNVocoder) and loaded.config == config
    assert np.array_equal(loaded.vocode(mel, seed=1), wav)
    flat = Vocoder.load(tmp_path / "voc.safetensors", engine="compiled", threads=1, sharpen=False)
    assert not np.array_equal(flat.vocode(mel, seed=1), wav)


def test_sparse_file(config, tmp_path):
    torch.manual_seed(0)
    model = build_wavernn(dataclasses.replace(config, hidden_size=64, sparsity=0.9)).eval()
    Pruner(model, PruningSchedule(0.9, start=0, steps=1, every=1)).after_step(1)
    WaveRNNVocoder(model).save(tmp_path / "sparse.safetensors")
    loaded = Vocoder.load(tmp_path / "sparse.safetensors")
    assert isinstance(loaded, WaveRNNVocoder)
    for name, value in loaded.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])
    assert (loaded.model.state_dict()["gru.weight_hh_l0"] != 0).float().mean() < 0.15


def test_engine_without_a_graph_is_the_compiled_one(model):
    assert isinstance(start_engine(model, "auto", 1).sampler, CompiledSampler)


@pytest.mark.parametrize(
    "changes",
    [
        {"prediction_order": 3},
        {"subframes": 1},
        {"mel": MelConfig(sample_rate=24_000, n_fft=1200, hop_length=300, win_length=1200, n_mels=40, fmax=11_000.0)},
    ],
    ids=["order", "subframes", "24kHz"],
)
def test_other_settings(toy_config, changes):
    torch.manual_seed(0)
    config = toy_config("excitation", **changes)
    model = build_wavernn(config).eval().requires_grad_(False)
    mel = np.random.default_rng(0).uniform(-4, 1, (config.mel.n_mels, 4)).astype(np.float32)
    tape = make_tape(config, 4 * config.hop_length, 2)
    compiled, reference = (
        sampler.sample_folds(mel, [Fold(0, 4)], [tape])[0] for sampler in (CompiledSampler(model), TorchSampler(model))
    )
    assert np.abs(reference).mean() > 1e-4 and (np.abs(compiled - reference) > 1e-3).mean() < 0.02
