"""F0 estimation from mel spectrograms, and harmonic patterns."""

import numpy as np
import pytest

from speech.audio import SAMPLE_RATE, resample
from speech.mel import MelConfig, synthesis_mel
from speech.mel_f0 import (
    MIN_SIMILARITY,
    f0_and_similarity,
    f0_candidates,
    f0_from_mel,
    fine_structure,
    harmonic_pattern,
    median_f0,
    pulse_train,
)
from tests.toy_models import speech_like

CONFIG = MelConfig()


def contour(low: float, high: float, frames: int = 60) -> np.ndarray:
    """An F0 glide in Hz, unvoiced at its start, middle and end."""
    pitch = np.geomspace(low, high, frames)
    pitch[:8] = pitch[-8:] = pitch[28:34] = 0
    return pitch


def vowel(pitch: np.ndarray) -> np.ndarray:
    """A pulse train with three formants and some breath noise, with a peak of 0.9."""
    wave = pulse_train(pitch, CONFIG).astype(np.float64)
    spectrum = np.fft.rfft(wave)
    hertz = np.fft.rfftfreq(len(wave), 1 / CONFIG.sample_rate)
    filtered = sum(np.exp(-0.5 * ((hertz - f) / w) ** 2) for f, w in ((500, 150), (1500, 250), (2500, 400)))
    wave = np.fft.irfft(spectrum * (filtered + 0.02), len(wave))
    wave += 1e-4 * np.random.default_rng(0).normal(size=len(wave))
    return (0.9 * wave / np.abs(wave).max()).astype(np.float32)


@pytest.mark.parametrize(("low", "high"), [(80, 95), (110, 160), (230, 180), (300, 350)])
def test_f0_from_mel(low: float, high: float) -> None:
    wanted = contour(low, high)
    found = f0_from_mel(synthesis_mel(vowel(wanted), CONFIG)[:, : len(wanted)], CONFIG)
    assert found.dtype == np.float32 and found.shape == wanted.shape
    both = (found > 0) & (wanted > 0)
    assert both.sum() > 0.9 * (wanted > 0).sum()
    cents = np.abs(1200 * np.log2(found[both] / wanted[both]))
    assert cents.max() < 60 and cents.mean() < 3  # candidates are 25 apart
    assert np.mean((found > 0) != (wanted > 0)) < 0.15  # the window of 50 ms overlaps the end of the voice


def test_several_mels_at_once() -> None:
    mels = np.stack([synthesis_mel(vowel(contour(low, 2 * low)), CONFIG) for low in (90, 130)])
    f0, similarity = f0_and_similarity(mels, CONFIG)
    assert similarity.dtype == np.float32 and similarity.shape == f0.shape == (2, mels.shape[2])
    np.testing.assert_array_equal(f0, [f0_from_mel(mel, CONFIG) for mel in mels])
    assert (similarity[f0 == 0] == np.float32(MIN_SIMILARITY)).all()
    assert np.median(similarity[f0 > 0]) > 0.7 and similarity.max() <= 1


def test_noise_and_silence_are_unvoiced() -> None:
    noise = 0.1 * np.random.default_rng(0).normal(size=16_000).astype(np.float32)
    assert np.mean(f0_from_mel(synthesis_mel(noise, CONFIG), CONFIG) > 0) < 0.1
    assert not f0_from_mel(np.full((80, 20), -4.0), CONFIG).any()
    assert not harmonic_pattern(np.zeros(12), CONFIG).any() and not pulse_train(np.zeros(3), CONFIG).any()


def test_harmonic_pattern_peaks_at_multiples_of_f0() -> None:
    pitch = np.full(20, 220.0)
    pattern = harmonic_pattern(pitch, CONFIG)
    assert pattern.shape == (80, 20) and pattern.dtype == np.float32
    column = pattern[:, 10]
    peaks = [k for k in range(1, 26) if column[k] > max(column[k - 1], column[k + 1]) and column[k] > 0]
    # Below 1 kHz the bands are equally spaced: 220 Hz are about six bands.
    assert np.allclose(np.diff(peaks), 220 / 35.9, atol=1.1) and len(peaks) >= 3


