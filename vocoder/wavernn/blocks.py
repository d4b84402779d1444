"""Matrices cut into blocks of 16 rows and one column, of which those of zeros can be left out."""

from dataclasses import dataclass

import numpy as np

from speech.errors import ModelFileError

BLOCK = 16  # rows
SPARSE_BELOW = 0.8  # share of blocks that are not zero, from which on reading a list of columns no longer pays


@dataclass(frozen=True)
class BlockMatrix:
    """A matrix in blocks of 16 rows and one column.

    Attributes:
        values: float32 [blocks, 16], by row of blocks, then column.
        columns: int32 [blocks], the column of each block; None where every row of blocks has all columns.
        starts: int32 [block rows + 1], the first block of each row of blocks.
        bias: float32 [16 * block rows].
        width: columns of the matrix.
        diagonal: float32 [16 * block rows], to be added to the diagonal of each gate of a recurrent matrix; None for
            nothing.
    """

    values: np.ndarray
    columns: np.ndarray | None
    starts: np.ndarray
    bias: np.ndarray
    width: int
    diagonal: np.ndarray | None = None

    @property
    def density(self) -> float:
        return len(self.values) / max(1, (len(self.starts) - 1) * self.width)

    def check(self) -> None:
        """Refuse what would make a kernel read outside its arrays, or spread numbers that are none.

        Raises:
            ModelFileError: indices out of range or out of order, sizes that do not fit, or values that are not finite.
        """
        starts, blocks = self.starts.astype(np.int64), len(self.values)
        rows = BLOCK * (len(starts) - 1)
        if len(starts) < 2 or starts[0] != 0 or starts[-1] != blocks or (np.diff(starts) < 0).any():
            raise ModelFileError("The sparse blocks of the vocoder are out of order: the file is damaged.")
        if self.values.shape != (blocks, BLOCK) or any(
            array is not None and array.shape != (rows,) for array in (self.bias, self.diagonal)
        ):
            raise ModelFileError("The sparse blocks of the vocoder do not fit its layers: the file is damaged.")
        if self.columns is None:
            if (np.diff(starts) != self.width).any():
                raise ModelFileError("A dense matrix of the vocoder lacks columns: the file is damaged.")
        elif self.columns.shape != (blocks,) or ((self.columns < 0) | (self.columns >= self.width)).any():
            raise ModelFileError("A sparse block of the vocoder lies outside its matrix: the file is damaged.")
        for array in (self.values, self.bias, self.diagonal):
            if array is not None and not np.isfinite(array).all():
                raise ModelFileError("The vocoder has weights that are not finite numbers: the file is damaged.")

    def dense(self) -> np.ndarray:
        """The whole matrix without what `diagonal` adds: float32 [16 * block rows, width]."""
        rows = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        columns = self.columns if self.columns is not None else np.tile(np.arange(self.width), len(self.starts) - 1)
        whole = np.zeros((len(self.starts) - 1, BLOCK, self.width), dtype=np.float32)
        whole[rows, :, columns] = self.values
        return whole.reshape(-1, self.width)


def block_matrix(
    weight: np.ndarray, bias: np.ndarray | None = None, gates: int = 1, recurrent: bool = False, sparse: bool = True
) -> BlockMatrix:
    """Cut a matrix into blocks and leave out those that are zero, if enough are.

    Args:
        weight: [rows, columns].
        bias: [rows].
        gates: equal groups of rows, each filled up with zeros to a multiple of 16.
        recurrent: if blocks are left out, keep the diagonal of each gate apart: pruning spares it.
        sparse: False keeps all blocks, whatever is in them.
    """
    rows, columns = weight.shape
    whole, diagonal = weight.astype(np.float32), None
    if recurrent and sparse:
        units = np.arange(rows)
        without = whole.copy()
        without[units, units % columns] = 0
        if _kept_blocks(without, gates).mean() < SPARSE_BELOW:
            whole, diagonal = without, pad_rows(weight[units, units % columns][:, None], gates)[:, 0].astype(np.float32)
    kept = _kept_blocks(whole, gates)
    if not sparse or kept.mean() >= SPARSE_BELOW:
        kept[:] = True
    added = np.zeros(rows) if bias is None else bias
    return BlockMatrix(
        values=_in_blocks(whole, gates)[kept],
        columns=None if kept.all() else np.nonzero(kept)[1].astype(np.int32),
        starts=np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int32),
        bias=pad_rows(added.astype(np.float32)[:, None], gates)[:, 0],
        width=columns,
        diagonal=diagonal,
    )


def _in_blocks(weight: np.ndarray, gates: int) -> np.ndarray:
    """[rows, columns] -> [rows of blocks, columns, 16]."""
    return pad_rows(weight, gates).reshape(-1, BLOCK, weight.shape[1]).transpose(0, 2, 1)


def _kept_blocks(weight: np.ndarray, gates: int) -> np.ndarray:
    """Which blocks are not zero: bool [rows of blocks, columns]."""
    return (_in_blocks(weight, gates) != 0).any(axis=2)


def pad_rows(array: np.ndarray, gates: int = 1) -> np.ndarray:
    """Fill each of `gates` equal groups of rows up with zeros to a multiple of 16 rows."""
    rows, columns = array.shape
    grouped = array.reshape(gates, rows // gates, columns)
    return np.pad(grouped, ((0, 0), (0, -(rows // gates) % BLOCK), (0, 0))).reshape(-1, columns)
