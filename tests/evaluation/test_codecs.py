"""Lossy codecs and narrow bands."""

import numpy as np
import pytest

from evaluation.codecs import coded, telephone


def tone(hertz: float, samples: int = 16_000) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz / 16_000 * np.arange(samples))).astype(np.float32)


@pytest.mark.parametrize("codec", ["libopus", "libmp3lame"])
def test_a_codec_keeps_length_and_level_but_not_the_samples(codec: str) -> None:
    wav = tone(500) + tone(1700) / 4
    decoded = coded(wav, codec, 24)
    assert decoded.dtype == np.float32 and decoded.shape == wav.shape
    assert np.std(decoded[4000:12_000]) == pytest.approx(np.std(wav[4000:12_000]), rel=0.1)
    assert not np.array_equal(decoded, wav)


def test_a_telephone_has_no_high_frequencies() -> None:
    assert np.std(telephone(tone(1000))[2000:-2000]) == pytest.approx(np.std(tone(1000)), rel=0.02)
    assert np.std(telephone(tone(6000))[2000:-2000]) < 1e-3
    assert telephone(tone(1000, 15_999)).shape == (15_999,)
