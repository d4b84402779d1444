"""The watermark: loading of its weights, failing without them, and detection where the package is installed."""

import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch

from cloning import watermark
from cloning.finishing import finish_stream, joined
from cloning.watermark import THRESHOLD, Watermarker, load_watermarker, require_weights
from cloning.watermark_network import BINS, WatermarkNetwork, loud_frames
from speech.errors import ConfigError, ModelFileError
from tests.toy_models import speech_like

RATE = 16_000


class Fake(Watermarker):
    """Doubles the audio, and reports a fixed score."""

    def __init__(self, found: bool) -> None:
        self.found = found

    def apply(self, wav: np.ndarray, sample_rate: int) -> np.ndarray:
        return wav + 0.1 * np.sin(np.arange(len(wav), dtype=np.float32))

    def scores(self, wav: np.ndarray, sample_rate: int) -> np.ndarray:
        return np.array([1.0 if self.found else 0.2])


@pytest.fixture
def installed() -> Watermarker:
    """The real one; skips the test where the package is missing."""
    try:
        require_weights()
    except ConfigError:
        pytest.skip("resemble-perth is not installed")
    return load_watermarker()


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A file that is taken for the package's weights; empty at first."""
    path = tmp_path / "weights.pth.tar"
    path.touch()
    monkeypatch.setattr(watermark, "require_weights", lambda: path)
    load_watermarker.cache_clear()
    yield path
    load_watermarker.cache_clear()


def packaged(network: WatermarkNetwork) -> dict[str, torch.Tensor]:
    """The network's weights by the names of the package."""
    named = {}
    for name, tensor in network.state_dict().items():
        if name.startswith("decoders."):
            name = name.replace("decoders.", "decoder.").replace(".layers.", "_layers.")
        stem, _, kind = name.rpartition(".")
        named[f"{stem}.conv.{kind}"] = tensor
    return OrderedDict(named) | {"ap.spectrogram.window": torch.ones(3)}


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(watermark, "PACKAGE", "no-such-package-anywhere")
    with pytest.raises(ConfigError, match=r"requirements-watermark\.txt"):
        require_weights()


def test_weights_are_found_by_the_names_of_the_package(weights):
    network = WatermarkNetwork()
    torch.save({"model": packaged(network), "step": 1}, weights)
    loaded = load_watermarker().network.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in network.state_dict().items())


class Payload:
    def __reduce__(self):
        return os.mkdir, ("payload-ran",)


@pytest.mark.parametrize("kind", ["pickle", "tensors", "text", "empty", "cut"])
def test_files_without_weights_are_refused_and_run_nothing(weights, tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    if kind == "pickle":
        torch.save({"model": Payload()}, weights)
    elif kind == "tensors":
        torch.save({"model": {"encoder.layers.0.conv.weight": torch.zeros(2)}}, weights)
    elif kind == "text":
        weights.write_bytes(pickle.dumps(Payload()))
    elif kind == "cut":
        torch.save({"model": packaged(WatermarkNetwork())}, weights)
        weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ModelFileError, match="install resemble-perth again"):
        load_watermarker()
    assert not (tmp_path / "payload-ran").exists()


def test_audio_is_only_output_if_the_watermark_is_detected():
    wav = speech_like(2.0)
    plain, marked = (joined(finish_stream([wav], [16_000], RATE, -23.0, one)) for one in (None, Fake(True)))
    assert len(marked) == len(wav) and not np.allclose(marked, plain)
    with pytest.raises(ModelFileError, match="watermark cannot be detected"):
        next(finish_stream([wav], [16_000], RATE, -23.0, Fake(False)))


def test_silence_and_short_audio_have_no_watermark():
    marker = Watermarker(WatermarkNetwork().eval())
    for wav in (np.zeros(RATE, np.float32), speech_like(1.0)[:500], np.zeros(0, np.float32)):
        assert np.array_equal(marker.apply(wav, RATE), wav) and len(marker.scores(wav, RATE)) == 0
        marker.check(wav, RATE)


def test_only_low_frequencies_change_and_silent_frames_are_left_out():
    wav = speech_like(1.0)
    network = WatermarkNetwork().eval()
    marked = Watermarker(network).apply(wav, RATE)
    assert marked.shape == wav.shape and marked.dtype == np.float32
    spectrum = np.abs(np.fft.rfft(marked - wav)) ** 2
    assert spectrum[2500:].sum() < 1e-3 * spectrum.sum()  # 1 Hz per bin
    magnitudes = torch.rand(1025, 10)
    magnitudes[:, 3] = 0
    assert network.residual(magnitudes)[:, 3].abs().max() == 0
    assert network.residual(magnitudes).shape == (BINS, 10) and network.score(magnitudes).ndim == 0
    assert loud_frames(magnitudes).tolist() == [1, 1, 1, 0, 1, 1, 1, 1, 1, 1]


def test_long_audio_is_scored_in_parts():
    marker = Watermarker(WatermarkNetwork().eval())
    assert len(marker.scores(speech_like(2.0), RATE)) == 1
    assert len(marker.scores(np.tile(speech_like(2.0), 6), RATE)) == 2


@pytest.mark.parametrize("rate", [16_000, 24_000])
def test_the_watermark_is_detected_in_marked_audio_only(installed, rate):
    wav = np.interp(np.arange(0, 2, 1 / rate), np.arange(0, 2, 1 / RATE), speech_like(2.0)).astype(np.float32)
    marked = installed.apply(wav, rate)
    assert installed.scores(marked, rate).min() > THRESHOLD > installed.scores(wav, rate).max()
    assert np.array_equal(marked, installed.apply(wav, rate))
    installed.check(marked, rate)
    with pytest.raises(ModelFileError):
        installed.check(wav, rate)
