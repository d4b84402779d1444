from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter

from waveform.emphasis import Deemphasis


@pytest.mark.parametrize("coefficient", [0.97, 0.5, 0.0])
@pytest.mark.parametrize("chunk", [1, 7, 1600, 20_000])
def test_chunks_equal_a_filter_over_the_whole_signal(coefficient, chunk):
    emphasised = np.random.default_rng(0).standard_normal(20_000).astype(np.float32) * 0.02
    finish = Deemphasis(coefficient)
    wav = np.concatenate([finish(emphasised[start : start + chunk]) for start in range(0, 20_000, chunk)])
    whole = lfilter([1.0], [1.0, -coefficient], emphasised.astype(np.float64))
    assert wav.dtype == np.float32
    np.testing.assert_allclose(wav, np.clip(whole, -1, 1), atol=1e-7)


def test_clipping_does_not_change_the_filter_state():
    finish, whole = Deemphasis(0.9), Deemphasis(0.9)
    loud = np.ones(40, dtype=np.float32)
    wav = np.concatenate([finish(loud), finish(-loud)])
    assert wav.max() == 1 and np.array_equal(wav, whole(np.concatenate([loud, -loud])))
    assert finish(loud[:0]).shape == (0,)


def test_de_emphasis_equals_the_golden_one(golden_dir: Path) -> None:
    golden = np.load(golden_dir / "mulaw.npz")
    made = 32 * Deemphasis(0.97)(golden["x"] / 32)  # without clipping: the golden numbers reach 28
    np.testing.assert_allclose(made, golden["de"], atol=1e-6)
