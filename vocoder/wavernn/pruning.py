"""Block-sparse WaveRNN: the pruned matrices, the masks in training, and the storage of sparse matrices.

A sample takes one product with every matrix of the sample loop. Blocks of 16 rows by 1 column are kept or zeroed as a
whole, so that an engine can skip the zeros and still fill its vector registers (Kalchbrenner et al. 2018, "Efficient
Neural Audio Synthesis"). Each gate of a GRU is pruned to the target separately: the weights of the gates differ in
scale, and one threshold would prune one gate completely and another not at all. The diagonal of the recurrent matrices
is never pruned (Valin & Skoglund 2019, "LPCNet").

Masks are not stored in model files: pruned weights are exactly zero.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from speech.errors import ConfigError, ModelFileError
from training.schedule import cubic_sparsity
from vocoder.wavernn.config import WaveRNNConfig


@dataclass(frozen=True)
class LoopMatrix:
    """A matrix of the sample loop.

    Attributes:
        name: in the model's `state_dict`.
        gates: parts of equal height that are pruned separately: three in a GRU, otherwise one.
        rows: outputs of each gate.
        columns: inputs that change with every sample. They come first and are pruned.
        still: further inputs that are constant over many samples (conditioning). Their weights stay dense.
        recurrent: whether each gate keeps its diagonal.
    """

    name: str
    gates: int
    rows: int
    columns: int
    still: int = 0
    recurrent: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        return self.gates * self.rows, self.columns + self.still

    def grid(self, block: tuple[int, int]) -> tuple[int, int, int]:
        """Numbers of blocks: (gates, down a gate, across). The last ones down and across may be incomplete."""
        return self.gates, -(-self.rows // block[0]), -(-self.columns // block[1])


def loop_matrices(config: WaveRNNConfig) -> list[LoopMatrix]:
    """The matrices of the sample loop that are pruned.

    The compact and the excitation shape have no wide input matrix in their loop, because they use precomputed tables.
    The first layer of the classic shape has a single column that changes with the sample, and stays dense.
    """
    hidden, fc, part = config.hidden_size, config.fc_size, config.condition_size // 4
    if config.shape != "classic":
        return [
            LoopMatrix("gru.weight_hh_l0", 3, hidden, hidden, recurrent=True),
            LoopMatrix("fc.weight", 1, fc, hidden),
            LoopMatrix("output.weight", 1, config.outputs, fc),
        ]
    return [
        LoopMatrix("gru1.weight_ih_l0", 3, hidden, hidden),
        LoopMatrix("gru1.weight_hh_l0", 3, hidden, hidden, recurrent=True),
        LoopMatrix("gru2.weight_ih_l0", 3, hidden, hidden, still=part),
        LoopMatrix("gru2.weight_hh_l0", 3, hidden, hidden, recurrent=True),
        LoopMatrix("fc1.weight", 1, fc, hidden, still=part),
        LoopMatrix("fc2.weight", 1, fc, fc, still=part),
        LoopMatrix("output.weight", 1, config.outputs, fc),
    ]


# -- training


@dataclass(frozen=True)
class PruningSchedule:
    """Sparsity over the steps: it rises from `start` over `steps` steps, in updates every `every` steps.

    See `training.schedule.cubic_sparsity`.
    """

    sparsity: float
    start: int = 1000
    steps: int = 4000
    every: int = 20

    def __post_init__(self) -> None:
        if not 0 <= self.sparsity < 1:
            raise ConfigError(f"A sparsity of {self.sparsity} is out of range: choose 0 or more and less than 1.")
        if self.start < 0 or self.steps < 1 or self.every < 1:
            raise ConfigError("--prune-start must be 0 or more, --prune-steps and --prune-every 1 or more.")

    @property
    def end(self) -> int:
        """The step at which the final sparsity is reached."""
        return self.start + self.steps

    def at(self, step: int) -> float:
        """Fraction of the blocks that are pruned after `step` optimiser steps."""
        return cubic_sparsity(step, final=self.sparsity, start=self.start, end=self.end, every=self.every)


class Pruner(nn.Module):
    """Holds the masks of a model in training. They are buffers, so that a resumed run continues with them.

    Blocks that are zero at the start, as in a sparse model that is trained further, count as pruned. Pruned blocks stay
    pruned.

    Args:
        model: the WaveRNN in training, with its initial weights.
        schedule: sparsity over the steps.
    """

    def __init__(self, model: nn.Module, schedule: PruningSchedule) -> None:
        super().__init__()
        config = model.config
        if not isinstance(config, WaveRNNConfig):
            raise TypeError(f"a Pruner prunes a WaveRNN, not {type(model).__name__}")
        self.schedule, self.block = schedule, config.block
        self.matrices = loop_matrices(config)
        # In a tuple, so that the weights are not registered as parameters of this module too.
        self._weights = tuple(dict(model.named_parameters())[matrix.name] for matrix in self.matrices)
        for (matrix, weight), name in zip(self._pairs(), self._names(), strict=True):
            # Bytes, because not every backend for several processes supports booleans.
            self.register_buffer(name, (_sizes(weight.detach(), matrix, self.block) > 0).byte())

    @torch.no_grad()
    def after_step(self, done: int, averages: Mapping[str, Tensor] | None = None) -> None:
        """Update the masks if that is due, and zero the pruned weights, which the optimiser has changed.

        Args:
            done: optimiser steps so far.
            averages: moving averages of the weights by name, which are masked too.
        """
        target = self.schedule.at(done)
        for (matrix, weight), mask in zip(self._pairs(), self._masks(), strict=True):
            pruned = [weight] if averages is None or matrix.name not in averages else [weight, averages[matrix.name]]
            self._zero(matrix, mask, pruned)  # first, because the optimiser may have made pruned weights large
            if _fewest_pruned(mask) < pruned_blocks(mask[0].numel(), target):
                mask *= largest_blocks(weight, matrix, self.block, target)
                self._zero(matrix, mask, pruned)

    def _zero(self, matrix: LoopMatrix, mask: Tensor, tensors: list[Tensor]) -> None:
        kept = _spread(mask, matrix, self.block)
        for tensor in tensors:
            tensor[:, : matrix.columns].mul_(kept)

    def sparsity(self) -> dict[str, float]:
        """Fraction of pruned blocks in each matrix."""
        return {
            matrix.name: 1 - float(mask.float().mean())
            for matrix, mask in zip(self.matrices, self._masks(), strict=True)
        }

    def is_done(self) -> bool:
        """Whether every gate has reached the target."""
        wanted = self.schedule.sparsity
        return all(_fewest_pruned(mask) >= pruned_blocks(mask[0].numel(), wanted) for mask in self._masks())

    def _names(self) -> list[str]:
        return [matrix.name.replace(".", "_") for matrix in self.matrices]

    def _masks(self) -> Iterator[Tensor]:
        return (self.get_buffer(name) for name in self._names())

    def _pairs(self) -> list[tuple[LoopMatrix, Tensor]]:
        return list(zip(self.matrices, self._weights, strict=True))


def _fewest_pruned(mask: Tensor) -> int:
    """Pruned blocks of the gate with the fewest."""
    return int((1 - mask).flatten(1).sum(1).min())


def pruned_blocks(blocks: int, sparsity: float) -> int:
    """Number of pruned blocks of a gate at a sparsity."""
    return round(sparsity * blocks)


def largest_blocks(weight: Tensor, matrix: LoopMatrix, block: tuple[int, int], sparsity: float) -> Tensor:
    """Blocks that remain when the fraction `sparsity` of the smallest is pruned in every gate: bool [*matrix.grid]."""
    sizes = _sizes(weight, matrix, block)
    flat = sizes.flatten(1)
    count = pruned_blocks(flat.shape[1], sparsity)
    keep = torch.ones_like(flat, dtype=torch.bool)
    order = flat.argsort(dim=1, stable=True)  # stable: the same order of equal blocks on every machine
    return keep.scatter_(1, order[:, :count], False).view(sizes.shape)


def _sizes(weight: Tensor, matrix: LoopMatrix, block: tuple[int, int]) -> Tensor:
    """RMS of each block, without the diagonal of a recurrent matrix: [*matrix.grid]."""
    squares = _without_diagonal(weight, matrix).square()
    ones = torch.ones_like(squares)
    return (_cut(squares, matrix, block).sum((3, 4)) / _cut(ones, matrix, block).sum((3, 4))).sqrt()


def _without_diagonal(weight: Tensor, matrix: LoopMatrix) -> Tensor:
    """Copy of the columns that are pruned, with a zero diagonal: [gates * rows, columns]."""
    part = weight[:, : matrix.columns].clone()
    if matrix.recurrent:
        _diagonals(part, matrix).zero_()
    return part


def _diagonals(weight: Tensor, matrix: LoopMatrix) -> Tensor:
    """A view of each gate's diagonal: [gates, rows]."""
    return weight.view(matrix.gates, matrix.rows, -1).diagonal(dim1=1, dim2=2)


