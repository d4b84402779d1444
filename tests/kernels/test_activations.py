"""Activation functions and sums over vectors equal those of numpy."""

import numpy as np
import pytest
from numba import njit

from kernels import activations
from kernels.parts import address
from kernels.simd import largest_lane, load8, load16, store, sum_lanes

X = np.linspace(-80, 80, 16 * 4000, dtype=np.float32)


@njit
def _scalars(x, tanh, sigmoid, gelu):
    for i in range(len(x)):
        tanh[i], sigmoid[i], gelu[i] = activations.tanh(x[i]), activations.sigmoid(x[i]), activations.gelu(x[i])


@njit
def _vectors(x, exp, tanh, sigmoid):
    for i in range(0, len(x), 16):
        vector = load16(address(x, 0), i)
        store(address(exp, 0), i, activations.exp(vector))
        store(address(tanh, 0), i, activations.tanh16(vector))
        store(address(sigmoid, 0), i, activations.sigmoid16(vector))


@njit
def _reduce(x, out):
    out[0], out[1] = sum_lanes(load8(address(x, 0), 0)), sum_lanes(load16(address(x, 0), 0))
    out[2], out[3] = largest_lane(load8(address(x, 0), 0)), largest_lane(load16(address(x, 0), 0))


def test_scalar_functions() -> None:
    tanh, sigmoid, gelu = (np.zeros_like(X) for _ in range(3))
    _scalars(X, tanh, sigmoid, gelu)
    x = X.astype(np.float64)
    np.testing.assert_allclose(tanh, np.tanh(x), atol=1e-6)
    np.testing.assert_allclose(sigmoid, 1 / (1 + np.exp(-x)), atol=1e-6)
    np.testing.assert_allclose(gelu, x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))), atol=3e-5)


def test_vector_functions() -> None:
    exp, tanh, sigmoid = (np.zeros_like(X) for _ in range(3))
    _vectors(X, exp, tanh, sigmoid)
    x = X.astype(np.float64)
    np.testing.assert_allclose(exp, np.exp(x), rtol=5e-7)
    np.testing.assert_allclose(tanh, np.tanh(x), atol=1e-6)
    np.testing.assert_allclose(sigmoid, 1 / (1 + np.exp(-x)), atol=1e-6)


def test_sums_over_lanes() -> None:
    x, out = np.random.default_rng(0).random(16, dtype=np.float32), np.zeros(4, np.float32)
    _reduce(x, out)
    assert out.tolist() == pytest.approx([x[:8].sum(), x.sum(), x[:8].max(), x.max()], rel=1e-6)
