import numpy as np
import pytest

from encoder.metrics import all_pairs, equal_error_rate
from evaluation.mfcc import MfccBaseline
from tests.toy_models import speech_like


@pytest.mark.parametrize("standardised", [False, True])
def test_statistics_have_their_shape_and_separate_voices(standardised):
    baseline = MfccBaseline(standardised)
    wavs = [speech_like(2.0, pitch, seed) for pitch in (100, 180, 260) for seed in range(3)]
    rows = baseline.embed(wavs)
    assert rows.shape == (9, 40 if standardised else 20)
    finished = baseline.finish(rows)
    assert np.allclose(np.linalg.norm(finished, axis=1), 1)
    assert equal_error_rate(*all_pairs(finished, list("aaabbbccc"))) < 0.1


def test_the_level_has_no_effect():
    wav = np.random.default_rng(0).standard_normal(32_000).astype(np.float32)
    one, two = MfccBaseline().embed([0.02 * wav, 0.04 * wav])
    assert np.allclose(one, two, atol=1e-3)


def test_equal_clips_do_not_divide_by_zero():
    for standardised in (False, True):
        assert np.isfinite(MfccBaseline(standardised).finish(np.ones((3, 40)))).all()
