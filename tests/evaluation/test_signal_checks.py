import numpy as np
import pytest

from evaluation.signal_checks import check_signal, clipped_samples, longest_dead_air
from tests.toy_models import speech_like

RATE = 16_000


def noise(seconds: float, level: float = 0.3, seed: int = 0) -> np.ndarray:
    return (level * np.random.default_rng(seed).uniform(-1, 1, round(seconds * RATE))).astype(np.float32)


def test_good_speech_passes():
    report = check_signal(speech_like(3.0), "a" * 42)
    assert report.ok
    assert report.length_ratio == pytest.approx(1.0)


@pytest.mark.parametrize(("characters", "plausible"), [(10, False), (22, True), (83, True), (86, False)])
def test_length_is_compared_with_the_text(characters, plausible):
    assert check_signal(noise(3.0), "x" * characters).plausible_length is plausible


def test_dead_air_counts_inside_only():
    silence = np.zeros(RATE, np.float32)
    assert longest_dead_air(np.concatenate([silence, noise(1), silence])) == 0
    assert longest_dead_air(np.concatenate([noise(1), silence, noise(1)])) == pytest.approx(1.0)
    faint = noise(0.6, 5e-4)  # 56 dB below the rest
    assert check_signal(np.concatenate([noise(1), faint, noise(1)])).dead_air
    assert not check_signal(np.concatenate([noise(1), silence[: RATE // 3], noise(1)])).dead_air


def test_clipping_is_a_run_of_samples_not_a_peak():
    wav = noise(1)
    wav[100] = 1.0
    assert clipped_samples(wav) == 0
    wav[200:205] = 1.0
    wav[300:304] = -1.0
    assert clipped_samples(wav) == 9
    assert not check_signal(wav).ok


@pytest.mark.parametrize("wav", [np.zeros(0, np.float32), np.zeros(RATE, np.float32)])
def test_silence_does_not_pass(wav):
    assert not check_signal(wav).ok
