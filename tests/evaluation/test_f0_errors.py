import numpy as np
import pytest

from evaluation.f0_errors import f0_errors
from speech.yin import yin_f0


def hum(frequency: float, seconds: float = 1.0) -> np.ndarray:
    """A voice-like tone: twelve harmonics, falling."""
    time = np.arange(int(16_000 * seconds)) / 16_000
    harmonics = np.arange(1, 13)[:, None]
    return (
        (0.2 * np.sin(2 * np.pi * frequency * harmonics * time + harmonics) / harmonics).sum(axis=0).astype(np.float32)
    )


@pytest.mark.parametrize("frequency", [75.0, 110.0, 217.3, 340.0])
def test_a_tone_has_its_pitch(frequency):
    contour = yin_f0(hum(frequency))
    assert len(contour) == 100
    np.testing.assert_allclose(contour[2:-4], frequency, rtol=5e-3)


def test_noise_and_silence_have_none():
    noise = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) * 0.1
    assert (yin_f0(noise) > 0).mean() < 0.05
    assert not yin_f0(np.zeros(16_000, np.float32)).any()
    assert len(yin_f0(np.zeros(10, np.float32))) == 0


def test_the_error_is_in_cents():
    same = f0_errors(hum(120), hum(120))
    assert same.cents == 0 and same.voicing == 0
    apart = f0_errors(hum(120 * 2 ** (50 / 1200)), hum(120))
    assert apart.cents == pytest.approx(50, abs=5) and apart.voicing < 0.06
    assert f0_errors(hum(120)[:12_000], hum(120)).cents == 0  # the longer is cut


def test_frames_voiced_in_one_only_are_voicing_errors():
    half = hum(120).copy()
    half[8000:] = 0
    error = f0_errors(half, hum(120))
    assert error.cents == pytest.approx(0, abs=5) and error.voicing == pytest.approx(0.5, abs=0.06)
    assert f0_errors(np.zeros(16_000, np.float32), hum(120)).cents is None
    assert f0_errors(np.zeros(0, np.float32), hum(120)) == f0_errors(np.zeros(9, np.float32), hum(120))
