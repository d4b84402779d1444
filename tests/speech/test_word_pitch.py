"""Pitch contours of words."""

import numpy as np

from speech.word_pitch import word_pitch_contours

RATE = 16_000


def hum(frequencies: np.ndarray) -> np.ndarray:
    """Five harmonics with this F0 in Hz, sample by sample; silent where it is 0."""
    phase = 2 * np.pi * np.cumsum(frequencies) / RATE
    harmonics = sum(np.sin(k * phase) / k for k in range(1, 6))
    return (0.2 * harmonics * (frequencies > 0)).astype(np.float32)


def test_contour_of_each_word():
    steps = np.repeat([120.0, 0.0, 180.0], RATE // 2)  # a low word, a pause, a high word
    contour = word_pitch_contours(hum(steps), [(0.0, 0.5), (1.0, 1.5)])
    assert contour is not None and contour.shape == (2, 3) and contour.dtype == np.float32
    low, high = contour
    np.testing.assert_allclose(high - low, np.log2(1.5), atol=0.03)
    rise = np.linspace(100, 200, RATE)
    contour = word_pitch_contours(hum(rise), [(0.0, 1.0)])
    assert contour is not None
    np.testing.assert_allclose(contour[0], np.log2(np.array([7, 9, 11]) / 9), atol=0.04)


def test_unvoiced_words_are_interpolated():
    pause = np.repeat([150.0, 0.0, 150.0], RATE // 2)
    contour = word_pitch_contours(
        hum(pause), [(0.5, 1.0), (1.4, 9.0), (3.0, 3.0)]
    )  # an unvoiced word, words that end after the clip
    assert contour is not None
    np.testing.assert_allclose(contour, 0, atol=0.03)


def test_noise_and_silence_have_no_contour():
    noise = np.random.default_rng(0).normal(scale=0.1, size=RATE).astype(np.float32)
    assert word_pitch_contours(noise, [(0.0, 1.0)]) is None
    assert word_pitch_contours(np.zeros(RATE, np.float32), [(0.0, 1.0)]) is None
    assert word_pitch_contours(np.zeros(0, np.float32), [(0.0, 0.0)]) is None
