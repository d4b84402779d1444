"""The training script with --refiner: resumed runs equal uninterrupted ones."""

from pathlib import Path
from typing import Any

import torch

from synthesizer.refiner.flags import RefinerFlags
from synthesizer.tacotron.flags import TacotronFlags
from synthesizer.tacotron.model import Tacotron2
from tests.synthesizer.toy import facade, toy_config, toy_store
from tests.training.runs import differences
from train_synth import main

SIZES: dict[str, Any] = {"postfilter_size": 8, "postfilter_layers": 1}


def train(store: Path, start: Path, run: Path, adversarial: bool = False, **changes: Any) -> None:
    refine = RefinerFlags(6, rows=3, frames=32, reference_frames=32, adversarial=adversarial,
                          discriminator_warmup_steps=2)  # fmt: skip
    settings: dict[str, Any] = {
        "steps": 6, "save_every": 2, "validate_every": 3, "threads": 1, "device": "cpu", "precision": "fp32",
        "warm_start": start, "refiner": True, "refine": refine,
        "architecture": toy_config(refiner_size=16, refiner_layers=2),
    }  # fmt: skip
    main(TacotronFlags(store, run=run, **{**settings, **changes}))


def test_resumed_refiners_equal_uninterrupted_ones(tmp_path):
    store = Path(toy_store(tmp_path / "store", frames=60).directory)
    torch.manual_seed(0)
    facade(Tacotron2(toy_config(**SIZES))).save(tmp_path / "base.safetensors")
    start = tmp_path / "base.safetensors"
    for adversarial in (False, True):  # the second stage starts from the model of the first
        whole, parts = (tmp_path / f"{name}-{adversarial}" for name in ("whole", "parts"))
        train(store, start, whole, adversarial)
        train(store, start, parts, adversarial, max_minutes=1e-9)  # stops after its first step
        train(store, start, parts, adversarial, resume=True, max_minutes=1e-9)
        train(store, start, parts, adversarial, resume=True)
        assert differences(parts, whole) == []
        start = whole / "best.safetensors"
