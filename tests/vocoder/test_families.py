"""Vocoders by name, and a family that is added as a folder."""

import sys
from pathlib import Path

import numpy as np
import pytest

import train_vocoder
import vocoder
from modelfile.checkpoint import save_model
from modelfile.families import families_of
from modelfile.header import ModelHeader
from speech.errors import ModelFileError
from speech.mel_config import MelConfig
from tests.toy_models import toy_vocoder
from vocoder import Vocoder
from vocoder.families import find_vocoder, load_vocoder, vocoder_names


def test_names_are_those_of_the_families():
    assert vocoder_names() == ("wavernn", "spectral", "griffin-lim")


def test_a_name_is_a_file_of_the_models_folder(tmp_path):
    with pytest.raises(ModelFileError, match="has no wavernn"):
        find_vocoder(tmp_path, "wavernn")
    toy_vocoder().save(tmp_path / "vocoder.safetensors")
    assert find_vocoder(tmp_path, "WaveRNN") == tmp_path / "vocoder.safetensors"
    save_model(tmp_path / "vocoder.safetensors", {}, ModelHeader("vocoder", "theremin"))
    with pytest.raises(ModelFileError, match="has no wavernn"):
        find_vocoder(tmp_path, "wavernn")
    toy_vocoder().save(tmp_path / "vocoder-wavernn.safetensors")
    assert find_vocoder(tmp_path, "wavernn") == tmp_path / "vocoder-wavernn.safetensors"


def test_a_folder_can_hold_two_families(tmp_path):
    default, named = tmp_path / "vocoder.safetensors", tmp_path / "vocoder-spectral.safetensors"
    toy_vocoder().save(default)
    save_model(named, {}, ModelHeader("vocoder", "spectral"))
    assert (find_vocoder(tmp_path, "wavernn"), find_vocoder(tmp_path, "spectral")) == (default, named)
    toy_vocoder().save(named)  # the header counts, not the file's name
    with pytest.raises(ModelFileError, match="has no spectral"):
        find_vocoder(tmp_path, "spectral")


def test_anything_else_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("a/b", "my.safetensors", tmp_path / "x"):
        assert str(find_vocoder(tmp_path, path)) == str(path)
    with pytest.raises(ModelFileError, match=r"theremin.*choose wavernn, spectral, griffin-lim"):
        find_vocoder(tmp_path, "theremin")


def test_griffin_lim_needs_no_file(tmp_path):
    assert find_vocoder(tmp_path, "griffin-lim") is None
    mel_config = MelConfig(fmin=40.0)
    vocoder = load_vocoder(None, mel_config)
    assert (vocoder.kind, vocoder.mel_config) == ("griffin-lim", mel_config)


def test_a_file_has_its_own_mel_settings(tmp_path):
    toy_vocoder().save(tmp_path / "v.safetensors")
    vocoder = load_vocoder(tmp_path / "v.safetensors", MelConfig(fmin=40.0), engine="torch")
    assert (vocoder.kind, vocoder.mel_config) == ("wavernn", MelConfig())


