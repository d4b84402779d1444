"""A detector in use."""

from pathlib import Path

import numpy as np
import pytest
import torch

from detector import Detector
from detector.config import DetectorConfig
from detector.inference import MAX_WINDOWS, Detection, probability_of, windows_of
from detector.model import DetectorNetwork
from speech.audio import read_audio
from speech.errors import AudioError, ModelFileError


def toy_detector() -> Detector:
    torch.manual_seed(0)
    return Detector(DetectorNetwork(DetectorConfig(windows=(128,), channels=(4, 6), hidden=64)))


@pytest.fixture(scope="module")
def clip(repository: Path) -> np.ndarray:
    return read_audio(repository / "samples" / "slt.flac")[:64_000]


def test_a_clip_has_a_probability_and_a_verdict(clip: np.ndarray) -> None:
    found = toy_detector().detect(clip)
    assert 0 <= found.probability <= 1
    assert found.verdict in ("recorded", "uncertain", "synthetic")


def test_the_level_and_silence_at_the_ends_have_no_influence(clip: np.ndarray) -> None:
    detector = toy_detector()
    padded = np.concatenate([np.zeros(9600, np.float32), clip, np.zeros(9600, np.float32)])
    expected = detector.detect(clip).probability
    assert detector.detect(0.2 * clip).probability == pytest.approx(expected, abs=0.02)
    assert detector.detect(padded).probability == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(
    ("probability", "verdict", "words"),
    [
        (0.99999, "synthetic", "probably synthesized speech (99 %)"),
        (0.5, "uncertain", "uncertain"),
        (0.0, "recorded", "No signs of synthesized speech (1 %)"),
    ],
)
def test_verdicts(probability: float, verdict: str, words: str) -> None:
    found = Detection(probability)
    assert found.verdict == verdict
    assert words in found.sentence


def test_too_little_speech_is_refused(clip: np.ndarray) -> None:
    with pytest.raises(AudioError, match="less than 1 s of speech"):
        toy_detector().detect(clip[:9600])


def test_silence_is_refused() -> None:
    with pytest.raises(AudioError):
        toy_detector().detect(np.zeros(48_000, np.float32))


@pytest.mark.parametrize("dtype", [None, "int8"])
def test_a_saved_detector_gives_the_same_result(tmp_path: Path, clip: np.ndarray, dtype: str | None) -> None:
    detector = toy_detector()
    detector.network.calibration.copy_(torch.tensor([2.0, -0.5]))
    detector.save(tmp_path / "detector.safetensors", dtype)  # type: ignore[arg-type]
    again = Detector.load(tmp_path / "detector.safetensors")
    assert again.config == detector.config
    assert again.detect(clip).probability == pytest.approx(detector.detect(clip).probability, abs=0.02)


def test_a_model_of_another_stage_is_refused(repository: Path) -> None:
    with pytest.raises(ModelFileError, match="detector stage"):
        Detector.load(repository / "models" / "default" / "encoder.safetensors")


def test_windows_cover_a_clip_and_are_limited() -> None:
    wav = np.arange(1050, dtype=np.float32)
    windows = windows_of(wav, 100)
    assert windows[0, 0] == 0 and windows[-1, -1] == 1049
    assert np.diff(windows[:, 0]).max() <= 50
    assert windows_of(np.zeros(100_000), 100).shape == (MAX_WINDOWS, 100)
    assert windows_of(wav[:30], 100).shape == (1, 30)


def test_calibration() -> None:
    assert probability_of(0.0, torch.tensor([2.0, 0.0])) == 0.5
    assert probability_of(1.0, torch.tensor([2.0, 1.0])) == pytest.approx(1 / (1 + np.exp(-3)))
