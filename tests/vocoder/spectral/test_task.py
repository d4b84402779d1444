"""Training steps and validation of the spectral vocoder's first stage."""

import math

import numpy as np
import pytest
import torch

from speech.audio import read_audio
from speech.errors import CorpusError
from vocoder.spectral.config import SpectralConfig
from vocoder.spectral.data import SpectralBatches
from vocoder.spectral.model import SpectralGenerator
from vocoder.spectral.task import SpectralTask

TOY = SpectralConfig(channels=16, hidden=24, blocks=2, kernel=3)


@pytest.fixture
def task(toy_store) -> SpectralTask:
    torch.manual_seed(0)
    return SpectralTask(SpectralGenerator(TOY), toy_store, licence="CC0", clips=5, clip_frames=24)


def test_losses_of_a_step(task, toy_store):
    losses = task.step(SpectralBatches(toy_store, TOY, 2, 12).batch_at(0), 0, torch.Generator())
    parts = [losses[name] for name in ("magnitude", "log_magnitude", "mel")]
    assert losses["loss"].item() == pytest.approx(sum(part.item() for part in parts), rel=1e-5)
    assert losses["loss"].requires_grad and int(losses["items"]) == 2 * 12 * 200


def test_transforms_are_computed_in_single_precision(task, toy_store):
    batch = SpectralBatches(toy_store, TOY, 2, 12).batch_at(0)
    exact = task.step(batch, 0, torch.Generator())["loss"]
    with torch.autocast("cpu", torch.bfloat16):
        rough = task.step(batch, 0, torch.Generator())["loss"]
    assert rough.dtype == torch.float32 and rough.item() == pytest.approx(exact.item(), rel=0.02)


def test_validation_writes_audio_and_images(task, run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    figures = task.validate(7, run)
    distances = {"spectral_distance", "magnitude", "log_magnitude", "mel"}
    assert set(figures) == distances | {"periodicity_distance", "mel_error"}
    assert task.best_metric in figures and all(math.isfinite(value) for value in figures.values())
    assert figures["spectral_distance"] == pytest.approx(
        sum(figures[name] for name in ("magnitude", "log_magnitude", "mel"))
    )
    run.close()
    clips = sorted(run.samples.iterdir())
    assert [path.name for path in clips] == [f"step-000000007-{number}.wav" for number in range(4)]
    assert len(read_audio(clips[0])) == 24 * 200
    events = EventAccumulator(str(run.events))
    events.Reload()
    assert events.Tags()["audio"] == [f"sample/{number}" for number in range(4)]
    assert events.Tags()["images"] == [f"mel/{number}" for number in range(4)]


def test_validation_is_the_same_twice(task, run):
    one, two = task.validate(1, run), task.validate(2, run)
    assert one == two and np.isfinite(one["mel_error"])


def test_header_of_the_model_file(task):
    header = task.model_file()
    assert (header["stage"], header["kind"], header["config"], header["licence"]) == ("vocoder", "spectral", TOY, "CC0")


def test_clips_of_short_utterances_are_shorter(toy_store):
    task = SpectralTask(SpectralGenerator(TOY), toy_store, clips=2, clip_frames=5000)
    longest = max(toy_store.shape(i, "mel")[0] for i in range(6) if toy_store.meta(i)["split"] == "validation")
    assert [mel.shape for mel, _ in task.clips] == [(80, longest)] * 2


def test_store_without_validation_speech_is_refused(toy_store, monkeypatch):
    monkeypatch.setattr("vocoder.spectral.task.SHORTEST_CROP", 5000)
    with pytest.raises(CorpusError, match="no utterance"):
        SpectralTask(SpectralGenerator(TOY), toy_store)
