"""Steady noise is removed; a recording without noise or pauses is returned unchanged."""

import numpy as np
import pytest

from speech.audio import resample
from speech.noise_reduction import pauses, reduce_noise
from tests.toy_models import speech_like


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    """Two segments of speech with a second of silence before, between and after them."""
    silence = np.zeros(16_000, np.float32)
    return np.concatenate([silence, speech_like(1.5, seed=1), silence, speech_like(1.5, seed=2), silence])


def noisy(clean: np.ndarray, level: float) -> np.ndarray:
    return clean + np.random.default_rng(0).normal(0, level, len(clean)).astype(np.float32)


def test_steady_noise_loses_most_of_its_power(clean):
    wav = noisy(clean, 0.01)
    cleaned = reduce_noise(wav)
    assert cleaned.dtype == np.float32 and cleaned.shape == wav.shape
    silent = slice(2_000, 14_000)
    assert np.mean(cleaned[silent] ** 2) < 0.1 * np.mean(wav[silent] ** 2)  # 10 dB
    assert np.mean((cleaned - clean) ** 2) < 0.7 * np.mean((wav - clean) ** 2)
    assert np.corrcoef(cleaned, clean)[0, 1] > 0.99


def test_pauses_hold_no_speech(clean):
    found = pauses(noisy(clean, 0.001))
    assert 16_000 < len(found) < 3.2 * 16_000
    assert np.sqrt(np.mean(found**2)) < 0.003


def test_without_pauses_or_noise_nothing_changes(clean):
    assert reduce_noise(clean) is clean  # the pauses are digital silence
    short = noisy(clean[16_000:36_000], 0.01)
    assert reduce_noise(short) is short


def test_another_sample_rate_gives_the_same_pauses_and_less_noise(clean):
    wav = resample(noisy(clean, 0.01), 16_000, 24_000)
    seconds = len(pauses(wav, 24_000)) / 24_000
    assert seconds == pytest.approx(len(pauses(noisy(clean, 0.01))) / 16_000, abs=0.1)
    cleaned = reduce_noise(wav, 24_000)
    assert cleaned.shape == wav.shape
    silent = slice(3_000, 21_000)
    assert np.mean(cleaned[silent] ** 2) < 0.1 * np.mean(wav[silent] ** 2)