def test_pulse_train_has_equal_harmonics_and_is_finite() -> None:
    wave = pulse_train(np.full(80, 100.0), CONFIG)
    spectrum = np.abs(np.fft.rfft(wave[:8000]))  # 2 Hz apart
    harmonics = spectrum[50:3700:50]
    assert harmonics.min() > 0.5 * harmonics.max()
    assert spectrum[25:3700:50].max() < 0.1 * harmonics.min()
    for frames in (1, 2, 3):
        assert np.isfinite(harmonic_pattern(np.full(frames, 333.0), CONFIG)).all()


def test_fine_structure_of_a_smooth_spectrum_is_zero() -> None:
    bands = np.linspace(-3, 1, 80)[:, None].repeat(5, 1)
    assert np.abs(fine_structure(bands)[13:-13]).max() < 1e-6
    assert len(f0_candidates()) == 132 and f0_candidates()[0] == 60


def test_median_f0() -> None:
    wave = vowel(np.full(100, 140.0))
    for level in (1.0, 0.01):
        found = median_f0(wave * level)
        assert found is not None and abs(1200 * np.log2(found / 140)) < 30
    for nothing in (np.zeros(16_000, np.float32), wave[:700], vowel(contour(100, 110, 40))[:4000], np.zeros(0)):
        assert median_f0(nothing) is None


@pytest.mark.parametrize("offset", [0.05, -0.2, 0.5])
def test_an_offset_does_not_change_the_median_f0(offset: float) -> None:
    wav = 0.3 * vowel(np.full(200, 150.0))
    shifted = median_f0(wav + np.float32(offset))
    assert shifted is not None and shifted == pytest.approx(median_f0(wav), abs=1)


SPEECH = speech_like(5.0, pitch=200)
SILENCE = np.zeros(70 * SAMPLE_RATE, np.float32)
HISS = np.random.default_rng(3).normal(0, 1e-3, 70 * SAMPLE_RATE).astype(np.float32)
CLICKS = np.where(np.arange(70 * SAMPLE_RATE) % (9 * SAMPLE_RATE) == 5, 0.5, 0).astype(np.float32)


@pytest.mark.parametrize(
    "parts",
    [
        (SILENCE, SPEECH),
        (HISS, SPEECH),
        (CLICKS, SPEECH),
        (SILENCE, SPEECH, SILENCE),
        (SPEECH[:16_000], SILENCE, SPEECH[16_000:], HISS),
    ],
    ids=["silence", "hiss", "clicks", "in the middle", "in two parts"],
)
def test_speech_after_the_first_minute_has_a_median_f0(parts: tuple[np.ndarray, ...]) -> None:
    found, wanted = median_f0(np.concatenate(parts)), median_f0(SPEECH)
    assert found is not None and wanted is not None and abs(1200 * np.log2(found / wanted)) < 50


def test_speech_after_the_first_minute_at_another_sample_rate() -> None:
    config = MelConfig(sample_rate=24_000, n_fft=1200, hop_length=300, win_length=1200)
    late = resample(np.concatenate([SILENCE, SPEECH]), SAMPLE_RATE, 24_000)
    found, wanted = median_f0(late, config), median_f0(SPEECH)
    assert found is not None and wanted is not None and abs(1200 * np.log2(found / wanted)) < 50


def test_long_recordings_without_speech_have_no_median_f0() -> None:
    for wav in (SILENCE, HISS, CLICKS):
        assert median_f0(wav) is None


@pytest.mark.parametrize("f0", [80.0, 110.0, 125.0, 160.0, 170.0, 200.0, 250.0, 320.0, 400.0])
def test_pulse_train_is_the_sum_of_its_cosines(f0):
    phase = 2 * np.pi * f0 / CONFIG.sample_rate * np.arange(1, 10 * CONFIG.hop_length + 1)
    count = int(CONFIG.fmax / f0)
    expected = 0.05 * sum(np.cos(k * phase) for k in range(1, count + 1)) / np.sqrt(count)
    assert np.abs(pulse_train(np.full(10, f0), CONFIG) - expected).max() < 1e-5