def _cut(values: Tensor, matrix: LoopMatrix, block: tuple[int, int]) -> Tensor:
    """[gates * rows, columns] -> [*matrix.grid, block rows, block columns]; incomplete blocks are padded with zeros."""
    gates, down, across = matrix.grid(block)
    gated = values.reshape(gates, matrix.rows, matrix.columns)
    margins = (0, across * block[1] - matrix.columns, 0, down * block[0] - matrix.rows)
    padded = nn.functional.pad(gated, margins)
    return padded.view(gates, down, block[0], across, block[1]).transpose(2, 3)


def _join(blocks: Tensor, matrix: LoopMatrix) -> Tensor:
    """The inverse of `_cut`: [gates * rows, columns]."""
    gates, down, across, height, width = blocks.shape
    gated = blocks.transpose(2, 3).reshape(gates, down * height, across * width)
    return gated[:, : matrix.rows, : matrix.columns].reshape(-1, matrix.columns)


def _spread(mask: Tensor, matrix: LoopMatrix, block: tuple[int, int]) -> Tensor:
    """Mask of blocks -> mask of elements [gates * rows, columns]. The diagonal of a recurrent matrix is always 1."""
    kept = _join(mask[..., None, None].expand(*mask.shape, *block), matrix)
    if matrix.recurrent:
        _diagonals(kept, matrix).fill_(1)
    return kept


