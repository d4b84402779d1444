"""A model family is a folder: a new one is trained, saved, loaded and used without a change anywhere else."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import synthesizer
from modelfile.families import families_of
from modelfile.header import read_header
from speech.errors import ConfigError, ModelFileError
from synthesizer import Synthesizer
from synthesizer.options import EmbeddedVoice
from tests.synthesizer.toy import toy_store
from train_synth import main
from training.flags import read_flags

VOICE = EmbeddedVoice(np.full(256, 1 / 16, np.float32))

FAMILY = '''
"""Every token has a fixed frame and lasts two frames: no attention, so that alignments are durations."""

from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import OmitArgPrefixes

from modelfile.families import Family
from speech.mel_config import MelConfig
from synthesizer.training_flags import SynthesizerFlags
from training.flags import Kind


@dataclass(frozen=True)
class ToyConfig:
    width: int = 4
    """Width of a token."""
    mel: MelConfig = field(default_factory=MelConfig)


@dataclass(frozen=True)
class ToyFlags(SynthesizerFlags):
    """Train a toy."""

    kind: Kind = "toyfamily"
    run: Path = Path("runs/toy")
    architecture: OmitArgPrefixes[ToyConfig] = field(default_factory=ToyConfig)


def load(header, weights, device="cpu"):
    from synthesizer.toyfamily.model import load_toy

    return load_toy(header, weights)


def plan(flags, store, run):
    from synthesizer.toyfamily.model import plan_toy

    return plan_toy(flags, store, run)


FAMILY = Family(kind="toyfamily", config=ToyConfig, load=load, training_flags=ToyFlags, plan=plan)
'''

MODEL = """
import numpy as np
import torch
from torch import nn

from modelfile.checkpoint import load_into, save_model
from modelfile.header import ModelHeader, config_from_header
from synthesizer.base import AlignedMel, Origin, Synthesizer
from synthesizer.decoding_check import Decoded
from synthesizer.text.symbols import SYMBOLS
from synthesizer.text.transcript import encode
from synthesizer.toyfamily.family import ToyConfig
from training.config import Task, TrainingPlan
from training.flags import fit_config

FRAMES = 6


class ToyModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.tokens = nn.Embedding(len(SYMBOLS), config.width)
        self.to_mel = nn.Linear(config.width, config.mel.n_mels)

    def forward(self, symbols):
        return torch.tanh(self.to_mel(self.tokens(symbols))) * 4


class ToySynthesizer(Synthesizer):
    def __init__(self, model, config, origin):
        super().__init__(origin, config.mel, 256, reduction_factor=FRAMES)
        self.model, self.config = model.eval().requires_grad_(False), config

    def save(self, path, dtype=None):
        header = ModelHeader("synthesizer", "toyfamily", self.config, embedding_space=self.embedding_space)
        save_model(path, self.model, header, dtype)

    def decode(self, requests, *, windowed=False, progress=None, cancelled=None):
        results = []
        for request in requests:
            symbols = torch.from_numpy(np.asarray(encode(request.transcript, 1.0), np.int64))
            mel = self.model(symbols).repeat_interleave(FRAMES, 0).T.numpy()
            results.append(Decoded(np.ascontiguousarray(mel), np.eye(len(symbols), dtype=np.float32), True))
        return results

    def align_transcript(self, transcript, mel, embedding, key):
        return AlignedMel(np.zeros_like(mel), np.ones((1, mel.shape[1]), np.float32))


class ToyTask(Task):
    best_metric = "loss"

    def __init__(self, model, config, store):
        self.model, self.config, self.store = model, config, store

    def step(self, batch, step, generator):
        return {"loss": (self.model(batch).mean(0) - 1).square().mean()}

    def validate(self, step, run):
        return {"loss": float(self.step(torch.arange(5), step, None)["loss"])}

    def model_file(self):
        space = self.store.info["embedding_space"]
        return {"stage": "synthesizer", "kind": "toyfamily", "config": self.config, "embedding_space": space}


class ToyBatches:
    def batch_at(self, step):
        return torch.arange(step, step + 7)


def load_toy(header, weights):
    config = config_from_header(ToyConfig, header)
    model = ToyModel(config)
    load_into(model, weights)
    return ToySynthesizer(model, config, Origin(header.embedding_space, step=header.step))


def plan_toy(flags, store, run):
    assert run.path == flags.run and len(store)
    model = ToyModel(flags.architecture)
    return TrainingPlan(ToyTask(model, flags.architecture, store), ToyBatches(), fit_config(flags), {"toy": True})
"""


@pytest.fixture
def toy_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "elsewhere/toyfamily"
    folder.mkdir(parents=True)
    for name, text in (("__init__", ""), ("family", FAMILY), ("model", MODEL)):
        (folder / f"{name}.py").write_text(text)
    monkeypatch.setattr(synthesizer, "__path__", [*synthesizer.__path__, str(folder.parent)])
    importlib.invalidate_caches()
    families_of.cache_clear()
    yield
    families_of.cache_clear()
    for name in [name for name in sys.modules if name.startswith("synthesizer.toyfamily")]:
        del sys.modules[name]


def test_new_family_is_trained_saved_loaded_and_used(toy_family: None, tmp_path: Path) -> None:
    store = toy_store(tmp_path / "store").directory
    words = [str(store), "--model", "toyfamily", "--width", "3", "--steps", "2", "--run", str(tmp_path / "run")]
    main(read_flags("synthesizer", [*words, "--device", "cpu", "--threads", "1"]))
    path = tmp_path / "run/model.safetensors"
    assert read_header(path).kind == "toyfamily"

    loaded = Synthesizer.load(path)
    assert (loaded.step, loaded.embedding_space, loaded.sample_rate) == (2, "toy", 16_000)
    loaded.save(tmp_path / "copy.safetensors")
    texts = [
        Synthesizer.load(file).synthesize("Hello there. Yes!", VOICE) for file in (path, tmp_path / "copy.safetensors")
    ]
    assert texts[0].mel.shape[0] == 80 and len(texts[0].sentences) == 2
    np.testing.assert_array_equal(texts[0].mel, texts[1].mel)
    assert loaded.align("Yes!", texts[0].mel, VOICE).mel.shape == texts[0].mel.shape
    assert [len(part.sentences) for part in loaded.stream("Hello there. Yes!", VOICE)] == [1, 1]


def test_file_of_an_unknown_family_is_refused(
    toy_family: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("synthesizer.toyfamily.model")
    config = importlib.import_module("synthesizer.toyfamily.family").ToyConfig()
    module.ToySynthesizer(module.ToyModel(config), config, module.Origin("toy")).save(tmp_path / "toy.safetensors")
    monkeypatch.setattr(synthesizer, "__path__", synthesizer.__path__[:1])
    families_of.cache_clear()
    with pytest.raises(ModelFileError, match="toyfamily"):
        Synthesizer.load(tmp_path / "toy.safetensors")


def test_training_an_unknown_family_is_refused() -> None:
    with pytest.raises(ConfigError, match="tacotron"):
        read_flags("synthesizer", ["stores/a", "--model", "tacotron9"])
