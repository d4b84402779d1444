"""The training script of the vocoder on a toy corpus."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import train_vocoder
from corpora.store import FeatureWriter
from modelfile.checkpoint import load_weights
from modelfile.header import config_from_header, read_header
from speech.mel import MelConfig, code_mel
from tests.training.runs import differences
from vocoder import Vocoder
from vocoder.wavernn.config import WaveRNNConfig
from vocoder.wavernn.family import WaveRNNFlags
from vocoder.wavernn.pruning import unpack_sparse

TOY = WaveRNNConfig(hidden_size=16, fc_size=12, condition_size=8, sample_embedding_size=6)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_store(tmp_path_factory.mktemp("train_vocoder") / "store")


def fill_store(path: Path) -> Path:
    """Three training utterances of 20 frames and one for validation."""
    rng = np.random.default_rng(0)
    with FeatureWriter(path) as writer:
        writer.write_info({"stage": "vocoder", "mel_config": dataclasses.asdict(MelConfig())})
        for number in range(4):
            arrays = {
                "mel": code_mel(rng.uniform(-4, 4, (20, 80))),
                "wav": (rng.standard_normal(4000) * 3000).astype(np.int16),
            }
            split = "validation" if number == 3 else "train"
            writer.add(str(number), arrays, {"speaker": str(number), "corpus": "toy", "split": split})
    return path


def train(store: Path, run: Path, **changes) -> None:
    defaults: dict[str, Any] = {"steps": 6, "batch_size": 2, "frames": 1, "validate_every": 0, "save_every": 3}
    defaults |= {"precision": "fp32", "device": "cpu"}
    flags = WaveRNNFlags(store, run=run, threads=1, licence="CC0", **{"model": TOY, **defaults, **changes})
    train_vocoder.main(flags)


def test_resumed_run_equals_an_uninterrupted_one(store, tmp_path):
    train(store, tmp_path / "whole")
    train(store, tmp_path / "parts", max_minutes=1e-9)  # stops after its first step
    state = sorted((tmp_path / "parts" / "state").iterdir())
    assert state and "step-000000006" not in state[-1].name
    train(store, tmp_path / "parts", resume=True)
    assert differences(tmp_path / "parts", tmp_path / "whole") == []


@pytest.mark.parametrize("shape", ["compact", "excitation"])
def test_resumed_pruning_equals_an_uninterrupted_one(store, tmp_path, shape):
    config = dataclasses.replace(TOY, shape=shape, sparsity=0.75)
    pruned = {"model": config, "prune_start": 1, "prune_steps": 4, "prune_every": 1}
    train(store, tmp_path / "whole", **pruned)
    train(store, tmp_path / "parts", **pruned, steps=6, max_minutes=1e-9)
    train(store, tmp_path / "parts", **pruned, resume=True)
    assert "fc.weight.blocks" in load_weights(tmp_path / "whole" / "model.safetensors")
    assert differences(tmp_path / "parts", tmp_path / "whole") == []
    log = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["validation/sparsity/gru.weight_hh_l0"] == pytest.approx(0.75, abs=0.04)


def test_finished_model_can_be_pruned(store, tmp_path):
    """Shape and sizes are those of the file. A model is not the best one before it has the final sparsity."""
    train(store, tmp_path / "dense", steps=1)
    source = tmp_path / "dense" / "best.safetensors"
    pruned = {"start_from": source, "steps": 4, "prune_start": 0, "prune_steps": 3, "prune_every": 1}
    train(store, tmp_path / "sparse", **pruned, model=WaveRNNConfig(sparsity=0.5), validate_every=1)
    header = read_header(tmp_path / "sparse" / "best.safetensors")
    assert header.config["hidden_size"] == TOY.hidden_size and header.config["sparsity"] == 0.5
    assert header.step >= 3 and header.extra["best_metric"] == "pruned_loss" and header.extra["refinements"] == "64"
    dense, sparse = (
        sum(t.numel() for t in load_weights(path).values())
        for path in (source, tmp_path / "sparse" / "best.safetensors")
    )
    assert sparse < dense
    train(
        store, tmp_path / "further", start_from=tmp_path / "sparse" / "best.safetensors", model=WaveRNNConfig(), steps=1
    )
    again = unpack_sparse(
        load_weights(tmp_path / "further" / "best.safetensors"), dataclasses.replace(TOY, sparsity=0.5)
    )
    assert float((again["fc.weight"] == 0).float().mean()) >= 0.5


@pytest.mark.parametrize("changes", [{"mode": "mol"}, {"shape": "classic", "residual_size": 8, "residual_blocks": 1}])
def test_other_shapes_and_outputs_train_and_prune(store, tmp_path, changes):
    model = dataclasses.replace(TOY, sparsity=0.5, **changes)
    train(store, tmp_path / "run", model=model, steps=1, prune_start=0, prune_steps=1)
    header = read_header(tmp_path / "run" / "model.safetensors")
    assert config_from_header(WaveRNNConfig, header) == model
    assert "output.weight.blocks" in load_weights(tmp_path / "run" / "model.safetensors")


def test_run_directory_has_a_vocoder_and_figures(store, tmp_path):
    train(store, tmp_path / "run", steps=2)
    vocoder = Vocoder.load(tmp_path / "run" / "model.safetensors")
    assert (vocoder.step, vocoder.licence, vocoder.trained_on) == (2, "CC0", "toy")
    assert vocoder.vocode(np.zeros((80, 2), np.float32), seed=0).shape == (400,)
    log = (tmp_path / "run" / "log.jsonl").read_text()
    assert any("validation_loss" in json.dumps(json.loads(line)) for line in log.splitlines())


def test_new_run_can_start_from_a_model_file(store, tmp_path, caplog):
    train(store, tmp_path / "first", steps=1)
    with caplog.at_level("INFO"):
        train(store, tmp_path / "second", steps=1, start_from=tmp_path / "first" / "model.safetensors")
    assert re.search(r"(\d+) of \1 tensors", caplog.text)


def test_mistakes_are_refused_in_one_sentence(store, tmp_path, capsys):
    train(store, tmp_path / "run", steps=1)
    other = tmp_path / "text.safetensors"
    other.write_text("no model")
    too_late = {"model": dataclasses.replace(TOY, sparsity=0.5), "steps": 100}
    for changes in ({"run": tmp_path / "run"}, {"start_from": other}, {"frames": 99}, {"batch_size": 0}, too_late):
        with pytest.raises(SystemExit) as stop:
            train(store, **{"run": tmp_path / "new", **changes})
        assert stop.value.code == 2
        assert "error: " in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        train(tmp_path / "nowhere", tmp_path / "new")
    assert stop.value.code == 2


def test_command_line_reads_every_setting(store, tmp_path, monkeypatch):
    run = tmp_path / "run"
    start = tmp_path / "start"
    train(store, start, steps=1)
    sizes = [
        "--from",
        str(start / "model.safetensors"),
        "--sparsity",
        "0.5",
        "--prune-start",
        "0",
        "--prune-steps",
        "1",
    ]
    sizes += ["--hidden-size", "16", "--fc-size", "12", "--condition-size", "8", "--sample-embedding-size", "6"]
    words = [str(store), "--run", str(run), "--steps", "1", "--batch-size", "2", "--frames", "1", "--threads", "1"]
    monkeypatch.setattr("sys.argv", ["train_vocoder.py", *words, *sizes, "--precision", "fp32"])
    train_vocoder.main()
    assert Vocoder.load(run / "model.safetensors").step == 1


@pytest.mark.parametrize("family", ["wavernn", "spectral"])
def test_model_has_the_mel_settings_of_its_store(family, tmp_path, monkeypatch):
    mel_config = MelConfig(sample_rate=24_000, n_fft=1200, hop_length=300, win_length=1200, fmax=11_000.0)
    with FeatureWriter(tmp_path / "store") as writer:
        writer.write_info({"stage": "vocoder", "mel_config": dataclasses.asdict(mel_config)})
        for number in range(2):
            mel, wav = np.full((20, 80), 9, np.uint8), np.full(6000, 100, np.int16)
            writer.add(
                str(number), {"mel": mel, "wav": wav}, {"corpus": "toy", "split": ("train", "validation")[number]}
            )
    sizes = {
        "wavernn": ["--hidden-size", "16", "--fc-size", "12"],
        "spectral": ["--channels", "16", "--hidden", "24", "--blocks", "1"],
    }
    flags = ["--run", str(tmp_path / "run"), "--steps", "1", "--batch-size", "2", "--frames", "8", "--threads", "1"]
    words = [str(tmp_path / "store"), "--model", family, *flags, "--precision", "fp32", *sizes[family]]
    monkeypatch.setattr("sys.argv", ["train_vocoder.py", *words])
    train_vocoder.main()
    vocoder = Vocoder.load(tmp_path / "run" / "model.safetensors")
    assert vocoder.mel_config == mel_config and vocoder.sample_rate == 24_000
    assert vocoder.vocode(np.zeros((80, 5), np.float32), seed=0).shape == (1500,)
