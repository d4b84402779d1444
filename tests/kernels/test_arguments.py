"""Tables of arguments, and compiled code that reads them."""

from typing import NamedTuple

import numpy as np
import pytest
from numba import njit

from kernels.argument_reader import reader
from kernels.arguments import Blocks, Matrix, Vector, table_of
from kernels.parts import address


class Inner(NamedTuple):
    matrix: Matrix
    scale: np.float32


class Outer(NamedTuple):
    blocks: Blocks
    inner: Inner
    offset: int


_read = reader(Outer, Vector, tuple[int, int])


@njit
def add_up(table, out):
    outer, vector, window = _read(address(table, 0))
    out[0] = outer.blocks[1, 2, 3] + outer.inner.matrix[2, 1] * outer.inner.scale + outer.offset
    out[1] = vector[-1] * window[0] + window[1]
    out[2] = len(vector) * 1000 + outer.blocks.shape[1] * 100 + outer.inner.matrix.shape[0]


def test_compiled_code_reads_nested_tuples() -> None:
    rng = np.random.default_rng(0)
    blocks, matrix, vector = (rng.normal(size=size).astype(np.float32) for size in ((2, 3, 4), (3, 2), 7))
    out = np.zeros(3)
    add_up(table_of(Outer(blocks, Inner(matrix, np.float32(2.5)), -3), vector, (5, 6)), out)
    expected = [blocks[1, 2, 3] + matrix[2, 1] * np.float32(2.5) - 3, vector[-1] * 5 + 6, 7 * 1000 + 300 + 3]
    np.testing.assert_allclose(out, expected, rtol=1e-6)


def test_arrays_must_be_contiguous() -> None:
    with pytest.raises(ValueError, match="not contiguous"):
        table_of(np.zeros((4, 4), np.float32)[:, ::2])
