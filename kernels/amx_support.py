"""Whether this process may use the matrix registers of x86 processors (AMX), and the layout of their operands.

Imports no numba: compiled code is loaded without it.
"""

import contextlib
import ctypes
import functools
import os
import platform
import sys

import numpy as np

LANES = 16  # rows of a tile, each of another lane
PANEL = 64  # inputs of a tile
OUTPUTS = 16  # of a tile of weights
MOST_INPUTS = 1024  # for which the products have memory
LARGEST = 127 * 256  # that two int8 can hold: high * 256 + low, each in [-128, 127]

_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA = 158, 0x1023, 18  # of Linux on x86-64


@functools.cache
def amx_is_usable() -> bool:
    """Whether the processor has AMX and the system grants it to this process, which only Linux is asked for."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    if any(name.startswith("NUMBA_CPU") for name in os.environ):  # code is compiled for another processor
        return False
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    if not (features.get("amx-int8") and features.get("amx-tile") and features.get("avx512f")):
        return False
    with contextlib.suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).syscall(_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA) == 0)
    return False


def weight_tiles(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round a matrix to int16, as high and low bytes in the layout of `amx.tile_product`.

    Args:
        matrix: float32 [rows, columns]; rows a multiple of 16.

    Returns:
        int8 [rows / 16, columns / 64 (rounded up), 2, 16, 16, 4], and float32 [rows], the scale of each row.
    """
    rows, columns = matrix.shape
    scales = np.maximum(np.abs(matrix).max(axis=1), 1e-20) / LARGEST
    whole = np.rint(matrix / scales[:, None]).astype(np.int32)
    padded = np.pad(whole, ((0, 0), (0, -columns % PANEL)))
    high = (padded + 128) >> 8
    both = np.stack([high, padded - 256 * high]).astype(np.int8)
    tiles = both.reshape(2, rows // OUTPUTS, OUTPUTS, -1, PANEL // 4, 4)
    return np.ascontiguousarray(tiles.transpose(1, 3, 0, 4, 2, 5)), scales.astype(np.float32)
