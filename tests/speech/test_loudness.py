"""Loudness, true peak and the limiter, on signals whose values are known."""

import numpy as np
import pyloudnorm
import pytest
from scipy.signal import resample_poly

from speech.loudness import CEILING, FAINTEST_LUFS, integrated_loudness, level, limit, true_peak
from tests.toy_models import speech_like

RATE = 16_000


def tone(seconds: float, amplitude: float = 0.1, hertz: float = 997.0, rate: int = RATE) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def peaky(seed: int = 0) -> np.ndarray:
    """Speech with one click per second, 26 dB above the rest."""
    wav = speech_like(4.0, seed=seed) * np.float32(0.1)
    wav[8000::RATE] += 1.0
    return wav


@pytest.mark.parametrize("rate", [16_000, 24_000, 48_000])
def test_a_tone_of_997_hertz_reads_three_decibels_below_its_peak(rate):
    # BS.1770-4: a sine of 0 dBFS at 997 Hz in one channel reads -3.01 LUFS
    for decibels in (-20, -40):
        wav = tone(3.0, 10 ** (decibels / 20), rate=rate)
        assert integrated_loudness(wav, rate) == pytest.approx(decibels - 3.01, abs=0.1)


def test_pauses_do_not_count():
    speech = speech_like(4.0)
    paused = np.concatenate([speech, np.zeros(4 * RATE, np.float32)])
    assert integrated_loudness(paused, RATE) == pytest.approx(integrated_loudness(speech, RATE), abs=0.2)


@pytest.mark.parametrize("samples", [1, 7, 160, 1599, 6399, 6400, 6401])
def test_clips_shorter_than_a_block_are_measured(samples):
    measured = integrated_loudness(tone(1.0)[1 : samples + 1], RATE)
    assert np.isfinite(measured)
    if samples > 1000:
        assert measured == pytest.approx(-23.0, abs=0.3)
    assert integrated_loudness(np.zeros(samples, np.float32), RATE) == -np.inf


def test_nothing_is_silent():
    assert integrated_loudness(np.zeros(0, np.float32), RATE) == -np.inf
    assert true_peak(np.zeros(0, np.float32)) == 0
    assert len(level(np.zeros(0, np.float32), RATE, -23)) == 0


def test_the_true_peak_lies_between_samples():
    quarter = np.sin(np.pi / 2 * np.arange(4000) + np.pi / 4).astype(np.float32)  # samples at 0.707 only
    quarter *= np.hanning(4000).astype(np.float32)
    assert np.abs(quarter).max() == pytest.approx(0.707, abs=0.001)
    assert true_peak(quarter) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("loudness", [-40.0, -23.0, -20.0, -16.0])
@pytest.mark.parametrize("gain", [0.05, 1.0, 5.0])
def test_speech_is_brought_to_a_loudness(loudness, gain):
    wav = speech_like(3.0) * np.float32(gain)
    before = wav.copy()
    out = level(wav, RATE, loudness)
    assert pyloudnorm.Meter(RATE).integrated_loudness(out) == pytest.approx(loudness, abs=0.1)
    assert out.dtype == np.float32 and out.shape == wav.shape
    np.testing.assert_array_equal(wav, before)


def test_without_peaks_only_the_gain_changes():
    wav = speech_like(3.0)
    out = level(wav, RATE, -30)
    np.testing.assert_allclose(out, wav * (out @ wav / (wav @ wav)), atol=1e-6)


def test_peaks_are_limited_and_the_loudness_is_kept():
    for loudness in (-23.0, -20.0):
        out = level(peaky(), RATE, loudness)
        assert np.abs(resample_poly(out, 4, 1)).max() <= 10 ** (-1 / 20)
        assert integrated_loudness(out, RATE) == pytest.approx(loudness, abs=0.2)


def test_a_failed_result_stays_faint():
    faint = level(tone(2.0, 1e-5), RATE, -23.0)
    gain = -23.0 - FAINTEST_LUFS
    assert np.abs(faint).max() == pytest.approx(1e-5 * 10 ** (gain / 20), rel=0.01)


def test_the_limiter_acts_around_peaks_only():
    wav = peaky()
    out = limit(wav, RATE)
    assert true_peak(out) <= CEILING + 1e-4
    reach = round(0.04 * RATE)
    far = np.ones(len(wav), bool)
    for peak in range(8000, len(wav), RATE):
        far[peak - reach : peak + reach + 1] = False
    np.testing.assert_array_equal(out[far], wav[far])
    quiet = wav * np.float32(0.5)
    assert limit(quiet, RATE) is quiet


def test_the_limiter_has_no_steps():
    wav = tone(1.0, 0.5)
    wav[8000:8400] *= 4
    gain = limit(wav, RATE) / np.where(np.abs(wav) > 0.01, wav, np.nan)
    assert np.nanmax(np.abs(np.diff(gain))) < 0.01
    assert np.nanmin(gain) == pytest.approx(CEILING / 2, rel=0.05) and np.nanmax(gain) == pytest.approx(1, abs=1e-6)
