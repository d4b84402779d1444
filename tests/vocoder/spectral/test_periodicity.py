"""Periodicity of waveforms."""

import pytest
import torch

from vocoder.spectral.periodicity import periodicity, periodicity_distance

RATE = 16_000


def pulses(f0: float, seconds: float = 0.5) -> torch.Tensor:
    wave = torch.zeros(1, int(seconds * RATE))
    wave[:, :: round(RATE / f0)] = 1.0
    return wave


@pytest.mark.parametrize("f0", [80.0, 110.0, 220.0, 390.0])
def test_pulses_are_periodic_and_noise_is_not(f0):
    heights, power = periodicity(pulses(f0), RATE)
    assert heights.shape == power.shape == (1, 24)
    assert heights.min() > 0.95
    noise, _ = periodicity(torch.randn(1, RATE // 2, generator=torch.Generator().manual_seed(0)), RATE)
    assert noise.mean() < 0.4


def test_silence():
    heights, power = periodicity(torch.zeros(2, 4000), RATE)
    assert not heights.any() and not power.any()
    assert periodicity_distance(torch.zeros(1, 4000), torch.zeros(1, 4000), RATE) == 0


def test_distance_covers_audible_frames():
    voice = pulses(120.0)
    noise = 0.3 * torch.randn(voice.shape, generator=torch.Generator().manual_seed(1))
    assert periodicity_distance(voice, voice, RATE) == 0
    rough, rougher = (float(periodicity_distance(voice + part, voice, RATE)) for part in (0.1 * noise, noise))
    assert 0 < rough < rougher < 1
    half = voice.clone()
    half[:, 4000:] = 0
    quiet = half.clone()
    quiet[:, 4400:] = 1e-3 * noise[:, 4400:]
    assert periodicity_distance(quiet, half, RATE) < 0.05
