"""Mels that arrive in segments: the waveform is that of the whole mel."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from speech.errors import AudioError, WorkCancelled
from vocoder import GriffinLimVocoder, Vocoder
from vocoder.spectral.config import SpectralConfig
from vocoder.spectral.inference import SpectralVocoder
from vocoder.spectral.model import SpectralGenerator
from vocoder.wavernn.inference import WaveRNNVocoder
from vocoder.wavernn.model import build_wavernn
from waveform.segments import MelFrames

CUTS = [[1], [1, 1, 1], [300], [30, 1, 1, 170], [13, 1, 60, 128, 1], [32, 32, 16], [48, 1], [14, 8], [64, 8, 2, 1, 1]]


def random_mel(frames: int) -> np.ndarray:
    return np.random.default_rng(frames).uniform(-4, 2, (80, frames)).astype(np.float32)


def cut(mel: np.ndarray, lengths: list[int]) -> Iterator[np.ndarray]:
    return iter(np.split(mel, np.cumsum(lengths)[:-1], axis=1))


def random_lengths(seed: int, total: int) -> list[int]:
    """Segment lengths, a third of them 1."""
    rng = np.random.default_rng(seed)
    lengths: list[int] = []
    while sum(lengths) < total:
        lengths.append(1 if rng.random() < 1 / 3 else int(rng.integers(1, 90)))
    return lengths


@pytest.fixture(params=["spectral", "refined", "griffin-lim"])
def vocoder(request) -> Vocoder:
    if request.param == "griffin-lim":
        return GriffinLimVocoder(iterations=3)
    torch.manual_seed(0)
    model = SpectralGenerator(SpectralConfig(channels=16, hidden=24, blocks=2, kernel=3))
    return SpectralVocoder(model, refinements=3 if request.param == "refined" else 0)


@pytest.mark.parametrize("lengths", [*CUTS, *(random_lengths(seed, 250) for seed in range(4))])
def test_segments_give_the_samples_of_the_whole(vocoder, lengths):
    mel, seen = 0.5 * random_mel(sum(lengths)) - 2, []
    chunks = list(vocoder.stream_segments(cut(mel, lengths), seed=4, progress=lambda *done: seen.append(done)))
    assert np.array_equal(np.concatenate(chunks), vocoder.vocode(mel, seed=4))
    assert max(len(chunk) for chunk in chunks) <= 1600
    assert seen == sorted(seen) and seen[-1] == (200 * sum(lengths), 200 * sum(lengths))


@pytest.mark.parametrize("engine", ["torch", "compiled"])
@pytest.mark.parametrize(("shape", "mode"), [("compact", "raw"), ("compact", "mol"), ("classic", "raw")])
@pytest.mark.parametrize("lengths", [[1], [9, 1, 1, 2, 8], [1, 1, 1, 20]])
def test_segments_give_the_samples_of_one_fold(toy_config, engine, shape, mode, lengths):
    torch.manual_seed(0)
    vocoder, mel = WaveRNNVocoder(build_wavernn(toy_config(shape, mode)), engine=engine), random_mel(sum(lengths))
    chunks = list(vocoder.stream_segments(cut(mel, lengths), seed=4))
    assert np.array_equal(np.concatenate(chunks), vocoder.vocode_folds(mel, 1, seed=4))
    assert {len(chunk) for chunk in chunks[:-1]} <= {1600}


@pytest.mark.parametrize("lengths", [[1], [9, 1, 1, 2, 8], [64, 8, 1], [30, 1, 1, 170]])
def test_refined_segments_give_the_samples_of_one_fold(toy_config, lengths):
    torch.manual_seed(0)
    vocoder = WaveRNNVocoder(build_wavernn(toy_config()), engine="compiled", refinements=3)
    mel = random_mel(sum(lengths))
    chunks = list(vocoder.stream_segments(cut(mel, lengths), seed=4))
    assert np.array_equal(np.concatenate(chunks), vocoder.vocode_folds(mel, 1, seed=4))
    assert max(len(chunk) for chunk in chunks) <= 1600


def test_a_segment_is_requested_when_it_is_needed(vocoder):
    requested = []

    def segments() -> Iterator[np.ndarray]:
        for number in range(3):
            requested.append(number)
            yield random_mel(150)

    stream = vocoder.stream_segments(segments(), seed=0)
    assert not requested
    next(stream)
    assert requested == [0]
    assert sum(len(chunk) for chunk in stream) == 3 * 150 * 200 - 1600 and requested == [0, 1, 2]


def test_no_segments_give_no_audio(vocoder, toy_config):
    wavernn = WaveRNNVocoder(build_wavernn(toy_config()), engine="torch", refinements=2)
    for each in (vocoder, wavernn):
        assert list(each.stream_segments(iter(()), seed=0)) == []


def test_bad_segment_is_refused_when_it_arrives(vocoder):
    stream = vocoder.stream_segments(iter([random_mel(200), np.zeros((3, 9))]), seed=0)
    next(stream)
    with pytest.raises(AudioError):
        list(stream)


def test_cancelled_stream_of_segments_ends(vocoder):
    with pytest.raises(WorkCancelled):
        list(vocoder.stream_segments(iter([random_mel(20)]), cancelled=lambda: True))


def test_frames_that_are_not_read_again_are_dropped():
    mel = random_mel(100)
    frames = MelFrames(cut(mel, [10] * 10))
    for start in range(0, 96, 4):
        assert np.array_equal(frames.read(max(0, start - 2), start + 4), mel[:, max(0, start - 2) : start + 4])
        frames.forget(start - 2)
        assert frames._kept.shape[1] <= 22
    assert np.array_equal(frames.read(95, 120), mel[:, 95:]) and frames.ended and frames.known == 100


def test_segments_one_by_one():
    mel = random_mel(30)
    parts = list(MelFrames(cut(mel, [10, 1, 19])).segments())
    assert [part.shape[1] for part in parts] == [10, 1, 19] and np.array_equal(np.concatenate(parts, axis=1), mel)
    (whole,) = MelFrames.whole(mel).segments()
    assert np.array_equal(whole, mel)


def test_two_readers_have_the_same_frames():
    mel = random_mel(30)
    first, second = MelFrames(cut(mel, [10, 1, 19])).twice()
    assert np.array_equal(first.read(0, 15), mel[:, :15]) and second.known == 0
    first.forget(15)
    assert np.array_equal(second.read(0, 30), mel) and np.array_equal(first.read(15, 40), mel[:, 15:])
