"""The training script with --adversarial on a toy corpus."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import train_vocoder
from corpora.store import FeatureWriter
from modelfile.checkpoint import load_weights
from modelfile.header import read_header
from tests.training.runs import differences
from tests.vocoder.spectral.test_training import TOY
from tests.vocoder.spectral.test_training import train as train_first_stage
from training.flags import read_flags
from vocoder import Vocoder
from vocoder.spectral.config import AdversarialConfig, DiscriminatorConfig
from vocoder.spectral.discriminators import FILE_NAME, Discriminators

SMALL = DiscriminatorConfig(periods=(2,), period_channels=4, resolutions=(128,), resolution_channels=4)
STAGE = AdversarialConfig(discriminator_warmup_steps=2, discriminator_frames=8)


def train(store: Path, run: Path, **changes) -> None:
    defaults: dict[str, Any] = {"adversarial": True, "against": STAGE, "sizes": SMALL, "frames": 16}
    train_first_stage(store, run, **{**defaults, **changes})


@pytest.fixture(scope="module")
def first(toy_store_path, tmp_path_factory) -> Path:
    """A model of the first stage."""
    run = tmp_path_factory.mktemp("first") / "run"
    train_first_stage(toy_store_path, run, steps=2)
    return run / "model.safetensors"


def test_resumed_run_equals_an_uninterrupted_one(toy_store_path, tmp_path, first):
    train(toy_store_path, tmp_path / "whole", start_from=first)
    train(toy_store_path, tmp_path / "parts", start_from=first, max_minutes=1e-9)  # stops after its first step
    assert Discriminators.load(tmp_path / "parts" / FILE_NAME).config == SMALL
    assert read_header(tmp_path / "parts" / FILE_NAME).step < 6
    train(toy_store_path, tmp_path / "parts", start_from=first, resume=True)
    assert (tmp_path / "whole" / FILE_NAME).is_file()
    assert differences(tmp_path / "parts", tmp_path / "whole") == []


FORMER = {
    "adversarial_weight": "adversarial_share",
    "discriminator_warmup_steps": "discriminators_alone",
    "discriminator_lr_scale": "discriminators_rate",
    "discriminator_frames": "judged_frames",
}


def test_former_flags_are_accepted():
    words = ["store", "--model", "spectral", "--adversarial-share", "0.6", "--discriminators-alone", "3"]
    flags = read_flags("vocoder", [*words, "--discriminators_rate=2", "--judged-frames", "30"])
    assert flags.against == AdversarialConfig(0.6, 3, 2.0, 30)


def test_a_run_with_former_names_resumes(toy_store_path, tmp_path, first):
    train(toy_store_path, tmp_path / "run", start_from=first, steps=1)
    config = tmp_path / "run" / "config.json"
    text = config.read_text()
    for present, former in FORMER.items():
        assert f'"{present}"' in text
        text = text.replace(f'"{present}"', f'"{former}"')
    config.write_text(text)
    train(toy_store_path, tmp_path / "run", start_from=first, steps=2, resume=True)
    assert read_header(tmp_path / "run" / FILE_NAME).step == 2


def test_run_directory_has_a_vocoder_and_its_discriminators(toy_store_path, tmp_path, first):
    train(toy_store_path, tmp_path / "run", start_from=first, steps=4, validate_every=2)
    vocoder = Vocoder.load(tmp_path / "run" / "model.safetensors")
    assert (vocoder.kind, vocoder.step) == ("spectral", 4)
    best = read_header(tmp_path / "run" / "best.safetensors")
    assert best.extra["best_metric"] == "periodicity_distance"
    header = read_header(tmp_path / "run" / FILE_NAME)
    assert (header.kind, header.step, header.licence, header.trained_on) == ("discriminators", 4, "CC0", "toy")
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert all({"validation/accuracy", "validation/features"} <= line.keys() for line in log if "loss" not in line)
    description = json.loads((tmp_path / "run" / "config.json").read_text())
    assert description["fit"]["learning_rate"] == 2e-4
    assert description["settings"]["adversarial"]["discriminator_warmup_steps"] == 2


def test_new_run_can_start_from_discriminators(toy_store_path, tmp_path, first):
    train(toy_store_path, tmp_path / "one", start_from=first, steps=2)
    source = tmp_path / "one" / "model.safetensors"
    rate = {"learning_rate": 1e-12, "steps": 1}
    train(toy_store_path, tmp_path / "two", start_from=source, **rate, sizes=DiscriminatorConfig())
    train(toy_store_path, tmp_path / "new", start_from=first, **rate, discriminators=tmp_path / "one" / FILE_NAME)
    before = load_weights(tmp_path / "one" / FILE_NAME)
    for run in ("two", "new"):
        after = load_weights(tmp_path / run / FILE_NAME)
        assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in before)


def test_mistakes_are_refused_in_one_sentence(toy_store_path, tmp_path, first, capsys):
    train(toy_store_path, tmp_path / "run", start_from=first, steps=1)
    new = tmp_path / "new"
    wrong: list[dict[str, Any]] = [
        {"run": new, "adversarial": False},
        {"run": new, "adversarial": False, "sizes": DiscriminatorConfig(), "against": AdversarialConfig(2.0)},
        {"run": new, "discriminators": first},
        {"run": new, "discriminators": tmp_path / "nothing.safetensors"},
        {"run": new, "frames": 15},
        {"run": new, "discriminators": tmp_path / "run" / FILE_NAME, "sizes": DiscriminatorConfig(period_channels=5)},
        {"run": tmp_path / "run", "resume": True, "against": AdversarialConfig(2.0, discriminator_frames=8)},
        {"run": tmp_path / "run", "resume": True, "adversarial": False, "against": AdversarialConfig(), "frames": 16},
    ]
    for changes in wrong:
        with pytest.raises(SystemExit) as stop:
            train(toy_store_path, start_from=first, **changes)
        assert stop.value.code == 2
        assert capsys.readouterr().err.count("error: ") == 1


def test_command_line(toy_store_path, tmp_path, first, monkeypatch):
    words = [str(toy_store_path), "--model", "spectral", "--from", str(first), "--run", str(tmp_path / "run")]
    words += ["--steps", "1", "--batch-size", "2", "--frames", "16", "--threads", "1", "--precision", "fp32"]
    words += ["--adversarial", "--discriminator-frames", "8", "--periods", "2", "3", "--period-channels", "2"]
    words += ["--resolutions", "128", "--resolution-channels", "2", "--discriminator-lr-scale", "0.5"]
    monkeypatch.setattr("sys.argv", ["train_vocoder.py", *words])
    train_vocoder.main()
    wanted = DiscriminatorConfig(periods=(2, 3), period_channels=2, resolutions=(128,), resolution_channels=2)
    assert Discriminators.load(tmp_path / "run" / FILE_NAME).config == wanted
    assert Vocoder.load(tmp_path / "run" / "model.safetensors").mel_config == TOY.mel


def test_gta_mels_are_accepted(toy_store, tmp_path, first):
    """As `preprocess.py vocoder --gta` writes them."""
    with FeatureWriter(tmp_path / "gta") as writer:
        extra = {"gta": True, "synthesizer": "0" * 64, "embedding_space": "toy"}
        writer.write_info({"stage": "vocoder", "mel_config": asdict(TOY.mel), **extra})
        for item in range(len(toy_store)):
            blurred = np.minimum(250, np.asarray(toy_store.array(item, "mel")) + 3).astype(np.uint8)
            arrays = {"mel": blurred, "wav": np.asarray(toy_store.array(item, "wav"))}
            writer.add(f"gta/{item}", arrays, {**toy_store.meta(item), "gta": True})
    train(tmp_path / "gta", tmp_path / "run", start_from=first, steps=2)
    assert Vocoder.load(tmp_path / "run" / "best.safetensors").kind == "spectral"
