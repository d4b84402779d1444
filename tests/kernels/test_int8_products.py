"""int8 products: rounding, and equal sums on every processor."""

import numpy as np
import pytest
from numba import njit

from kernels.int8_products import multiply_tile, quantise
from kernels.layout import MAX_INPUT, MAX_SUM, MAX_WEIGHT, largest_input
from kernels.parts import address

RNG = np.random.default_rng(0)


@njit
def _quantise(x, values, largest):
    return quantise(address(x, 0), len(x), address(values, 0), largest)


@njit
def _tile(values, scales, weights, unit_scales, bias, out):
    multiply_tile(
        address(values, 0), values.shape[1], address(scales, 0), address(weights, 0), weights.shape[0],
        address(unit_scales, 0), address(bias, 0), address(out, 0), out.shape[1],
    )  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 64, 150, 512])
@pytest.mark.parametrize("largest", [MAX_INPUT, 1000])
def test_quantised_values_are_within_half_a_scale(size: int, largest: int) -> None:
    x, values = RNG.normal(size=size).astype(np.float32), np.full(size + size % 2, 99, np.int16)
    scale = _quantise(x, values, largest)
    assert abs(values[:size]).max() == largest and not values[size:].any()
    assert np.abs(values[:size] * float(scale) - x).max() <= scale * 0.51


def test_zeros_stay_zeros() -> None:
    values = np.full(4, 9, np.int16)
    assert _quantise(np.zeros(4, np.float32), values, MAX_INPUT) >= 0 and not values.any()


def test_sums_of_the_largest_inputs_stay_within_32_bits() -> None:
    for inputs in (1, 500, 516, 600, 5000):
        largest = largest_input(inputs)
        assert largest <= MAX_INPUT and largest * MAX_WEIGHT * inputs <= MAX_SUM
        assert largest == MAX_INPUT or (largest + 1) * MAX_WEIGHT * inputs > MAX_SUM


def test_a_tile_equals_numpy() -> None:
    pairs = 40
    values = RNG.integers(-3000, 3000, (6, 2 * pairs)).astype(np.int16)
    weights = RNG.integers(-127, 128, (pairs, 16, 2)).astype(np.int16)
    scales, unit_scales, bias = (RNG.random(size).astype(np.float32) for size in (6, 16, 16))
    out = np.zeros((6, 20), np.float32)
    _tile(values, scales, weights, unit_scales, bias, out)
    sums = np.einsum("rpk,puk->ru", values.reshape(6, pairs, 2).astype(np.int64), weights.astype(np.int64))
    np.testing.assert_allclose(out[:, :16], sums * scales[:, None].astype(float) * unit_scales + bias, rtol=1e-5)
    assert not out[:, 16:].any()
