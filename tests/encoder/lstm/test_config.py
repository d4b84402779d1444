import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from encoder import SpeakerEncoder
from encoder.config import PartialsConfig
from encoder.lstm.config import LSTMConfig, read_config
from modelfile.header import ModelHeader, read_header
from modelfile.locations import DEFAULT_MODELS
from speech.errors import ConfigError, ModelFileError


def test_defaults_are_the_public_encoder() -> None:
    config = LSTMConfig()
    assert (config.n_mels, config.hidden_size, config.num_layers, config.embedding_size) == (40, 256, 3, 256)
    assert config.partials.partial_frames * config.hop_length == 25_600  # 1.6 s


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden_size": 0},
        {"compression": "cube"},
    ],
)
def test_invalid_architectures_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        LSTMConfig(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"partial_step": 0}, {"partial_step": 161}, {"min_coverage": 0.0}, {"min_coverage": 1.5}]
)
def test_invalid_partials_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        PartialsConfig(**wrong)


def test_configs_are_read_from_new_and_older_files() -> None:
    config = LSTMConfig(hidden_size=8, partials=PartialsConfig(20, 10, 0.5))
    nested = json.loads(json.dumps(asdict(config)))
    flat = {name: value for name, value in nested.items() if name != "partials"} | nested["partials"]
    assert read_config(ModelHeader("encoder", config=nested)) == config
    assert read_config(ModelHeader("encoder", config=flat)) == config
    assert read_config(ModelHeader("encoder")) == LSTMConfig()
    for wrong in ({"partials": 3}, {"partial_frames": "many"}, {"windows": 3}):
        with pytest.raises(ModelFileError):
            read_config(ModelHeader("encoder", config=wrong))


def test_a_file_without_a_family_is_an_lstm_encoder(tmp_path: Path) -> None:
    path = DEFAULT_MODELS / "encoder.safetensors"
    assert read_header(path).kind == ""
    encoder = SpeakerEncoder.load(path, precision="fp32")
    assert (encoder.kind, encoder.config) == ("lstm", LSTMConfig(compression="log"))
    encoder.save(tmp_path / "again.safetensors")
    assert read_header(tmp_path / "again.safetensors").kind == "lstm"
    again = SpeakerEncoder.load(tmp_path / "again.safetensors", precision="fp32")
    wav = np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32)
    np.testing.assert_array_equal(again.embed(wav, prepared=True), encoder.embed(wav, prepared=True))
