"""Variance is measured and restored."""

import numpy as np

from synthesizer.tacotron.variance import restore_variance, variance_gains


def mels(factor: float, seed: int = 0, frames: int = 200) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(0, 1, (frames, 80)) * factor - 1).astype(np.float32)


def test_gains_are_ratios_of_standard_deviations():
    gains = variance_gains([(mels(1.2, k), mels(1.0, k)) for k in range(3)] + [(mels(9.0, frames=20), mels(1.0))])
    np.testing.assert_allclose(gains, 1.2, rtol=1e-3)  # the short pair is ignored
    assert variance_gains([]) == ()
    assert set(variance_gains([(mels(0.5), mels(1.0))])) == {1.0}  # never below 1
    assert set(variance_gains([(mels(5.0), mels(0.1))])) == {2.0}


def test_variance_is_restored():
    natural, smooth = mels(1.0) / 2, mels(0.8) / 2
    gains = variance_gains([(natural, smooth)])
    restored = restore_variance(smooth.T, gains)
    assert restored.dtype == np.float32
    np.testing.assert_allclose(restored.std(1), natural.std(0), rtol=0.01)
    np.testing.assert_allclose(restored.mean(1), smooth.mean(0), atol=1e-4)
    twice = restore_variance(smooth.T, gains, emphasis=2.0)
    np.testing.assert_allclose(twice.std(1), 1.5 * smooth.std(0), rtol=0.01)


def test_result_is_clipped_and_short_utterances_are_unchanged():
    mel = mels(3.0).T.clip(-4, 4)
    assert np.abs(restore_variance(mel, (2.0,) * 80)).max() <= 4
    short = mel[:, :20]
    assert restore_variance(short, (1.3,) * 80) is short
    assert restore_variance(mel, ()) is mel
    assert restore_variance(mel, (1.3,) * 80, emphasis=0) is mel
