"""Unit encoders: frames, files and errors."""

from pathlib import Path

import numpy as np
import pytest
import torch

from modelfile.checkpoint import save_model
from modelfile.header import ModelHeader
from speech.audio import read_audio
from speech.errors import AudioError, ConfigError, CorpusError, ModelFileError
from synthesizer.units import load_unit_encoder
from synthesizer.units.clusters import fit_centroids, nearest
from synthesizer.units.config import HOP, MaskConfig, NetworkConfig, UnitConfig
from synthesizer.units.encoders import BLOCK, CONTEXT, MfccUnits, NetworkUnits, features_of
from synthesizer.units.features import log_mels, mfcc
from synthesizer.units.model import UnitNetwork

TOY = UnitConfig(units=5, network=NetworkConfig(width=16, layers=2, heads=2, feed_forward=32, position_kernel=5))


@pytest.fixture(scope="module")
def clip(repository: Path) -> np.ndarray:
    return read_audio(repository / "samples" / "slt.flac")[:32_100]


def toy_units(layer: int = 0) -> NetworkUnits:
    torch.manual_seed(0)
    config = UnitConfig(units=5, layer=layer, network=TOY.network)
    rng = np.random.default_rng(0)
    return NetworkUnits(UnitNetwork(config.network), config, rng.standard_normal((5, 16)).astype(np.float32))


@pytest.mark.parametrize("samples", [HOP, HOP + 1, 3199, 3200, 32_100])
def test_there_are_50_units_per_second(clip: np.ndarray, samples: int) -> None:
    rng = np.random.default_rng(0)
    mfcc_units = MfccUnits(TOY, rng.standard_normal((5, 39)).astype(np.float32))
    for encoder in (toy_units(), mfcc_units):
        units = encoder.encode(clip[-samples:])
        assert units.shape == (samples // HOP,) and units.dtype == np.int64
        assert encoder.sample_rate / encoder.hop == 50
        assert units.min() >= 0 and units.max() < encoder.units == 5


def test_features_have_mean_0_and_variance_1_and_do_not_depend_on_the_level(clip: np.ndarray) -> None:
    for features in (log_mels, mfcc):
        rows = features(clip)
        assert np.abs(rows.mean(axis=0)).max() < 1e-3
        assert np.abs(rows.std(axis=0) - 1).max() < 1e-2
        assert np.abs(features(0.01 * clip) - rows).max() < 0.1


@pytest.mark.parametrize("wav", [np.zeros(3200, np.float32), np.ones(HOP - 1, np.float32), np.ones((2, 3200))])
def test_unusable_clips_are_refused(wav: np.ndarray) -> None:
    with pytest.raises(AudioError):
        toy_units().encode(wav)


@pytest.mark.parametrize("layer", [0, 1])
def test_a_saved_encoder_gives_the_same_features(tmp_path: Path, clip: np.ndarray, layer: int) -> None:
    encoder = toy_units(layer)
    encoder.save(tmp_path / "units.safetensors")
    again = load_unit_encoder(tmp_path / "units.safetensors")
    assert again.config == encoder.config and again.kind == "network"
    assert np.abs(again.features(clip) - encoder.features(clip)).max() < 0.05
    assert np.allclose(again.centroids, encoder.centroids, atol=0.01)


def test_saved_mfcc_units(tmp_path: Path, clip: np.ndarray) -> None:
    encoder = MfccUnits(TOY, mfcc(clip)[:5])
    encoder.save(tmp_path / "mfcc.safetensors")
    again = load_unit_encoder(tmp_path / "mfcc.safetensors")
    assert again.kind == "mfcc"
    assert np.mean(again.encode(clip) == encoder.encode(clip)) > 0.95


def test_layers_differ(clip: np.ndarray) -> None:
    assert not np.allclose(toy_units(1).features(clip), toy_units(2).features(clip))
    assert np.array_equal(toy_units(0).features(clip), toy_units(2).features(clip))


def test_long_clips_are_computed_in_blocks() -> None:
    network = toy_units().network
    rng = np.random.default_rng(0)
    mels = rng.standard_normal((BLOCK + CONTEXT + 50, 80)).astype(np.float32)
    found = features_of(network, mels, 0)
    assert found.shape == (len(mels), 16)
    with torch.inference_mode():
        first = network(torch.from_numpy(mels[: BLOCK + CONTEXT])[None])[0, :BLOCK].numpy()
    assert np.allclose(found[:BLOCK], first, atol=1e-5)


def test_masked_frames_are_hidden_and_padding_has_no_influence() -> None:
    network = toy_units().network
    mels = torch.randn(1, 20, 80, generator=torch.Generator().manual_seed(0))
    masked, padding = torch.zeros(1, 20, dtype=torch.bool), torch.zeros(1, 20, dtype=torch.bool)
    masked[0, 5:9] = True
    padding[0, 15:] = True
    changed = mels.clone()
    changed[0, 5:9] += 3
    changed[0, 15:] += 3
    with torch.inference_mode():
        one, other = (network(x, masked, padding)[0, :15] for x in (mels, changed))
    assert torch.allclose(one, other, atol=1e-5)


def test_files_that_are_no_unit_encoders_are_refused(tmp_path: Path, repository: Path) -> None:
    with pytest.raises(ModelFileError, match="units stage"):
        load_unit_encoder(repository / "models" / "default" / "encoder.safetensors")
    path = tmp_path / "units.safetensors"
    save_model(path, {"centroids": torch.zeros(5, 3)}, ModelHeader("units", "other", TOY))
    with pytest.raises(ModelFileError, match="unknown kind"):
        load_unit_encoder(path)
    save_model(path, {"centroids": torch.zeros(4, 3)}, ModelHeader("units", "mfcc", TOY))
    with pytest.raises(ModelFileError, match="5 centroids"):
        load_unit_encoder(path)
    save_model(path, {"centroids": torch.zeros(5, 3)}, ModelHeader("units", "hubert", TOY))
    with pytest.raises(ConfigError, match="folder"):
        load_unit_encoder(path)


def test_a_layer_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="2 layers"):
        toy_units(3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: NetworkConfig(width=10, heads=4),
        lambda: NetworkConfig(position_kernel=4),
        lambda: NetworkConfig(dropout=1.0),
        lambda: NetworkConfig(layers=0),
        lambda: UnitConfig(units=1),
        lambda: UnitConfig(layer=-1),
        lambda: MaskConfig(probability=0),
    ],
)
def test_impossible_settings_are_refused(make) -> None:
    with pytest.raises(ConfigError):
        make()


def test_clusters_are_found() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0], [5, 0], [0, 5]], np.float32)
    labels = np.arange(300) % 3
    rows = (centres[labels] + 0.3 * rng.standard_normal((300, 2))).astype(np.float32)
    centroids = fit_centroids(rows, 3, seed=1)
    assert np.abs(np.sort(centroids.sum(axis=1)) - [0, 5, 5]).max() < 0.3
    assert len({(label, unit) for label, unit in zip(labels, nearest(rows, centroids), strict=True)}) == 3
    assert np.array_equal(centroids, fit_centroids(rows, 3, seed=1))


def test_more_units_than_frames_are_refused() -> None:
    with pytest.raises(CorpusError, match="3 units"):
        fit_centroids(np.zeros((2, 4), np.float32), 3)
