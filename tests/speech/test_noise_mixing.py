"""Noise at a given ratio, and coloured noise."""

import numpy as np
import pytest

from speech.mel import mel_amplitudes, synthesis_mel
from speech.mel_config import MelConfig
from speech.noise_mixing import add_noise, add_noise_to_mel, coloured_noise, coloured_noise_mel, rms


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


def test_noise_in_a_mel_has_the_given_ratio_and_keeps_its_power():
    rng, config = np.random.default_rng(0), MelConfig()
    mel = synthesis_mel(0.1 * rng.standard_normal(16_000).astype(np.float32), config).T
    noise = coloured_noise_mel(mel.shape, rng)
    mixed = add_noise_to_mel(mel, noise, 3.0, config)
    before, after = (np.square(mel_amplitudes(values, config)) for values in (mel, mixed))
    assert after.mean() == pytest.approx(before.mean(), rel=1e-3)
    # Without its share of the speech, what remains is the noise.
    share = 1 / (1 + 10**-0.3)
    remaining = after - share * before
    assert np.corrcoef(remaining.ravel(), noise.ravel())[0, 1] > 0.999
    assert 10 * np.log10(share * before.mean() / remaining.mean()) == pytest.approx(3.0, abs=0.05)


def test_coloured_noise_mels_have_different_colours():
    noise = coloured_noise_mel((16, 50, 40), np.random.default_rng(0))
    tilts = 10 * np.log10(noise[:, :, 30:].mean((1, 2)) / noise[:, :, :10].mean((1, 2)))
    assert noise.dtype == np.float32 and tilts.min() < -10 and tilts.max() > 3
