import threading
import time

import numpy as np
import pytest
import torch

from kernels.amx_support import amx_is_usable
from speech.errors import ModelFileError, WorkCancelled
from vocoder.control import Control
from vocoder.wavernn import packing
from vocoder.wavernn.config import WaveRNNConfig, classic_config
from vocoder.wavernn.data import mel_window
from vocoder.wavernn.engine import DENSE_CLASSIC_COSTS, LANE_COSTS, TILED_COSTS, CompiledSampler, best_width
from vocoder.wavernn.folding import Fold
from vocoder.wavernn.lanes import WIDTHS
from vocoder.wavernn.model import WaveRNN, build_wavernn
from vocoder.wavernn.packing import COLUMNS, SAMPLE_LOOP, pack
from vocoder.wavernn.samples import draw_samples
from vocoder.wavernn.sampling import TorchSampler, first_drawn, make_tape, open_tape, regrouped
from waveform.segments import MelFrames

ALL_SHAPES = pytest.mark.parametrize("shape", ["compact", "classic", "excitation"])
ALL_MODELS = pytest.mark.parametrize(
    ("shape", "mode"),
    [("compact", "raw"), ("compact", "mol"), ("classic", "raw"), ("classic", "mol"), ("excitation", "raw")],
)
FULL_WIDTH = pytest.mark.parametrize(
    "config",
    [WaveRNNConfig(), classic_config(), WaveRNNConfig(shape="excitation")],
    ids=["compact", "classic", "excitation"],
)
LOOP = ("gru.weight_hh", "gru1.weight", "gru2.weight", "fc.weight", "fc1.weight", "fc2.weight", "output.weight")


