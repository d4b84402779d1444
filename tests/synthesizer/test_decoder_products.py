"""Products of the compiled decoder equal those of numpy, and are the same on every processor."""

import numpy as np
import pytest
import torch
from numba import njit

from kernels.int8_products import portable_pair_products
from kernels.parts import address
from modelfile.int8 import quantise_rows
from synthesizer.decoder_arrays import BLOCK, CACHE_LINE, packed_floats, packed_int8
from synthesizer.decoder_products import add_products, apply_filters, int8_block, multiply
from synthesizer.tacotron.fast_decoder import FastDecoder
from synthesizer.tacotron.model import Tacotron2
from tests.synthesizer.toy import toy_config

SHAPES = [(32, 2), (96, 28), (70, 33)]  # whole blocks, whole pairs, and neither
LARGEST = 2**15 - 1
RNG = np.random.default_rng(0)

_portable = int8_block(1, portable_pair_products)
_own = int8_block(1)


@njit
def add_portably(weights, scales, values, scale, sums):
    _portable(
        address(weights, 0), address(scales, 0), (address(values, 0),), (scale,), len(weights), (address(sums, 0),)
    )


@njit
def add_by_own(weights, scales, values, scale, sums):
    _own(address(weights, 0), address(scales, 0), (address(values, 0),), (scale,), len(weights), (address(sums, 0),))


@njit
def add_all(matrix, rows, count, values, scales, sums):
    add_products(matrix, rows, count, values, scales, sums)


@njit
def multiply_floats(matrix, bias, x, sums):
    multiply(matrix, bias, x, sums)


@njit
def filter_floats(filters, x, start, sums, first):
    apply_filters(filters, x, start, sums, first)


def random_inputs(rows: int, inputs: int) -> np.ndarray:
    """With the largest possible value, and an odd one more, which must have no effect."""
    values = RNG.integers(-LARGEST, LARGEST + 1, (rows, inputs + inputs % 2)).astype(np.int16)
    values[:, 0] = LARGEST
    return values


def test_sums_are_bit_identical_on_every_processor() -> None:
    weights = RNG.integers(-127, 128, (300, 2 * BLOCK)).astype(np.int8)
    weights[0] = -127
    scales, values = np.ones(BLOCK, np.float32), random_inputs(1, 600)[0] // 2
    exact = np.einsum("pub,pb->u", weights.reshape(300, BLOCK, 2).astype(np.int64), values.reshape(300, 2))
    assert abs(exact).max() > 2**24  # beyond what float32 holds exactly: rounding is tested too
    for add in (add_portably, add_by_own):
        sums = np.zeros(BLOCK, np.float32)
        add(weights, scales, values, np.float32(1), sums)
        np.testing.assert_array_equal(sums, exact.astype(np.float32))


@pytest.mark.parametrize(("units", "inputs"), SHAPES)
def test_int8_products_equal_numpy_in_any_batch(units: int, inputs: int) -> None:
    weight = torch.from_numpy(RNG.normal(size=(units, inputs)).astype(np.float32))
    packed, (plain, unit_scales) = packed_int8(weight), [tensor.numpy() for tensor in quantise_rows(weight)]
    values, scales = random_inputs(5, inputs), RNG.random(5).astype(np.float32)
    start = RNG.normal(size=(5, len(packed.scales))).astype(np.float32)
    rows = np.array([4, 0, 3])
    together = start.copy()
    add_all(packed, rows, 3, values, scales, together)
    sums = plain.astype(np.int64) @ values[:, :inputs].T.astype(np.int64)
    expected = start[:, :units] + (sums * unit_scales[:, None].astype(float) * scales).T
    np.testing.assert_allclose(together[rows, :units], expected[rows], rtol=1e-5, atol=1e-3)
    np.testing.assert_array_equal(together[[1, 2]], start[[1, 2]])
    for row in rows:
        alone = start.copy()
        add_all(packed, np.array([row]), 1, values, scales, alone)
        np.testing.assert_array_equal(alone[row], together[row])


@pytest.mark.parametrize(("units", "inputs"), SHAPES)
def test_float_products_equal_numpy(units: int, inputs: int) -> None:
    weight, bias, x = (RNG.normal(size=size).astype(np.float32) for size in ((units, inputs), units, inputs))
    packed = packed_floats(torch.from_numpy(weight))
    sums = np.zeros(len(packed) * BLOCK, np.float32)
    multiply_floats(packed, bias, x, sums)
    np.testing.assert_allclose(sums[:units], weight @ x + bias, atol=1e-4)


def test_filters_apply_to_their_part_of_a_sequence() -> None:
    filters, x = RNG.normal(size=(40, 5)).astype(np.float32), RNG.normal(size=12).astype(np.float32)
    sums = np.zeros(3 * BLOCK, np.float32)
    filter_floats(packed_floats(torch.from_numpy(filters)), x, 4, sums, BLOCK)
    np.testing.assert_allclose(sums[BLOCK : BLOCK + 40], filters @ x[4:9], atol=1e-5)
    np.testing.assert_array_equal(sums[:BLOCK], 0)


def test_the_matrices_of_a_step_are_adjacent() -> None:
    torch.manual_seed(0)
    model = Tacotron2(toy_config()).eval()
    net = FastDecoder(model, 0.0, 4).net
    lstms = (net.attention_input, net.attention_hidden, net.decoder_input, net.decoder_hidden)
    matrices: list[np.ndarray] = [
        net.prenet_first,
        net.prenet_second,
        *(matrix.values for matrix in lstms),
        net.outputs,
    ]
    at = matrices[0].ctypes.data
    for matrix in matrices:
        assert matrix.ctypes.data == at and at % CACHE_LINE == 0
        at += matrix.nbytes + -matrix.nbytes % CACHE_LINE
    np.testing.assert_array_equal(net.decoder_hidden.values, packed_int8(model.decoder_lstm.weight_hh).values)
    np.testing.assert_array_equal(net.prenet_second, packed_floats(model.prenet.second.weight))
