"""Linear prediction and pitch from the mel."""

import numpy as np
import pytest

from speech.audio import preemphasis
from speech.mel import synthesis_mel
from vocoder.wavernn.config import WaveRNNConfig
from vocoder.wavernn.data import mel_window
from vocoder.wavernn.prediction import Prediction, linear_prediction, longest_lag, predict_from_mel

CONFIG = WaveRNNConfig(shape="excitation")


def resonances(seconds: float) -> np.ndarray:
    """Noise through two resonances, with a peak of 0.9: an autoregressive signal of order 4."""
    noise = np.random.default_rng(0).standard_normal(int(16_000 * seconds))
    wav = np.zeros(len(noise) + 4)
    poles = [0.97 * np.exp(2j * np.pi * hertz / 16_000) for hertz in (500, 1800)]
    coefficients = -np.poly([*poles, *np.conj(poles)])[1:]
    for t, value in enumerate(noise):
        wav[t + 4] = value + coefficients @ wav[t : t + 4][::-1]
    return (0.9 * wav / np.abs(wav).max()).astype(np.float32)


def windows_of(mel: np.ndarray, config: WaveRNNConfig = CONFIG) -> np.ndarray:
    """[n_mels, frames] -> [frames, n_mels, 2 * pad + 1]."""
    frames = mel.shape[1]
    return np.stack([mel_window(mel.T, frame, 1, config.pad, config) for frame in range(frames)])


def residual(wav: np.ndarray, prediction: Prediction) -> np.ndarray:
    """What the prediction leaves of the pre-emphasised wav after the first 16 samples."""
    emphasised = preemphasis(wav.astype(np.float64))
    t = np.arange(16, (len(wav) // 200 - 1) * 200)
    past = np.stack([emphasised[t - 1 - k] for k in range(16)], axis=1)
    return emphasised[t] - (past * prediction.coefficients[t // 200, t % 200 // 50]).sum(axis=1)


def test_prediction_leaves_little_more_than_the_best_one():
    wav = resonances(1.0)
    emphasised = preemphasis(wav.astype(np.float64))
    prediction = predict_from_mel(windows_of(synthesis_mel(wav)), CONFIG)
    past = np.stack([emphasised[15 - k : -1 - k] for k in range(16)], axis=1)
    best = emphasised[16:] - past @ np.linalg.lstsq(past, emphasised[16:], rcond=None)[0]
    assert residual(wav, prediction).std() < 1.15 * best.std() < 0.2 * emphasised.std()


def test_the_prediction_filter_is_stable():
    mels = np.random.default_rng(0).uniform(-4, 4, (50, 80)).astype(np.float32)
    for coefficients in linear_prediction(mels, CONFIG):
        assert np.abs(np.roots([1, *-coefficients])).max() < 1


@pytest.mark.parametrize("order", [1, 4, 16])
def test_silence_and_shapes(order):
    config = WaveRNNConfig(shape="excitation", prediction_order=order)
    prediction = predict_from_mel(np.full((3, 80, 5), -1, np.float32), config)
    assert prediction.coefficients.shape == (3, 4, order) and np.isfinite(prediction.coefficients).all()
    assert prediction.lags.shape == prediction.clarity.shape == (3, 4)
    assert not prediction.lags.any() and (prediction.powers() == 1).all()


def test_lags_are_the_pitch_period(voice):
    wav = voice(1.0, f0=120.0)
    prediction = predict_from_mel(windows_of(synthesis_mel(wav)), CONFIG)
    time = (np.arange(prediction.lags.size) + 0.5) / 320
    period = 16_000 / (120 * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * time)))
    voiced = prediction.lags.ravel() > 0
    assert voiced.mean() > 0.4 and prediction.lags.max() <= longest_lag(CONFIG)
    assert np.mean(np.abs(prediction.lags.ravel()[voiced] - period[voiced]) <= 3) > 0.9
    assert prediction.powers()[prediction.lags > 0].max() > 1.1


def test_a_frame_depends_on_its_window_alone(voice):
    windows = windows_of(synthesis_mel(voice(0.5)))
    together = predict_from_mel(windows, CONFIG)
    for part in (slice(0, 1), slice(3, 8), slice(7, 23)):
        alone = predict_from_mel(windows[part], CONFIG)
        np.testing.assert_array_equal(alone.coefficients, together.coefficients[part])
        np.testing.assert_array_equal(alone.lags, together.lags[part])
        np.testing.assert_array_equal(alone.clarity, together.clarity[part])
