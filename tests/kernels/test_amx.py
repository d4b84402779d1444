"""Products in matrix registers: the layout of the weights everywhere, the products where the processor has AMX."""

import functools
from typing import Any

import numpy as np
import pytest
from numba import njit

from kernels import amx_support
from kernels.amx_support import LARGEST, MOST_INPUTS, amx_is_usable, weight_tiles
from kernels.parts import address

RNG = np.random.default_rng(0)
NEEDS_AMX = pytest.mark.skipif(not amx_is_usable(), reason="this processor has no AMX, or the system does not grant it")


def whole(tiles: np.ndarray) -> np.ndarray:
    """The int16 numbers of tiles, [rows, columns]."""
    high, low = tiles.astype(np.int64).transpose(2, 0, 4, 1, 3, 5)
    return (256 * high + low).reshape(tiles.shape[0] * 16, -1)


@pytest.mark.parametrize(("rows", "columns"), [(16, 1), (32, 64), (48, 100)])
def test_weights_are_rounded_to_16_bits(rows: int, columns: int) -> None:
    matrix = RNG.normal(size=(rows, columns)).astype(np.float32)
    tiles, scales = weight_tiles(matrix)
    assert tiles.dtype == np.int8 and tiles.flags.c_contiguous
    numbers = whole(tiles)
    assert abs(numbers).max(axis=1).tolist() == [LARGEST] * rows and not numbers[:, columns:].any()
    assert np.abs(numbers[:, :columns] * scales[:, None].astype(float) - matrix).max() <= scales.max() * 0.51


def test_rows_of_zeros_stay_zeros() -> None:
    tiles, scales = weight_tiles(np.zeros((16, 20), np.float32))
    assert not tiles.any() and np.isfinite(scales).all()


def test_amx_is_not_used_for_another_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    assert not amx_support.amx_is_usable.__wrapped__()
    monkeypatch.delenv("NUMBA_CPU_NAME")
    monkeypatch.setattr(amx_support.sys, "platform", "win32")
    assert not amx_support.amx_is_usable.__wrapped__()


@NEEDS_AMX
@pytest.mark.parametrize(("rows", "columns"), [(16, 16), (48, 112), (32, 512), (16, MOST_INPUTS)])
@pytest.mark.parametrize("floor", [-np.inf, 0.0])
def test_products_equal_numpy_to_16_bits(rows: int, columns: int, floor: float) -> None:
    matrix, x = RNG.normal(size=(rows, columns)).astype(np.float32), RNG.normal(size=(16, columns)).astype(np.float32)
    x[3] *= 1000  # the scale of a lane does not matter to the others
    x[4] = 0
    base = RNG.normal(size=(16, rows)).astype(np.float32)
    tiles, scales = weight_tiles(matrix)
    made = _in_tiles(np.full_like(base, 9))
    _product(tiles.view(np.int32).reshape(-1), matrix.shape, scales, _in_tiles(x), _in_tiles(base), made, floor)
    expected = np.maximum(base + x.astype(float) @ matrix.T.astype(float), floor)
    error = np.abs(made.transpose(1, 0, 2).reshape(16, rows) - expected).max(axis=1)
    assert (error < 1e-4 * np.sqrt(columns) * np.abs(x).max(axis=1).clip(0.1)).all()
    np.testing.assert_allclose(error[4], 0, atol=1e-6)


def _in_tiles(values: np.ndarray) -> np.ndarray:
    """[16 lanes, units] -> [units / 16, 16 lanes, 16]."""
    return np.ascontiguousarray(values.reshape(16, -1, 16).transpose(1, 0, 2))


def _product(weights, shape, scales, source, base, target, floor) -> None:  # type: ignore[no-untyped-def]
    flat = (part.reshape(-1) for part in (source, base, target))
    _multiply()(weights, scales, shape[0] // 16, shape[1], *flat, np.float32(floor))


@functools.cache
def _multiply() -> Any:
    """Compiled only where the processor has AMX."""
    from kernels.amx import close_tiles, open_tiles, tile_product

    @njit
    def multiply(weights, scales, rows, columns, source, base, target, floor):  # type: ignore[no-untyped-def]
        open_tiles()
        tile_product(address(weights, 0), 0, address(scales, 0), 0, rows, columns, address(source, 0), 0,
                     address(base, 0), 0, 256, 16, address(target, 0), 0, floor)  # fmt: skip
        close_tiles()

    return multiply
