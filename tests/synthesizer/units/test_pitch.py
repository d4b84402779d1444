"""F0 at the rate of units."""

import numpy as np

from synthesizer.units.pitch import moved_pitch, unit_pitch
from tests.toy_models import speech_like


def test_a_tone_has_its_frequency_and_silence_is_unvoiced():
    time = np.arange(16_000) / 16_000
    tone = sum(np.sin(2 * np.pi * 150 * harmonic * time) / harmonic for harmonic in range(1, 6))
    wav = np.concatenate([0.2 * tone, np.zeros(16_000)]).astype(np.float32)
    pitch = unit_pitch(wav, 100)
    assert pitch.shape == (100,) and pitch.dtype == np.float32
    np.testing.assert_allclose(pitch[2:46], 150, rtol=0.01)
    assert not pitch[54:].any()


def test_any_rate_and_any_length():
    assert unit_pitch(speech_like(1.0, 120), 93, 93).shape == (93,)
    assert not unit_pitch(np.zeros(100, np.float32), 4).any()
    assert not unit_pitch(np.zeros(0, np.float32), 1).any()


def test_a_contour_moves_by_the_ratio_of_the_medians():
    pitch = np.array([0, 100, 200], np.float32)
    np.testing.assert_allclose(moved_pitch(pitch, 100, 150), [0, 150, 300])
    np.testing.assert_allclose(moved_pitch(pitch, 100, 100, pitch_range=0), [0, 100, 100])
    np.testing.assert_allclose(moved_pitch(pitch, 100, 100, pitch_range=2), [0, 100, 400])
