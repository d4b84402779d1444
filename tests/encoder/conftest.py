"""Toy speech: a speaker is a spectral envelope, an utterance is noise shaped by it."""

from pathlib import Path

import numpy as np
import pytest

from corpora.store import FeatureStore, FeatureWriter
from encoder.config import PartialsConfig
from encoder.lstm.config import LSTMConfig

TOY = LSTMConfig(hidden_size=16, num_layers=2, embedding_size=12, partials=PartialsConfig(20, 10))


def toy_mel(speaker: int, frames: int, rng: np.random.Generator) -> np.ndarray:
    envelope = np.random.default_rng(1000 + speaker).gamma(0.5, size=40)
    return (envelope * rng.exponential(size=(frames, 40))).astype(np.float16)


@pytest.fixture(scope="session")
def toy_config() -> LSTMConfig:
    return TOY


@pytest.fixture(scope="session")
def toy_store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """Six training speakers, the first with one utterance, and four validation speakers, the first with one."""
    folder: Path = tmp_path_factory.mktemp("store")
    rng = np.random.default_rng(0)
    with FeatureWriter(folder) as writer:
        writer.write_info({"stage": "encoder"})
        for speaker in range(10):
            split = "train" if speaker < 6 else "validation"
            for utterance in range(1 if speaker in (0, 6) else 3):
                mel = toy_mel(speaker, int(rng.integers(15, 60)), rng)
                meta = {"speaker": f"speaker{speaker}", "corpus": "toy", "split": split}
                writer.add(f"toy/{speaker}-{utterance}", {"mel": mel}, meta)
    return FeatureStore(folder)
