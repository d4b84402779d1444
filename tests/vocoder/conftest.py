"""Toy models, stores and runs for the vocoder's tests."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from corpora.store import FeatureStore, FeatureWriter
from speech.mel import MelConfig, code_mel, synthesis_mel
from training.run_directory import RunDirectory
from vocoder.wavernn.config import WaveRNNConfig


@pytest.fixture(autouse=True)
def one_thread():
    """Toy matrices are slower with several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_voice(seconds: float, f0: float = 120.0, seed: int = 0) -> np.ndarray:
    """A signal similar to speech: harmonics of a varying F0 with varying loudness, and a little noise."""
    time = np.arange(int(seconds * 16_000)) / 16_000
    phase = 2 * np.pi * np.cumsum(f0 * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * time))) / 16_000
    wav = sum(np.sin(k * phase) / k for k in range(1, 30))
    wav = wav * np.clip(np.sin(2 * np.pi * 2.5 * time), 0, None)
    wav = wav + 0.005 * np.random.default_rng(seed).standard_normal(len(time))
    return (0.9 * wav / np.abs(wav).max()).astype(np.float32)


def make_config(shape: str = "compact", mode: str = "raw", **changes) -> WaveRNNConfig:
    sizes = {"hidden_size": 16, "fc_size": 12, "condition_size": 8, "sample_embedding_size": 6, "residual_size": 8}
    return WaveRNNConfig(shape=shape, mode=mode, residual_blocks=2, **{**sizes, **changes})  # type: ignore[arg-type]


@pytest.fixture
def toy_config() -> Callable[..., WaveRNNConfig]:
    return make_config


@pytest.fixture
def voice() -> Callable[..., np.ndarray]:
    return make_voice


@pytest.fixture(scope="session")
def toy_store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vocoder") / "store"
    make_vocoder_store(path)
    return path


def make_vocoder_store(path: Path) -> None:
    """Six short utterances of four voices, one utterance for validation."""
    with FeatureWriter(path) as writer:
        writer.write_info({"stage": "vocoder", "mel_config": dataclasses.asdict(MelConfig())})
        for number in range(6):
            wav = make_voice(0.4 + 0.05 * number, f0=100 + 20 * number, seed=number)
            mel = synthesis_mel(wav).T
            pcm = np.zeros(len(mel) * 200, dtype=np.int16)
            pcm[: len(wav)] = np.rint(wav * 32767)
            split = "validation" if number == 5 else "train"
            meta = {"speaker": f"s{number % 4}", "corpus": "toy", "split": split}
            writer.add(f"toy/{number}", {"mel": code_mel(mel), "wav": pcm}, meta)


@pytest.fixture
def toy_store(toy_store_path: Path) -> FeatureStore:
    return FeatureStore(toy_store_path)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDirectory]:
    """A run directory with an open TensorBoard writer."""
    directory = RunDirectory(tmp_path / "run")
    directory.start({})
    directory.open_events()
    yield directory
    directory.close()
