"""The loop for a GPU, run on the CPU without a captured graph."""

import numpy as np
import pytest
import torch

from speech.errors import WorkCancelled
from vocoder.control import Control
from vocoder.wavernn.folding import Fold
from vocoder.wavernn.half import HalfSampler
from vocoder.wavernn.inference import WaveRNNVocoder
from vocoder.wavernn.model import build_wavernn
from vocoder.wavernn.samples import decode_samples
from vocoder.wavernn.sampling import TorchSampler, make_tape, open_tape
from waveform.segments import MelFrames

SHAPES = [("compact", "raw"), ("compact", "mol"), ("classic", "raw"), ("classic", "mol")]
FOLDS = [Fold(0, 2), Fold(1, 6), Fold(4, 5)]


@pytest.fixture
def model(toy_config, request):
    torch.manual_seed(0)
    return build_wavernn(toy_config(*getattr(request, "param", ("compact", "raw")))).eval().requires_grad_(False)


@pytest.fixture
def mel() -> np.ndarray:
    return np.random.default_rng(0).uniform(-4, 4, (80, 6)).astype(np.float32)


def tapes(model, folds=FOLDS) -> list[np.ndarray]:
    return [make_tape(model.config, fold.frames * 200, 3, index) for index, fold in enumerate(folds)]


@pytest.mark.parametrize("model", SHAPES, indirect=True)
def test_single_precision_equals_the_reference(model, mel):
    expected = TorchSampler(model).sample_folds(mel, FOLDS, tapes(model))
    seen: list[tuple[int, int]] = []
    sampler = HalfSampler(model, torch.float32, record=False)
    samples = sampler.sample_folds(mel, FOLDS, tapes(model), Control(lambda *done: seen.append(done)))
    for got, reference in zip(samples, expected, strict=True):
        assert got.dtype == reference.dtype
        np.testing.assert_allclose(got, reference, atol=1e-6)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen) and seen[-1] == (1600, 1600)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("model", SHAPES, indirect=True)
def test_half_precision_is_close_to_the_reference(model, mel, dtype):
    """Rounding may decide between two labels, which hardly changes the audio."""
    expected = TorchSampler(model).sample_folds(mel, FOLDS, tapes(model))
    samples = HalfSampler(model, dtype, record=False).sample_folds(mel, FOLDS, tapes(model))
    for got, reference in zip(samples, expected, strict=True):
        apart = decode_samples(got, model.config) - decode_samples(reference, model.config)
        assert np.abs(apart).mean() < 0.02 * np.abs(decode_samples(reference, model.config)).mean() + 0.01
        if model.config.mode == "raw":
            assert np.mean(got == reference) > 0.9


def test_stream_equals_one_fold_beside_another_stream(model, mel):
    sampler = HalfSampler(model, torch.float32, record=False)
    expected = np.concatenate(list(TorchSampler(model).sample_stream(MelFrames.whole(mel), open_tape(model.config, 1))))
    first, second = (sampler.sample_stream(MelFrames.whole(mel), open_tape(model.config, 1)) for _ in range(2))
    parts = [(next(first), next(second)) for _ in range(3)]  # the two run alternately, in separate buffers
    assert [len(chunk) for chunk, _ in parts] == [400, 400, 400]
    for side in range(2):
        assert np.array_equal(np.concatenate([pair[side] for pair in parts]), expected)


def test_each_run_starts_from_the_initial_state_also_after_a_cancelled_one(model, mel):
    sampler = HalfSampler(model, torch.float32, record=False)
    expected = sampler.sample_folds(mel, FOLDS, tapes(model))
    answers = iter([False, False, True])
    with pytest.raises(WorkCancelled):
        sampler.sample_folds(mel, FOLDS, tapes(model), Control(cancelled=lambda: next(answers)))
    assert all(map(np.array_equal, sampler.sample_folds(mel, FOLDS, tapes(model)), expected))


def test_more_folds_than_a_batch_are_run_in_several_batches(model, mel, monkeypatch):
    expected = HalfSampler(model, torch.float32, record=False).sample_folds(mel, FOLDS, tapes(model))
    monkeypatch.setattr("vocoder.wavernn.half.BATCHES", (1, 2))
    samples = HalfSampler(model, torch.float32, record=False).sample_folds(mel, FOLDS, tapes(model))
    assert all(map(np.array_equal, samples, expected))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
@pytest.mark.parametrize("model", SHAPES, indirect=True)
def test_captured_graph_equals_the_reference(model, mel):
    expected = TorchSampler(model).sample_folds(mel, FOLDS, tapes(model))
    samples = HalfSampler(model.cuda(), torch.float32).sample_folds(mel, FOLDS, tapes(model))
    for got, reference in zip(samples, expected, strict=True):
        apart = decode_samples(got, model.config) - decode_samples(reference, model.config)
        assert np.abs(apart).mean() < 0.01
    assert isinstance(WaveRNNVocoder(model, "cuda").running.sampler, HalfSampler)