def prune(model: WaveRNN, sparsity: float) -> WaveRNN:
    """Zero a fraction of the 16x1 blocks of each gate at random, except the diagonals of recurrent matrices."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if not name.startswith(LOOP):
            continue
        gates = parameter.data.split(len(parameter) // 3 if name.startswith("gru") else len(parameter))
        for gate in gates:
            rows, columns = gate.shape
            keep = torch.rand(-(-rows // 16), columns, generator=generator) >= sparsity
            keep = keep.repeat_interleave(16, dim=0)[:rows]
            if "weight_hh" in name:
                keep.fill_diagonal_(True)
            gate *= keep
    return model


def make_model(config: WaveRNNConfig, sparsity: float = 0.0) -> WaveRNN:
    """A model with varied batch-norm statistics and varied outputs."""
    torch.manual_seed(3)
    model = build_wavernn(config).eval().requires_grad_(False)
    for name, buffer in model.named_buffers():
        if "running" in name:
            buffer.uniform_(0.5, 1.5)
    model.output.weight *= 4
    return prune(model, sparsity)


@pytest.fixture
def toy_model(toy_config):
    """Widths that are not multiples of 16."""

    def make(shape="compact", mode="raw", sparsity=0.0, **changes):
        return make_model(toy_config(shape, mode, hidden_size=40, fc_size=24, residual_size=20, **changes), sparsity)

    return make


def make_mel(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-4, 4, (80, frames)).astype(np.float32)


def reference_outputs(model: WaveRNN, mel: np.ndarray, samples: np.ndarray) -> torch.Tensor:
    """Teacher-forced outputs of the network: [samples, outputs]."""
    config = model.config
    if config.predicts:
        return stepped_outputs(model, mel, samples)
    first = config.silence if config.mode == "raw" else 0
    before = torch.from_numpy(np.concatenate([[first], samples[:-1]]))
    before = before.long() if config.mode == "raw" else before.float()
    window = torch.from_numpy(mel_window(mel.T, 0, mel.shape[1], config.pad, config).copy())
    with torch.inference_mode():
        return model(before[None], window[None])[0]


def stepped_outputs(model: WaveRNN, mel: np.ndarray, labels: np.ndarray) -> torch.Tensor:
    """The same of the excitation shape, whose history is generated step by step: [labels, outputs]."""
    config, outputs = model.config, []
    with torch.inference_mode():
        stepper = model.stepper(1)
        drawn = first_drawn(config, 1, torch.device("cpu"))
        for offset, label in enumerate(labels):
            if offset % config.hop_length == 0:
                window = mel_window(mel.T, offset // config.hop_length, 1, config.pad, config)
                stepper.begin_frame(torch.from_numpy(window.copy())[None])
            outputs.append(stepper.step(offset % config.hop_length, drawn)[0])
            drawn = torch.tensor([label])
            stepper.samples(drawn)
    return torch.stack(outputs)


def assert_drawn_from(
    model: WaveRNN, mel: np.ndarray, samples: np.ndarray, tape: np.ndarray, within: float = 1e-5
) -> None:
    """Every sample is what the reference draws after the same samples, except where rounding decides."""
    outputs, uniforms = reference_outputs(model, mel, samples), torch.from_numpy(tape)
    if model.config.mode == "mol":
        drawn = draw_samples(outputs, uniforms, model.config).numpy()
        assert (np.abs(drawn - samples) > 1e-4).mean() < 1e-3  # between two logistic distributions, rounding decides
        return
    labels = torch.from_numpy(samples).long()[:, None]
    running = torch.nn.functional.pad(outputs.double().softmax(dim=1).cumsum(dim=1), (1, 0))
    assert (uniforms <= running.gather(1, labels + 1) + within).all()
    assert (uniforms >= running.gather(1, labels) - within).all()


@ALL_MODELS
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.95])
def test_outputs_equal_the_network(toy_model, shape, mode, sparsity):
    model, mel = toy_model(shape, mode, sparsity), make_mel(6)
    generator = np.random.default_rng(1)
    samples = generator.integers(0, 512, 1200) if mode == "raw" else generator.uniform(-1, 1, 1200).astype(np.float32)
    sparse = pack(model).plan[: len(SAMPLE_LOOP[shape]), COLUMNS] >= 0
    assert (sparse == (sparsity > 0)).all()
    outputs = CompiledSampler(model).outputs(mel, samples)
    assert outputs.shape == (1200, model.config.outputs)
    np.testing.assert_allclose(outputs, reference_outputs(model, mel, samples), atol=1e-5)


@FULL_WIDTH
def test_distributions_equal_the_network_at_full_width(config):
    model, mel = make_model(config, 0.9), make_mel(3)
    samples = np.random.default_rng(1).integers(0, 512, 600)
    outputs = torch.from_numpy(CompiledSampler(model).outputs(mel, samples))
    difference = outputs.softmax(dim=1) - reference_outputs(model, mel, samples).softmax(dim=1)
    assert difference.abs().max() < 1e-5


@ALL_MODELS
@pytest.mark.parametrize("sparsity", [0.0, 0.8])
def test_free_running_equals_the_reference_on_the_same_tape(toy_model, shape, mode, sparsity):
    model, mel, folds = toy_model(shape, mode, sparsity), make_mel(9), [Fold(0, 4), Fold(3, 6), Fold(5, 9)]
    tapes = [make_tape(model.config, fold.frames * 200, 5, index) for index, fold in enumerate(folds)]
    made = CompiledSampler(model).sample_folds(mel, folds, tapes)
    expected = TorchSampler(model).sample_folds(mel, folds, tapes)
    for samples, reference in zip(made, expected, strict=True):
        assert samples.dtype == reference.dtype and samples.shape == reference.shape
        assert (np.abs(samples.astype(float) - reference) > 1e-3).mean() < 0.01  # where rounding decides
    if model.config.predicts:  # its samples are not what was drawn
        return
    whole = make_tape(model.config, 1800, 6)
    stream = CompiledSampler(model).sample_folds(mel, [Fold(0, 9)], [whole])[0]
    assert_drawn_from(model, mel, stream, whole)


@pytest.mark.parametrize("config", [WaveRNNConfig(), classic_config()], ids=["compact", "classic"])
def test_free_running_equals_the_reference_at_full_width(config):
    model, mel = make_model(config, 0.95), make_mel(4)
    tape = make_tape(config, 800, 7)
    assert_drawn_from(model, mel, CompiledSampler(model).sample_folds(mel, [Fold(0, 4)], [tape])[0], tape)


@ALL_MODELS
@pytest.mark.parametrize("sparsity", [0.0, 0.8])
def test_lanes_and_threads_do_not_change_the_samples(toy_model, monkeypatch, shape, mode, sparsity):
    model, mel = toy_model(shape, mode, sparsity), make_mel(12)
    folds = [Fold(start, start + 1 + start % 4) for start in range(9)] * 2
    tapes = [make_tape(model.config, fold.frames * 200, 5, index) for index, fold in enumerate(folds)]
    monkeypatch.setattr(packing, "amx_is_usable", lambda: False)
    sampler = CompiledSampler(model)
    assert [best_width(count, LANE_COSTS) for count in (1, 2, 3, 8)] == list(LANE_COSTS)
    single = [sampler.sample_folds(mel, [fold], [tape])[0] for fold, tape in zip(folds, tapes, strict=True)]
    assert tuple(DENSE_CLASSIC_COSTS) == WIDTHS
    for count, threads in ((16, 1), (18, 2), (18, 3), (6, 1), (3, 1), (3, 2), (2, 1)):
        sampler.threads = threads
        together = sampler.sample_folds(mel, folds[:count], tapes[:count])
        for one, other in zip(single, together, strict=False):
            np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(not amx_is_usable(), reason="this processor has no AMX, or the system does not grant it")
@pytest.mark.parametrize("mode", ["raw", "mol"])
def test_folds_in_matrix_registers_are_drawn_from_the_network(toy_model, mode):
    model, mel = toy_model("classic", mode), make_mel(6)
    tapes = [make_tape(model.config, 1200, 5, index) for index in range(4)]
    sampler = CompiledSampler(model)
    assert sampler.lane_costs is TILED_COSTS and best_width(2, TILED_COSTS) == 16
    made = sampler.sample_folds(mel, [Fold(0, 6)] * 4, tapes)
    for samples, tape in zip(made, tapes, strict=True):
        assert_drawn_from(model, mel, samples, tape, within=1e-4)
    again = sampler.sample_folds(mel, [Fold(0, 6)] * 2, tapes[2:])
    np.testing.assert_array_equal(again, made[2:])  # a lane does not depend on the others


@pytest.mark.parametrize(("shape", "mode"), [("compact", "raw"), ("compact", "mol"), ("excitation", "raw")])
@pytest.mark.parametrize(("frames", "chunk_frames"), [(1, 8), (19, 8), (40, 16), (16, 16), (20, 3)])
def test_stream_equals_the_whole(toy_model, shape, mode, frames, chunk_frames):
    model, mel = toy_model(shape, mode), make_mel(frames)
    sampler = CompiledSampler(model)
    whole = sampler.sample_folds(mel, [Fold(0, frames)], [make_tape(model.config, frames * 200, 1)])[0]
    stream = sampler.sample_stream(MelFrames.whole(mel), open_tape(model.config, 1))
    chunks = list(regrouped(stream, 200 * chunk_frames))
    assert [len(chunk) for chunk in chunks[:-1]] == [200 * chunk_frames] * (len(chunks) - 1)
    assert 0 < len(chunks[-1]) <= 200 * chunk_frames
    np.testing.assert_array_equal(np.concatenate(chunks), whole)


def test_tapes_can_be_drawn_in_blocks(toy_model):
    model, mel, folds = toy_model(mode="mol"), make_mel(12), [Fold(0, 7), Fold(6, 12)]
    sampler = CompiledSampler(model)
    tapes = [make_tape(model.config, fold.frames * 200, 1, index) for index, fold in enumerate(folds)]
    open_tapes = [open_tape(model.config, 1, index) for index in range(2)]
    for one, other in zip(
        sampler.sample_folds(mel, folds, tapes), sampler.sample_folds(mel, folds, open_tapes), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_no_folds_and_empty_folds(toy_model):
    model = toy_model()
    assert CompiledSampler(model).sample_folds(make_mel(3), [], []) == []
    tape = make_tape(model.config, 200, 0)
    made = CompiledSampler(model).sample_folds(make_mel(3), [Fold(2, 2), Fold(2, 3)], [tape[:0], tape])
    assert [len(samples) for samples in made] == [0, 200]


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_and_cancelling(toy_model, threads):
    model, mel, folds = toy_model(), make_mel(40), [Fold(0, 40), Fold(0, 30), Fold(10, 40)]
    tapes = [make_tape(model.config, fold.frames * 200, 5) for fold in folds]
    seen, callers = [], set()

    def cancelled():
        callers.add(threading.current_thread())
        return False

    CompiledSampler(model, threads).sample_folds(mel, folds, tapes, Control(lambda *done: seen.append(done), cancelled))
    assert seen[-1] == (20_000, 20_000) and seen == sorted(seen) and len(set(seen)) == len(seen)
    assert callers == {threading.current_thread()}
    with pytest.raises(WorkCancelled):
        CompiledSampler(model, threads).sample_folds(mel, folds, tapes, Control(cancelled=lambda: True))
    chunks: list[np.ndarray] = []
    control = Control(cancelled=lambda: len(chunks) > 1)
    stream = CompiledSampler(model).sample_stream(MelFrames.whole(mel), open_tape(model.config, 0), control)
    with pytest.raises(WorkCancelled):
        for chunk in stream:
            chunks.append(chunk)
    assert len(chunks) == 2


def test_error_in_a_callback_ends_the_threads(toy_model):
    model, mel, folds = toy_model(), make_mel(200), [Fold(0, 200)] * 2
    tapes = [make_tape(model.config, 40_000, seed) for seed in range(2)]
    before = threading.active_count()

    def fail(_done, _total):
        raise KeyError("full")

    with pytest.raises(KeyError, match="full"):
        CompiledSampler(model, 2).sample_folds(mel, folds, tapes, Control(fail))
    assert threading.active_count() == before


def test_error_in_a_thread_reaches_the_caller(toy_model):
    model, mel = toy_model(), make_mel(9)

    def broken(_rows):
        raise OSError("broken tape")

    with pytest.raises(OSError, match="broken"):
        CompiledSampler(model, 2).sample_folds(mel, [Fold(0, 9)] * 2, [broken, open_tape(model.config, 0)])


def test_cancelling_is_checked_often_with_wide_dense_matrices():
    config = classic_config()
    model, mel, folds = make_model(config), make_mel(20), [Fold(0, 20)] * 16
    tapes = [open_tape(config, 0, index) for index in range(16)]
    looks = []

    def cancelled():
        looks.append(time.thread_time())
        return len(looks) > 8

    with pytest.raises(WorkCancelled):
        CompiledSampler(model).sample_folds(mel, folds, tapes, Control(cancelled=cancelled))
    assert np.diff(looks[1:]).max() < 0.05


@ALL_SHAPES
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(toy_model, shape, value):
    model = toy_model(shape)
    model.output.weight[3, 5] = value
    with pytest.raises(ModelFileError, match="not finite"):
        CompiledSampler(model)


@ALL_MODELS
def test_huge_weights_give_samples_in_range(toy_model, shape, mode):
    model = toy_model(shape, mode)
    model.output.weight *= 1e38
    model.output.bias += 1e38
    folds = [Fold(0, 2)] * 16
    for samples in CompiledSampler(model).sample_folds(make_mel(2), folds, [open_tape(model.config, 0)] * 16):
        low, high = (0, 511) if model.config.samples_are_labels else (-1, 1)
        assert samples.min() >= low and samples.max() <= high


@pytest.mark.parametrize("folds", [1, 16])
def test_certain_label_is_drawn_for_any_uniform_number(toy_model, folds):
    model = toy_model()
    model.output.bias[417] += 1000
    uniforms = np.tile(np.array([[0.0], [np.nextafter(np.float32(1), np.float32(0))]], dtype=np.float32), (100, 1))
    for samples in CompiledSampler(model).sample_folds(make_mel(1), [Fold(0, 1)] * folds, [uniforms] * folds):
        assert (samples == 417).all()


@ALL_SHAPES
@pytest.mark.parametrize("changes", [{"pad": 1}, {"bits": 4}, {"bits": 10}])
def test_other_settings(toy_model, shape, changes):
    model, mel = toy_model(shape, **changes), make_mel(3)
    tape = make_tape(model.config, 600, 2)
    folds = [Fold(0, 3)] * 8
    made = CompiledSampler(model).sample_folds(mel, folds, [tape] * 8)
    reference = TorchSampler(model).sample_folds(mel, folds[:1], [tape])[0]
    assert all((np.abs(samples - reference) > 1e-3).mean() < 0.01 for samples in made)