TOY_FAMILY = '''
"""A vocoder of one linear layer, from a mel frame to the samples of its hop."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import nn
from tyro.conf import OmitArgPrefixes

from modelfile.checkpoint import load_into, save_model
from modelfile.families import Family
from modelfile.header import ModelHeader, config_from_header
from speech.mel_config import MelConfig
from training.flags import Kind, fit_config
from training.starting import take_over
from vocoder.base import STAGE, Vocoder
from vocoder.data import validation_items
from vocoder.flags import VocoderFlags
from vocoder.plan import plan_of, start_of
from vocoder.spectral.data import SpectralBatches
from vocoder.task import VocoderTask


@dataclass(frozen=True)
class ToyConfig:
    gain: float = 0.5
    mel: MelConfig = field(default_factory=MelConfig)


@dataclass(frozen=True)
class ToyFlags(VocoderFlags):
    """Train the toy vocoder."""

    kind: Kind = "toy"
    frames: int = 8
    model: OmitArgPrefixes[ToyConfig] = field(default_factory=ToyConfig)


class ToyModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.layer = nn.Linear(config.mel.n_mels, config.mel.hop_length)

    def forward(self, mel):
        return self.config.gain * torch.tanh(self.layer(mel.transpose(1, 2))).flatten(1)


class ToyVocoder(Vocoder):
    kind = "toy"

    def __init__(self, model, step=0):
        self.model, self.step = model.eval().requires_grad_(False), step

    @property
    def mel_config(self):
        return self.model.config.mel

    def save(self, path, dtype=None):
        save_model(path, self.model, ModelHeader(STAGE, self.kind, self.model.config, self.step), dtype)

    def _generate(self, mel, seed, control) -> Iterator:
        for segment in mel.segments():
            yield self.model(torch.from_numpy(segment[None] / 4))[0].numpy()


class ToyTask(VocoderTask):
    kind = "toy"
    best_metric = "distance"

    def step(self, batch, step, generator):
        return {"loss": (self.model(batch["mel"]) - batch["wave"]).abs().mean()}

    def validate(self, step, run):
        return {"distance": 1.0 / step}


def load(header, weights, device="cpu"):
    model = ToyModel(config_from_header(ToyConfig, header))
    load_into(model, weights)
    return ToyVocoder(model, header.step)


def plan(flags, store, run):
    config, weights = start_of(flags, flags.model, store)
    validation_items(store, flags.frames)
    model = ToyModel(config)
    take_over(model, weights, flags.start_from)
    batches = SpectralBatches(store, config, flags.batch_size, flags.frames, seed=flags.seed)
    return plan_of(flags, ToyTask(model), batches, fit_config(flags))


FAMILY = Family(kind="toy", config=ToyConfig, load=load, training_flags=ToyFlags, plan=plan)
'''


@pytest.fixture
def toy_family(tmp_path, monkeypatch):
    """A family in a folder outside the project, which `vocoder` finds there."""
    folder = tmp_path / "families" / "toyfamily"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "family.py").write_text(TOY_FAMILY)
    monkeypatch.setattr(vocoder, "__path__", [*vocoder.__path__, str(folder.parent)])
    families_of.cache_clear()
    yield
    families_of.cache_clear()
    for name in ("vocoder.toyfamily", "vocoder.toyfamily.family"):
        sys.modules.pop(name, None)


def train(monkeypatch, store: Path, run: Path, *words: str) -> None:
    flags = ["--model", "toy", "--run", str(run), "--steps", "2", "--batch-size", "2", "--threads", "1"]
    monkeypatch.setattr("sys.argv", ["train_vocoder.py", str(store), *flags, *words, "--precision", "fp32"])
    train_vocoder.main()


def test_new_family_is_a_folder(toy_family, toy_store_path, tmp_path, monkeypatch):
    """It is trained, saved, loaded, found by name and used without a change outside its folder."""
    assert vocoder_names() == ("wavernn", "spectral", "griffin-lim", "toy")
    train(monkeypatch, toy_store_path, tmp_path / "first", "--gain", "0.25")
    train(monkeypatch, toy_store_path, tmp_path / "run", "--from", str(tmp_path / "first" / "model.safetensors"))
    models, mel = tmp_path / "models", np.zeros((80, 20), np.float32)
    models.mkdir()
    Vocoder.load(tmp_path / "run" / "model.safetensors").save(models / "vocoder-toy.safetensors")
    path = find_vocoder(models, "toy")
    loaded = load_vocoder(path, MelConfig())
    assert (path, loaded.kind, loaded.step) == (models / "vocoder-toy.safetensors", "toy", 2)
    wav = loaded.vocode(mel)
    assert wav.shape == (4000,) and 0 < np.abs(wav).max() <= 0.25
    for chunks in (loaded.stream(mel), loaded.stream_segments(np.split(mel, [3, 4], axis=1))):
        assert np.array_equal(np.concatenate(list(chunks)), wav)
