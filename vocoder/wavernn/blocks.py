"""Block-sparse matrices: blocks of 16 rows and one column, of which zero blocks can be omitted."""

from dataclasses import dataclass

import numpy as np

from speech.errors import ModelFileError

BLOCK = 16  # rows
SPARSE_BELOW = 0.8  # fraction of non-zero blocks; above it, reading column indices costs more than it saves


@dataclass(frozen=True)
class BlockMatrix:
    """A matrix in blocks.

    Attributes:
        values: float32 [blocks, 16], ordered by row of blocks, then by column.
        columns: int32 [blocks], column of each block; None if every row of blocks has all columns.
        starts: int32 [block rows + 1], first block of each row of blocks.
        bias: float32 [16 * block rows].
        width: columns of the matrix.
        diagonal: float32 [16 * block rows], added to the diagonal of each gate of a recurrent matrix; None for none.
    """

    values: np.ndarray
    columns: np.ndarray | None
    starts: np.ndarray
    bias: np.ndarray
    width: int
    diagonal: np.ndarray | None = None

    def check(self) -> None:
        """Check that a kernel reads only inside the arrays and that all values are finite.

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
                raise ModelFileError("A dense matrix of the vocoder has missing columns: the file is damaged.")
        elif self.columns.shape != (blocks,) or ((self.columns < 0) | (self.columns >= self.width)).any():
            raise ModelFileError("A sparse block of the vocoder is outside its matrix: the file is damaged.")
        for array in (self.values, self.bias, self.diagonal):
            if array is not None and not np.isfinite(array).all():
                raise ModelFileError("The vocoder's weights are not finite: the file is damaged.")


def block_matrix(
    weight: np.ndarray, bias: np.ndarray | None = None, gates: int = 1, recurrent: bool = False, sparse: bool = True
) -> BlockMatrix:
    """Divide a matrix into blocks and omit the zero ones if there are enough of them.

    Args:
        weight: [rows, columns].
        bias: [rows].
        gates: number of equal groups of rows, each padded with zeros to a multiple of 16.
        recurrent: if blocks are omitted, store the diagonal of each gate separately, because it is never pruned.
        sparse: False keeps all blocks.
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
    """Whether each block is not zero: bool [rows of blocks, columns]."""
    return (_in_blocks(weight, gates) != 0).any(axis=2)


def pad_rows(array: np.ndarray, gates: int = 1) -> np.ndarray:
    """Pad each of `gates` equal groups of rows with zeros to a multiple of 16 rows."""
    rows, columns = array.shape
    grouped = array.reshape(gates, rows // gates, columns)
    return np.pad(grouped, ((0, 0), (0, -(rows // gates) % BLOCK), (0, 0))).reshape(-1, columns)
