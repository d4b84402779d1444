"""A new family is one folder: it is trained, saved, loaded and used without a change to any other file."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import encoder
from corpora.store import FeatureWriter
from encoder import SpeakerEncoder
from encoder.enrolment import enrolment_report
from modelfile.families import families_of
from modelfile.header import read_header
from modelfile.locations import DEFAULT_MODELS
from tests.toy_models import speech_like
from train_encoder import main

FAMILY_FILE = '''
"""Embeds the mean of 8 log band energies over windows of 0.5 s, with a hop of 20 ms."""

from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import OmitArgPrefixes

from encoder.flags import EncoderFlags
from encoder.config import PartialsConfig
from modelfile.families import Family
from training.flags import Kind


@dataclass(frozen=True)
class ToyConfig:
    n_mels: int = 8
    embedding_size: int = 6
    sample_rate: int = 16_000
    hop_length: int = 320
    partials: PartialsConfig = field(default_factory=lambda: PartialsConfig(partial_frames=25, partial_step=12))


@dataclass(frozen=True)
class ToyFlags(EncoderFlags):
    """Train the toy encoder."""

    kind: Kind = "toy"
    run: Path = Path("runs/toy")
    model: OmitArgPrefixes[ToyConfig] = field(default_factory=ToyConfig)


def load(header, weights, device="cpu", **options):
    from encoder.toyfamily.network import ToyEncoder, ToyNetwork
    from modelfile.checkpoint import load_into
    from modelfile.header import config_from_header

    network = ToyNetwork(config_from_header(ToyConfig, header))
    load_into(network, weights)
    return ToyEncoder(network, embedding_space=header.embedding_space, device=device, step=header.step, **options)


def plan(flags, store, run):
    from encoder.plan import plan_training
    from encoder.toyfamily.network import ToyNetwork

    return plan_training(flags, store, ToyNetwork, flags.model)


FAMILY = Family(kind="toy", config=ToyConfig, load=load, training_flags=ToyFlags, plan=plan)
'''

NETWORK_FILE = """
import numpy as np
from torch import nn
from torch.nn import functional

from encoder.base import EncoderModel, SpeakerEncoder


class ToyNetwork(EncoderModel):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.linear = nn.Linear(config.n_mels, config.embedding_size)

    def forward(self, mels):
        return functional.normalize(self.linear((mels + 1e-4).log().mean(dim=1)).float(), dim=-1)


class ToyEncoder(SpeakerEncoder):
    kind = "toy"

    def features(self, speech, frames):
        hop = self.config.hop_length
        padded = np.pad(speech, (0, max(0, frames * hop - len(speech))))[: frames * hop]
        spectrum = np.abs(np.fft.rfft(padded.reshape(frames, hop), axis=1))[:, 1:]
        return np.stack([band.mean(axis=1) for band in np.array_split(spectrum, 8, axis=1)], axis=1).astype(np.float32)
"""


@pytest.fixture
def toy_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "families" / "toyfamily"
    folder.mkdir(parents=True)
    for name, text in (("__init__.py", ""), ("family.py", FAMILY_FILE), ("network.py", NETWORK_FILE)):
        (folder / name).write_text(text)
    monkeypatch.setattr(encoder, "__path__", [*encoder.__path__, str(folder.parent)])
    families_of.cache_clear()
    yield
    families_of.cache_clear()
    for name in [name for name in sys.modules if name.startswith("encoder.toyfamily")]:
        del sys.modules[name]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Four training and two validation speakers with two utterances of 8 bands each."""
    rng = np.random.default_rng(0)
    with FeatureWriter(tmp_path / "store") as writer:
        writer.write_info({"stage": "encoder"})
        for speaker in range(6):
            envelope = rng.random(8)
            for utterance in range(2):
                meta = {"speaker": str(speaker), "corpus": "toy", "split": "train" if speaker < 4 else "validation"}
                mel = (rng.random((40, 8)) * envelope).astype(np.float16)
                writer.add(f"{speaker}/{utterance}", {"mel": mel}, meta)
    return tmp_path / "store"


@pytest.mark.usefixtures("toy_family")
def test_a_folder_is_a_family(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(families_of("encoder")) == ["lstm", "campplus", "toy"]
    run = tmp_path / "run"
    words = ["--model", "toy", "--steps", "2", "--speakers", "3", "--embedding-size", "5", "--no-pictures"]
    monkeypatch.setattr(sys, "argv", ["train_encoder.py", str(store), "--run", str(run), *words])
    main()
    assert read_header(run / "model.safetensors").kind == "toy"

    trained = SpeakerEncoder.load(run / "model.safetensors")
    assert (trained.kind, trained.step, trained.embedding_space[:8]) == ("toy", 2, "encoder-")
    clips = [("a", speech_like(4.0)), ("b", speech_like(5.0, pitch=200))]
    partials = trained.partials(clips[0][1])
    assert partials.embeddings.shape[1] == 5
    np.testing.assert_allclose(np.linalg.norm(partials.embeddings, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose((partials.ends - partials.starts)[:2], 0.5, atol=0.001)
    report = enrolment_report(clips, trained)
    np.testing.assert_allclose(np.linalg.norm(report.embedding), 1, rtol=1e-5)

    trained.save(tmp_path / "again.safetensors")
    again = SpeakerEncoder.load(tmp_path / "again.safetensors")
    np.testing.assert_array_equal(again.embed(clips[0][1]), trained.embed(clips[0][1]))


@pytest.mark.usefixtures("toy_family")
@pytest.mark.parametrize("flag", ["--init", "--teacher"])
def test_an_encoder_that_does_not_fit_is_refused(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    words = ["--model", "toy", flag, str(DEFAULT_MODELS / "encoder.safetensors")]
    monkeypatch.setattr(sys, "argv", ["train_encoder.py", str(store), "--run", str(tmp_path / "run"), *words])
    with pytest.raises(SystemExit):
        main()
    expected = {"--init": "family 'lstm'", "--teacher": "The teacher's n_mels is 40 and the student's is 8"}
    assert expected[flag] in capsys.readouterr().err