# -- files


def pack_sparse(weights: Mapping[str, Tensor], config: WaveRNNConfig) -> dict[str, Tensor]:
    """Replace matrices with many zero blocks by their remaining blocks.

    A matrix NAME becomes NAME.blocks [n, block rows * block columns] and NAME.index int32 [n], increasing indices into
    the flattened `LoopMatrix.grid`. If it has them, NAME.diagonal [gates * rows] and NAME.still [gates * rows, still]
    are added. Matrices that would not become smaller are kept.

    Args:
        weights: the model's `state_dict`.
    """
    packed = dict(weights)
    for matrix in loop_matrices(config):
        weight = weights[matrix.name]
        blocks = _cut(_without_diagonal(weight, matrix), matrix, config.block).flatten(3).flatten(0, 2)
        index = blocks.ne(0).any(1).nonzero()[:, 0]
        if len(index) * (blocks.shape[1] + 2) >= matrix.gates * matrix.rows * matrix.columns:
            continue
        del packed[matrix.name]
        packed[f"{matrix.name}.blocks"] = blocks[index]
        packed[f"{matrix.name}.index"] = index.to(torch.int32)
        if matrix.recurrent:
            packed[f"{matrix.name}.diagonal"] = _diagonals(weight, matrix).flatten().clone()
        if matrix.still:
            packed[f"{matrix.name}.still"] = weight[:, matrix.columns :].clone()
    return packed


def unpack_sparse(weights: Mapping[str, Tensor], config: WaveRNNConfig) -> dict[str, Tensor]:
    """The exact inverse of `pack_sparse`. Weights that were not packed are returned unchanged.

    Raises:
        ModelFileError: a part is missing, has the wrong size or type, has values that are not finite, or an index is
            out of range.
    """
    plain = dict(weights)
    for matrix in loop_matrices(config):
        parts = {part: plain.pop(f"{matrix.name}.{part}", None) for part in ("blocks", "index", "diagonal", "still")}
        if all(value is None for value in parts.values()):
            continue
        if matrix.name in plain:
            raise ModelFileError(f"The model file has {matrix.name} twice, dense and sparse: it is damaged.")
        plain[matrix.name] = _unpacked(parts, matrix, config.block)
    return plain


def _unpacked(parts: Mapping[str, Tensor | None], matrix: LoopMatrix, block: tuple[int, int]) -> Tensor:
    grid, height = matrix.grid(block), matrix.gates * matrix.rows
    total, blocks, index = grid[0] * grid[1] * grid[2], parts["blocks"], parts["index"]
    count = len(index) if index is not None and index.ndim else 0
    wanted: dict[str, tuple[int, ...] | None] = {
        "blocks": (count, block[0] * block[1]),
        "index": (count,),
        "diagonal": (height,) if matrix.recurrent else None,
        "still": (height, matrix.still) if matrix.still else None,
    }
    for part, shape in wanted.items():
        _check_part(f"{matrix.name}.{part}", parts[part], shape, integers=part == "index")
    assert blocks is not None and index is not None  # see _check_part
    positions = index.long()
    if count and not (int(positions[0]) >= 0 and int(positions[-1]) < total and bool((positions.diff() > 0).all())):
        raise ModelFileError(
            f"The sparse matrix {matrix.name} has block indices out of order or out of its range of {total}: "
            "the model file is damaged."
        )
    dense = blocks.new_zeros(total, block[0] * block[1])
    dense[positions] = blocks
    weight = _join(dense.view(*grid, *block), matrix)
    if (diagonal := parts["diagonal"]) is not None:
        _diagonals(weight, matrix).copy_(diagonal.view(matrix.gates, matrix.rows))
    return weight if (still := parts["still"]) is None else torch.cat([weight, still.to(weight.dtype)], dim=1)


def _check_part(name: str, value: Tensor | None, shape: tuple[int, ...] | None, integers: bool) -> None:
    """Check presence, shape, type and values of a part of a sparse matrix. Without a `shape` it must be absent."""
    if (value is None) != (shape is None):
        trouble = "is missing" if value is None else "does not belong to this model"
    elif value is None or shape is None:
        return
    elif tuple(value.shape) != shape:
        trouble = f"is {list(value.shape)} instead of {list(shape)}"
    elif integers != (value.dtype in (torch.int32, torch.int64)) or value.is_floating_point() == integers:
        trouble = f"has the wrong type {value.dtype}"
    elif not integers and not bool(torch.isfinite(value).all()):
        trouble = "has values that are not finite"
    else:
        return
    raise ModelFileError(f"The part {name} of a sparse matrix {trouble}: the model file is damaged.")
