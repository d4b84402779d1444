"""Units of a HuBERT model: a tiny one with random weights."""

import sys
from pathlib import Path

import numpy as np
import pytest

from speech.errors import AudioError, ConfigError, ModelFileError
from synthesizer.units.hubert import load_hubert


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(ModelFileError, match="no HuBERT model"):
        load_hubert(tmp_path)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"requirements-units\.txt"):
        load_hubert(tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    transformers = pytest.importorskip("transformers")
    config = transformers.HubertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, conv_dim=(8,) * 7,
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, vocab_size=4,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("hubert")
    transformers.HubertModel(config).save_pretrained(path)
    return path


@pytest.mark.parametrize("samples", [320, 3200, 5000])
def test_features_have_50_frames_per_second(folder: Path, samples: int) -> None:
    from synthesizer.units.hubert import hubert_features

    wav = np.random.default_rng(0).standard_normal(samples).astype(np.float32)
    hubert = load_hubert(folder)
    rows = [hubert_features(hubert, wav, layer) for layer in (0, 1, 2)]
    assert rows[0].shape == (samples // 320, 16)
    assert np.array_equal(rows[0], rows[2]) and not np.array_equal(rows[0], rows[1])


def test_a_clip_that_is_too_short_is_refused(folder: Path) -> None:
    from synthesizer.units.hubert import hubert_features

    with pytest.raises(AudioError):
        hubert_features(load_hubert(folder), np.ones(100, np.float32), 0)


def test_units_are_saved_and_need_their_own_model(folder: Path, tmp_path: Path) -> None:
    import torch
    from transformers import HubertModel as Foreign

    from synthesizer.units import load_unit_encoder
    from synthesizer.units.config import UnitConfig
    from synthesizer.units.hubert import DIGEST, HubertUnits, hubert_features

    hubert = load_hubert(folder)
    wav = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    centroids = hubert_features(hubert, wav, 1)[:4]
    from modelfile.header import ModelHeader

    header = ModelHeader("units", "hubert", extra={DIGEST: hubert.digest})
    units = HubertUnits(hubert, UnitConfig(units=4, layer=1), centroids, header)
    units.save(tmp_path / "units.safetensors")
    again = load_unit_encoder(tmp_path / "units.safetensors", folder)
    assert again.encode(wav).shape == (25,)
    assert np.mean(again.encode(wav) == units.encode(wav)) > 0.9
    with pytest.raises(ConfigError, match="put the folder of that model here"):
        load_unit_encoder(tmp_path / "units.safetensors")
    (tmp_path / "hubert").symlink_to(folder)
    assert np.array_equal(load_unit_encoder(tmp_path / "units.safetensors").encode(wav), again.encode(wav))
    with pytest.raises(ConfigError, match="layers"):
        HubertUnits(hubert, UnitConfig(units=4, layer=3), centroids)
    other = Foreign.from_pretrained(folder)
    with torch.no_grad():
        other.feature_projection.projection.bias += 1
    other.save_pretrained(tmp_path / "other")
    with pytest.raises(ConfigError, match="different HuBERT model"):
        load_unit_encoder(tmp_path / "units.safetensors", tmp_path / "other")
