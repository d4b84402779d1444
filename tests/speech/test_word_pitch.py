"""How high the words of a recording are spoken."""

import numpy as np

from speech.word_pitch import word_melody

RATE = 16_000


def hum(frequencies: np.ndarray) -> np.ndarray:
    """A buzz whose pitch goes through these, sample by sample; silent where it is 0."""
    phase = 2 * np.pi * np.cumsum(frequencies) / RATE
    buzz = sum(np.sin(k * phase) / k for k in range(1, 6))
    return (0.2 * buzz * (frequencies > 0)).astype(np.float32)


def test_each_word_has_the_pitch_of_its_beginning_middle_and_end():
    steps = np.repeat([120.0, 0.0, 180.0], RATE // 2)  # a low word, a pause, a high word
    melody = word_melody(hum(steps), [(0.0, 0.5), (1.0, 1.5)])
    assert melody is not None and melody.shape == (2, 3) and melody.dtype == np.float32
    low, high = melody
    np.testing.assert_allclose(high - low, np.log2(1.5), atol=0.03)
    rise = np.linspace(100, 200, RATE)
    melody = word_melody(hum(rise), [(0.0, 1.0)])
    assert melody is not None
    np.testing.assert_allclose(melody[0], np.log2(np.array([7, 9, 11]) / 9), atol=0.04)


def test_where_no_voice_is_the_pitch_goes_straight_on():
    pause = np.repeat([150.0, 0.0, 150.0], RATE // 2)
    melody = word_melody(hum(pause), [(0.5, 1.0), (1.4, 9.0), (3.0, 3.0)])  # a whisper; words that end too late
    assert melody is not None
    np.testing.assert_allclose(melody, 0, atol=0.03)


def test_of_noise_and_silence_nothing_is_told():
    noise = np.random.default_rng(0).normal(scale=0.1, size=RATE).astype(np.float32)
    assert word_melody(noise, [(0.0, 1.0)]) is None
    assert word_melody(np.zeros(RATE, np.float32), [(0.0, 1.0)]) is None
    assert word_melody(np.zeros(0, np.float32), [(0.0, 0.0)]) is None
