"""Training steps and validation of a WaveRNN."""

import math

import pytest
import torch

from corpora.store import FeatureStore, FeatureWriter
from speech.errors import CorpusError
from vocoder.wavernn.batches import WaveRNNBatches
from vocoder.wavernn.model import build_wavernn
from vocoder.wavernn.pruning import Pruner, PruningSchedule
from vocoder.wavernn.task import Validation, WaveRNNTask

SMALL = Validation(crops=4, crop_frames=2, clips=2, clip_frames=3)


def test_validation_writes_audio_and_images(toy_config, toy_store, run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    task = WaveRNNTask(build_wavernn(toy_config()).eval(), toy_store, size=SMALL)
    figures = task.validate(7, run)
    assert (
        set(figures) == {"validation_loss", "differential_entropy", "mel_error"}
        and task.best_metric == "validation_loss"
    )
    assert figures["validation_loss"] == pytest.approx(math.log(512), abs=0.5)
    run.close()
    assert {path.name for path in run.samples.iterdir()} == {"step-000000007-0.wav", "step-000000007-1.wav"}
    events = EventAccumulator(str(run.events))
    events.Reload()
    assert events.Tags()["audio"] == ["sample/0", "sample/1"] and events.Tags()["images"] == ["mel/0", "mel/1"]


def test_figures_of_a_pruned_model(toy_config, toy_store, run):
    model = build_wavernn(toy_config(sparsity=0.5)).eval()
    task = WaveRNNTask(model, toy_store, pruner=Pruner(model, PruningSchedule(0.5, start=0, steps=2)), size=SMALL)
    task.clips = []
    before = task.validate(0, run)
    assert task.best_metric == "pruned_loss" and math.isnan(before["pruned_loss"])
    assert before["sparsity/gru.weight_hh_l0"] == 0
    task.after_step(2, {})
    after = task.validate(2, run)
    assert after["pruned_loss"] == after["validation_loss"]
    assert after["sparsity/gru.weight_hh_l0"] == after["sparsity/output.weight"] == 0.5
    assert "output.weight.index" in task.stored_weights()


def test_store_of_gta_mels_is_used_like_any_other(toy_config, toy_store, tmp_path):
    """GTA mels are stored in the same arrays, with an entry in the meta data."""
    with FeatureWriter(tmp_path / "gta") as writer:
        writer.write_info(dict(toy_store.info))
        for item in range(len(toy_store)):
            arrays = {name: toy_store.array(item, name) for name in ("mel", "wav")}
            writer.add(f"{item}", arrays, {**toy_store.meta(item), "gta": True})
    store, config = FeatureStore(tmp_path / "gta"), toy_config()
    batch = WaveRNNBatches(store, config, 2, 2).batch_at(0)
    assert torch.equal(batch["mel"], WaveRNNBatches(toy_store, config, 2, 2).batch_at(0)["mel"])
    task = WaveRNNTask(build_wavernn(config), store, size=SMALL)
    losses = task.step(batch, 0, torch.Generator())
    assert losses["loss"].item() == pytest.approx(math.log(512), abs=0.5) and int(losses["items"]) == 800


def test_store_without_validation_speech_is_refused(toy_config, toy_store):
    with pytest.raises(CorpusError):
        WaveRNNTask(build_wavernn(toy_config()), toy_store, size=Validation(crop_frames=1000))
