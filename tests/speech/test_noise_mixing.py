"""Noise at a given ratio, and coloured noise."""

import numpy as np
import pytest

from speech.noise_mixing import add_noise, coloured_noise, rms


@pytest.mark.parametrize("snr_db", [20.0, 0.0])
def test_noise_has_the_given_ratio(snr_db):
    rng = np.random.default_rng(0)
    speech, noise = 0.01 * rng.standard_normal((2, 16_000)).astype(np.float32)
    mixed = add_noise(speech, rms(speech), noise / np.float32(rms(noise)), snr_db)
    assert 20 * np.log10(rms(speech) / rms(mixed - speech)) == pytest.approx(snr_db, abs=0.01)


def test_a_mixture_never_exceeds_full_scale():
    wav = np.full(1000, 0.9, np.float32)
    mixed = add_noise(wav, 0.9, np.ones(1000, np.float32), 0.0)
    assert np.abs(mixed).max() == pytest.approx(1.0)


def test_coloured_noise_has_a_level_of_one_and_different_colours():
    tilts = []
    for seed in range(8):
        noise = coloured_noise(8000, np.random.default_rng(seed))
        assert noise.shape == (8000,) and noise.dtype == np.float32 and rms(noise) == pytest.approx(1, abs=1e-3)
        power = np.abs(np.fft.rfft(noise)) ** 2
        tilts.append(10 * np.log10(power[2000:].mean() / power[10:200].mean()))
    assert min(tilts) < -10 and max(tilts) > 3
