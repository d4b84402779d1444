"""Conversion to float16 equals numpy's."""

import numpy as np
import pytest

from preparation.float16 import to_float16


def expected(values: np.ndarray) -> np.ndarray:
    return np.minimum(values, 65504).astype(np.float16)


def test_every_float16_and_every_tie():
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    between = (halves[:-1] + halves[1:]) / 2
    values = np.concatenate([halves, between, np.nextafter(between, np.float32(0)), np.nextafter(between, np.inf)])
    np.testing.assert_array_equal(to_float16(values), expected(values))


@pytest.mark.parametrize("shape", [(0, 40), (1, 1), (700, 40), (3, 4, 5)])
def test_any_magnitude(shape):
    rng = np.random.default_rng(0)
    values = (10 ** rng.uniform(-40, 6, shape)).astype(np.float32)
    result = to_float16(values)
    assert result.dtype == np.float16 and result.shape == shape
    np.testing.assert_array_equal(result, expected(values))
