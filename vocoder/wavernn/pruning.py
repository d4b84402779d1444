"""Block-sparse WaveRNN: which matrices are pruned, how their masks grow in training, and how they are stored.

A sample costs one product with every matrix of the sample loop. Blocks of 16 rows by 1 column are kept or zeroed as a
whole, so that an engine can skip the zeros and still fill its vector registers (Kalchbrenner et al. 2018, "Efficient
Neural Audio Synthesis"). Every gate of a GRU reaches the target by itself: their weights differ in size, and one
threshold for all would empty one gate and spare another. The diagonal of the recurrent matrices, through which a unit
remembers itself, is kept element by element (Valin & Skoglund 2019, "LPCNet").

A mask needs no file of its own: what is pruned is exactly zero.
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
    """A matrix that every sample is multiplied by.

    Attributes:
        name: in the model's `state_dict`.
        gates: parts of equal height that are pruned by themselves: three in a GRU, else one.
        rows: outputs of each gate.
        columns: inputs that change with every sample; these come first, and these are pruned.
        still: inputs beyond them that hold for many samples (conditioning), whose weights stay dense.
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
        """How many blocks: (gates, down a gate, across); the last ones down and across may be cut short."""
        return self.gates, -(-self.rows // block[0]), -(-self.columns // block[1])


def loop_matrices(config: WaveRNNConfig) -> list[LoopMatrix]:
    """The matrices of the sample loop that are worth pruning.

    The compact shape multiplies the last sample and the conditioning by tables made beforehand, so no input matrix is
    in its loop. The classic one's first layer has a single column that changes with the sample, and stays dense.
    """
    hidden, fc, part = config.hidden_size, config.fc_size, config.condition_size // 4
    if config.shape == "compact":
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
    """How sparsity rises: from step `start` over `steps` steps, renewed every `every` steps; see `cubic_sparsity`."""

    sparsity: float
    start: int = 1000
    steps: int = 4000
    every: int = 20

    def __post_init__(self) -> None:
        if not 0 <= self.sparsity < 1:
            raise ConfigError(f"A sparsity of {self.sparsity} is out of range: choose 0 to below 1, such as 0.95.")
        if self.start < 0 or self.steps < 1 or self.every < 1:
            raise ConfigError("Pruning starts at step 0 or later, and takes and waits for at least one step.")

    @property
    def end(self) -> int:
        """The step from which on the sparsity is reached."""
        return self.start + self.steps

    def at(self, step: int) -> float:
        """Share of the blocks to be pruned after `step` optimiser steps."""
        return cubic_sparsity(step, final=self.sparsity, start=self.start, end=self.end, every=self.every)


class Pruner(nn.Module):
    """Holds the masks of a model in training. They are buffers, so that a resumed run goes on with the same ones.

    Blocks that are zero from the start, as in a sparse model that is trained further, count as pruned; what is pruned
    never comes back.

    Args:
        model: the WaveRNN in training, with the weights it starts from.
        schedule: what share is pruned when.
    """

    def __init__(self, model: nn.Module, schedule: PruningSchedule) -> None:
        super().__init__()
        config = model.config
        if not isinstance(config, WaveRNNConfig):
            raise TypeError(f"a Pruner prunes a WaveRNN, not {type(model).__name__}")
        self.schedule, self.block = schedule, config.block
        self.matrices = loop_matrices(config)
        # in a tuple, so that the weights are not registered a second time as this module's own
        self._weights = tuple(dict(model.named_parameters())[matrix.name] for matrix in self.matrices)
        for (matrix, weight), name in zip(self._pairs(), self._names(), strict=True):
            # bytes, because not every way of sharing tensors between processes carries booleans
            self.register_buffer(name, (_sizes(weight.detach(), matrix, self.block) > 0).byte())

    @torch.no_grad()
    def after_step(self, done: int, averages: Mapping[str, Tensor] | None = None) -> None:
        """Prune what is due and zero again what the optimiser has moved.

        Args:
            done: optimiser steps taken so far.
            averages: moving averages of the weights by name, to be masked likewise.
        """
        target = self.schedule.at(done)
        for (matrix, weight), mask in zip(self._pairs(), self._masks(), strict=True):
            pruned = [weight] if averages is None or matrix.name not in averages else [weight, averages[matrix.name]]
            self._zero(matrix, mask, pruned)  # first: what the optimiser moved must not count as large
            if _fewest_pruned(mask) < pruned_blocks(mask[0].numel(), target):
                mask *= largest_blocks(weight, matrix, self.block, target)
                self._zero(matrix, mask, pruned)

    def _zero(self, matrix: LoopMatrix, mask: Tensor, tensors: list[Tensor]) -> None:
        kept = _spread(mask, matrix, self.block)
        for tensor in tensors:
            tensor[:, : matrix.columns].mul_(kept)

    def sparsity(self) -> dict[str, float]:
        """The share of blocks that is pruned in each matrix."""
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
    """Pruned blocks of the gate that has the fewest."""
    return int((1 - mask).flatten(1).sum(1).min())


def pruned_blocks(blocks: int, sparsity: float) -> int:
    """How many of a gate's blocks are pruned at a sparsity."""
    return round(sparsity * blocks)


def largest_blocks(weight: Tensor, matrix: LoopMatrix, block: tuple[int, int], sparsity: float) -> Tensor:
    """The blocks that stay when the share `sparsity` of the smallest is taken from every gate: bool [*matrix.grid]."""
    sizes = _sizes(weight, matrix, block)
    flat = sizes.flatten(1)
    count = pruned_blocks(flat.shape[1], sparsity)
    keep = torch.ones_like(flat, dtype=torch.bool)
    order = flat.argsort(dim=1, stable=True)  # equal ones, such as zeros, by their place: the same on every machine
    return keep.scatter_(1, order[:, :count], False).view(sizes.shape)


def _sizes(weight: Tensor, matrix: LoopMatrix, block: tuple[int, int]) -> Tensor:
    """Root mean square of each block, without the diagonal of a recurrent matrix: [*matrix.grid]."""
    squares = _without_diagonal(weight, matrix).square()
    ones = torch.ones_like(squares)
    return (_cut(squares, matrix, block).sum((3, 4)) / _cut(ones, matrix, block).sum((3, 4))).sqrt()


def _without_diagonal(weight: Tensor, matrix: LoopMatrix) -> Tensor:
    """The columns that are pruned, a copy: [gates * rows, columns]."""
    part = weight[:, : matrix.columns].clone()
    if matrix.recurrent:
        _diagonals(part, matrix).zero_()
    return part


def _diagonals(weight: Tensor, matrix: LoopMatrix) -> Tensor:
    """A view of each gate's diagonal: [gates, rows]."""
    return weight.view(matrix.gates, matrix.rows, -1).diagonal(dim1=1, dim2=2)


def _cut(values: Tensor, matrix: LoopMatrix, block: tuple[int, int]) -> Tensor:
    """[gates * rows, columns] -> [*matrix.grid, block rows, block columns], zeros where a block is cut short."""
    gates, down, across = matrix.grid(block)
    gated = values.reshape(gates, matrix.rows, matrix.columns)
    margins = (0, across * block[1] - matrix.columns, 0, down * block[0] - matrix.rows)
    padded = nn.functional.pad(gated, margins)
    return padded.view(gates, down, block[0], across, block[1]).transpose(2, 3)


def _join(blocks: Tensor, matrix: LoopMatrix) -> Tensor:
    """What `_cut` cut: [gates * rows, columns]."""
    gates, down, across, height, width = blocks.shape
    gated = blocks.transpose(2, 3).reshape(gates, down * height, across * width)
    return gated[:, : matrix.rows, : matrix.columns].reshape(-1, matrix.columns)


def _spread(mask: Tensor, matrix: LoopMatrix, block: tuple[int, int]) -> Tensor:
    """A mask of blocks -> of elements, [gates * rows, columns]; a recurrent matrix's diagonal always stays."""
    kept = _join(mask[..., None, None].expand(*mask.shape, *block), matrix)
    if matrix.recurrent:
        _diagonals(kept, matrix).fill_(1)
    return kept


# -- files


def pack_sparse(weights: Mapping[str, Tensor], config: WaveRNNConfig) -> dict[str, Tensor]:
    """Store matrices with many zero blocks as the blocks that are left.

    A matrix NAME becomes NAME.blocks [n, block rows * block columns], NAME.index int32 [n] (rising; a place in the
    flattened `LoopMatrix.grid`), and where there are such, NAME.diagonal [gates * rows] and NAME.still [gates * rows,
    still]. Matrices that would not get smaller stay as they are.

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
    """Undo `pack_sparse`, exactly; weights that were never packed come back as they are.

    Raises:
        ModelFileError: a part is missing, has the wrong size or number type, holds values that are not finite, or
            names blocks outside the matrix.
    """
    plain = dict(weights)
    for matrix in loop_matrices(config):
        parts = {part: plain.pop(f"{matrix.name}.{part}", None) for part in ("blocks", "index", "diagonal", "still")}
        if all(value is None for value in parts.values()):
            continue
        if matrix.name in plain:
            raise ModelFileError(f"The model file holds {matrix.name} twice, dense and sparse: it is damaged.")
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
        _check_part(f"{matrix.name}.{part}", parts[part], shape, whole_numbers=part == "index")
    assert blocks is not None and index is not None  # _check_part has seen to it
    places = index.long()
    if count and not (int(places[0]) >= 0 and int(places[-1]) < total and bool((places.diff() > 0).all())):
        raise ModelFileError(
            f"The sparse matrix {matrix.name} names blocks that are not among its {total}, or out of order: "
            "the model file is damaged."
        )
    dense = blocks.new_zeros(total, block[0] * block[1])
    dense[places] = blocks
    weight = _join(dense.view(*grid, *block), matrix)
    if (diagonal := parts["diagonal"]) is not None:
        _diagonals(weight, matrix).copy_(diagonal.view(matrix.gates, matrix.rows))
    return weight if (still := parts["still"]) is None else torch.cat([weight, still.to(weight.dtype)], dim=1)


def _check_part(name: str, value: Tensor | None, shape: tuple[int, ...] | None, whole_numbers: bool) -> None:
    """Refuse a part of a sparse matrix that is missing, superfluous, or not what it should be."""
    if (value is None) != (shape is None):
        trouble = "is missing" if value is None else "has no place in this model"
    elif value is None or shape is None:
        return
    elif tuple(value.shape) != shape:
        trouble = f"is {list(value.shape)} instead of {list(shape)}"
    elif whole_numbers != (value.dtype in (torch.int32, torch.int64)) or value.is_floating_point() == whole_numbers:
        trouble = f"holds {value.dtype}, which is another kind of number than it should"
    elif not whole_numbers and not bool(torch.isfinite(value).all()):
        trouble = "holds values that are not finite"
    else:
        return
    raise ModelFileError(f"The part {name} of a sparse matrix {trouble}: the model file is damaged.")
