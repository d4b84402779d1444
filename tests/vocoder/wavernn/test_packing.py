import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kernels.amx_support import PANEL, amx_is_usable
from speech.errors import ModelFileError
from vocoder.wavernn.blocks import BLOCK, BlockMatrix, block_matrix, pad_rows
from vocoder.wavernn.model import build_wavernn
from vocoder.wavernn.packing import (
    BIAS,
    BLOCK_ROWS,
    COLUMNS,
    DIAGONAL,
    MEMORY,
    SCALES,
    STARTS,
    STATE,
    TILES,
    VALUES,
    pack,
)


def dense(matrix: BlockMatrix) -> np.ndarray:
    """The matrix without its separate diagonal: [16 * block rows, width]."""
    rows = np.repeat(np.arange(len(matrix.starts) - 1), np.diff(matrix.starts))
    columns = matrix.columns if matrix.columns is not None else np.tile(np.arange(matrix.width), len(matrix.starts) - 1)
    whole = np.zeros((len(matrix.starts) - 1, BLOCK, matrix.width), dtype=np.float32)
    whole[rows, :, columns] = matrix.values
    return whole.reshape(-1, matrix.width)


@st.composite
def sparse_weights(draw):
    """A matrix of a few gates, some of whose blocks are zero: (weight, gates)."""
    count, units, columns = draw(st.integers(1, 4)), draw(st.integers(1, 40)), draw(st.integers(1, 24))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    blocks = generator.random((count, -(-units // BLOCK), columns)) < draw(st.floats(0, 1))
    kept = blocks.repeat(BLOCK, axis=1)[:, :units].reshape(count * units, columns)
    return (generator.standard_normal(kept.shape) * kept).astype(np.float32), count


@given(sparse_weights())
@settings(max_examples=60, deadline=None)
def test_blocks_hold_the_whole_matrix(case):
    weight, gates = case
    bias = np.arange(len(weight), dtype=np.float32)
    matrix = block_matrix(weight, bias, gates)
    matrix.check()
    np.testing.assert_array_equal(dense(matrix), pad_rows(weight, gates))
    np.testing.assert_array_equal(matrix.bias, pad_rows(bias[:, None], gates)[:, 0])
    stored = (pad_rows(weight, gates).reshape(-1, BLOCK, weight.shape[1]) != 0).any(axis=1).sum()
    assert len(matrix.values) == stored or matrix.columns is None


@given(st.integers(1, 40), st.integers(0, 2**32 - 1), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_a_diagonal_outside_the_blocks_is_kept_apart(units, seed, density):
    generator = np.random.default_rng(seed)
    weight = generator.standard_normal((3 * units, units)).astype(np.float32)
    weight *= generator.random((3 * units, 1)) < density
    weight[np.arange(3 * units), np.arange(3 * units) % units] = 1 + generator.random(3 * units)
    matrix = block_matrix(weight, gates=3, recurrent=True)
    matrix.check()
    whole = dense(matrix).reshape(3, -1, units)
    if matrix.diagonal is not None:
        for gate, diagonal in zip(whole, matrix.diagonal.reshape(3, -1), strict=True):
            np.fill_diagonal(gate, gate.diagonal() + diagonal[: min(gate.shape)])
    np.testing.assert_array_equal(whole.reshape(-1, units), pad_rows(weight, 3))


@given(
    columns=hnp.arrays(np.int32, st.integers(0, 12), elements=st.integers(-3, 20)),
    starts=hnp.arrays(np.int32, st.integers(0, 5), elements=st.integers(-2, 14)),
    width=st.integers(1, 16),
    blocks=st.integers(0, 12),
    rows=st.integers(0, 80),
)
@settings(max_examples=200, deadline=None)
def test_checked_indices_lie_within_the_matrix(columns, starts, width, blocks, rows):
    matrix = BlockMatrix(
        np.ones((blocks, BLOCK), np.float32), columns, starts, bias=np.zeros(rows, np.float32), width=width
    )
    try:
        matrix.check()
    except ModelFileError:
        return
    assert len(columns) == blocks and ((columns >= 0) & (columns < width)).all()
    assert (
        starts[0] == 0 and starts[-1] == blocks and (np.diff(starts) >= 0).all() and rows == BLOCK * (len(starts) - 1)
    )


@pytest.mark.parametrize(
    "damage",
    [
        {"columns": np.array([0, 1, 99], np.int32)},
        {"columns": np.array([0, -1, 1], np.int32)},
        {"columns": np.array([0, 1], np.int32)},
        {"columns": None},
        {"starts": np.array([0, 4], np.int32)},
        {"starts": np.array([1, 3], np.int32)},
        {"starts": np.array([0], np.int32)},
        {"bias": np.zeros(15, np.float32)},
        {"diagonal": np.zeros(17, np.float32)},
        {"values": np.full((3, BLOCK), np.nan, np.float32)},
        {"values": np.zeros((3, 8), np.float32)},
        {"bias": np.full(16, np.inf, np.float32)},
    ],
)
def test_damaged_blocks_are_refused(damage):
    whole = BlockMatrix(
        np.ones((3, BLOCK), np.float32),
        np.array([0, 1, 4], np.int32),
        np.array([0, 3], np.int32),
        np.zeros(16, np.float32),
        5,
    )
    whole.check()
    with pytest.raises(ModelFileError):
        dataclasses.replace(whole, **damage).check()


@pytest.mark.parametrize(
    ("shape", "mode"),
    [("compact", "raw"), ("compact", "mol"), ("classic", "raw"), ("classic", "mol"), ("excitation", "raw")],
)
def test_packed_offsets_stay_within_the_arrays(toy_config, shape, mode):
    config = toy_config(shape, mode, hidden_size=40)
    packed = pack(build_wavernn(config))
    for row in packed.plan:
        starts = packed.ints[row[STARTS] : row[STARTS] + row[BLOCK_ROWS] + 1]
        assert row[VALUES] >= 0 and row[VALUES] + BLOCK * starts[-1] <= len(packed.floats)
        assert row[BIAS] >= 0 and row[BIAS] + BLOCK * row[BLOCK_ROWS] <= len(packed.floats)
        assert row[COLUMNS] == -1 and row[DIAGONAL] == -1
        if row[TILES] >= 0:
            panels = -(-int(starts[1]) // PANEL)
            assert row[TILES] + row[BLOCK_ROWS] * panels * 512 <= len(packed.ints)
            assert row[SCALES] >= 0 and row[SCALES] + BLOCK * row[BLOCK_ROWS] <= len(packed.floats)
    assert packed.tiled == (shape == "classic" and amx_is_usable())
    lengths = np.diff(packed.sizes[STATE:])
    assert packed.sizes[STATE] == 0 and (lengths >= 0).all() and (lengths % BLOCK == 0).all()
    assert (lengths > 0).all() == config.predicts  # the other shapes have no buffers for an excitation
    assert (packed.sizes[STATE : MEMORY + 1] % BLOCK == 0).all()
    assert packed.floats.ctypes.data % 64 == packed.ints.ctypes.data % 64 == 0
