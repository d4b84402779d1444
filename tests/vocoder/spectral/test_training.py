"""The training script with --model spectral on a toy corpus."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import train_vocoder
from modelfile.header import config_from_header, read_header
from tests.training.runs import differences
from vocoder import Vocoder
from vocoder.spectral.config import SpectralConfig
from vocoder.spectral.family import SpectralFlags
from vocoder.wavernn.family import WaveRNNFlags

TOY = SpectralConfig(channels=16, hidden=24, blocks=2, kernel=3)
SIZES = ["--channels", "16", "--hidden", "24", "--blocks", "2", "--kernel", "3"]


def train(store: Path, run: Path, **changes) -> None:
    defaults: dict[str, Any] = {"steps": 6, "batch_size": 2, "frames": 8, "validate_every": 0, "save_every": 3}
    defaults |= {"precision": "fp32", "device": "cpu", "model": TOY}
    train_vocoder.main(SpectralFlags(store, run=run, threads=1, licence="CC0", **{**defaults, **changes}))


def test_resumed_run_equals_an_uninterrupted_one(toy_store_path, tmp_path):
    train(toy_store_path, tmp_path / "whole")
    train(toy_store_path, tmp_path / "parts", max_minutes=1e-9)  # stops after its first step
    state = sorted((tmp_path / "parts" / "state").iterdir())
    assert state and "step-000000006" not in state[-1].name
    train(toy_store_path, tmp_path / "parts", resume=True)
    assert differences(tmp_path / "parts", tmp_path / "whole") == []


def test_run_directory_has_a_vocoder_and_figures(toy_store_path, tmp_path):
    train(toy_store_path, tmp_path / "run", steps=2)
    vocoder = Vocoder.load(tmp_path / "run" / "best.safetensors")
    assert (vocoder.kind, vocoder.step, vocoder.licence, vocoder.trained_on) == ("spectral", 2, "CC0", "toy")
    assert vocoder.vocode(np.zeros((80, 2), np.float32)).shape == (400,)
    assert read_header(tmp_path / "run" / "best.safetensors").extra["best_metric"] == "spectral_distance"
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert any("validation/spectral_distance" in line for line in log)


def test_training_lowers_the_distance(toy_store_path, tmp_path):
    train(toy_store_path, tmp_path / "run", steps=40, validate_every=20, learning_rate=5e-3)
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    figures = [line["validation/spectral_distance"] for line in log if "validation/spectral_distance" in line]
    assert len(figures) == 2 and figures[1] < figures[0]


def test_new_run_can_start_from_a_model_file(toy_store_path, tmp_path, capsys, caplog):
    """The sizes are those of the file. A file of a different family is refused."""
    train(toy_store_path, tmp_path / "first", steps=1)
    source = tmp_path / "first" / "model.safetensors"
    with caplog.at_level("INFO"):
        train(toy_store_path, tmp_path / "second", steps=1, start_from=source, model=SpectralConfig())
    assert re.search(r"(\d+) of \1 tensors", caplog.text)
    assert config_from_header(SpectralConfig, read_header(tmp_path / "second" / "model.safetensors")) == TOY
    wavernn = WaveRNNFlags(toy_store_path, run=tmp_path / "third", start_from=source, steps=1)
    with pytest.raises(SystemExit) as stop:
        train_vocoder.main(wavernn)
    assert stop.value.code == 2 and "error: " in capsys.readouterr().err


def test_mistakes_are_refused_in_one_sentence(toy_store_path, tmp_path, capsys):
    train(toy_store_path, tmp_path / "run", steps=1)
    for changes in ({"run": tmp_path / "run"}, {"frames": 5000}, {"frames": 4}, {"batch_size": 0}):
        with pytest.raises(SystemExit) as stop:
            train(toy_store_path, **{"run": tmp_path / "new", **changes})
        assert stop.value.code == 2
        assert "error: " in capsys.readouterr().err


def run_with(monkeypatch, *words: str) -> None:
    monkeypatch.setattr("sys.argv", ["train_vocoder.py", *words])
    train_vocoder.main()


def test_command_line_has_the_flags_of_the_family(toy_store_path, tmp_path, monkeypatch, capsys):
    run = tmp_path / "run"
    words = [str(toy_store_path), "--run", str(run), "--steps", "1", "--batch-size", "2", "--frames", "8"]
    run_with(monkeypatch, *words, "--model", "spectral", "--threads", "1", "--precision", "fp32", *SIZES)
    header = read_header(run / "model.safetensors")
    assert header.kind == "spectral" and config_from_header(SpectralConfig, header) == TOY
    described = json.loads((run / "config.json").read_text())
    assert described["fit"]["decay"] == "cosine" and described["settings"]["frames"] == 8
    capsys.readouterr()
    for wrong in (["--model", "theremin"], ["--model", "wavernn", *SIZES], ["--model"]):
        with pytest.raises(SystemExit) as stop:
            run_with(monkeypatch, *words, *wrong)
        assert stop.value.code == 2
    for kind, flag in (("spectral", "--channels"), ("wavernn", "--hidden-size")):
        with pytest.raises(SystemExit):
            run_with(monkeypatch, "--model", kind, "--help")
        assert flag in capsys.readouterr().out
