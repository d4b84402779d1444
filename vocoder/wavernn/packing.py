"""A WaveRNN's weights in the layout of the compiled engine: flat arrays and a few sizes.

Matrices of the sample loop are stored in blocks of 16 rows and one column. Zero blocks are omitted if there are enough
of them. Constant products are computed in advance:

- compact: the label embedding times the GRU's input weights. excitation: also that of the prediction's labels.
- classic: the input layer times the first GRU's input weights, because the operations between them are linear. The
  upsampling is a fixed linear combination of neighbouring frames whose coefficients depend only on the position within
  a frame, so the matrix product is computed per frame and its results are combined.
"""

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from kernels.amx_support import MOST_INPUTS, amx_is_usable, weight_tiles
from speech.errors import ModelFileError
from vocoder.wavernn.blocks import BLOCK, block_matrix, pad_rows
from vocoder.wavernn.config import WaveRNNConfig
from vocoder.wavernn.prediction import AROUND, longest_lag
from vocoder.wavernn.samples import level_table

if TYPE_CHECKING:
    from torch import Tensor, nn

    from vocoder.wavernn.classic import ClassicWaveRNN
    from vocoder.wavernn.model import WaveRNN
    from vocoder.wavernn.single_gru import SingleGRU

# Columns of `PackedWaveRNN.plan`, which has a row for each matrix
VALUES, COLUMNS, STARTS, BIAS, BLOCK_ROWS, DIAGONAL, TILES, SCALES = range(8)
PLAN_COLUMNS = 8

# Rows of the plan: the matrices of the sample loop, then those of the conditioning
COMPACT = ("recurrent", "fc", "output", "context", "dense1", "dense2", "spread", "gates")
CLASSIC = (
    *("recurrent1", "input2", "recurrent2", "fc1", "fc2", "output"),
    *("context", "residual_output", "bands", "aux1", "aux2", "aux3", "aux4"),  # then two for each residual block
)
SAMPLE_LOOP = {"compact": COMPACT[:3], "excitation": COMPACT[:3], "classic": CLASSIC[:6]}

# Entries of `PackedWaveRNN.sizes`: numbers of units (multiples of 16, except LABELS), ...
HIDDEN, FC, OUTPUTS, LABELS = range(4)
# ... 1 for a mixture of logistics, samples per conditioning vector, and its size, ...
MIXTURE, PER_CONDITION, CONDITION = range(4, 7)
# ... frames in a window, mel bands, channels of the conditioning network, its outputs per layer (classic), its depth
# (compact: subframes), and the units of its workspace, ...
TAPS, MELS, CHANNELS, PART, DEPTH, WORKSPACE = range(7, 13)
# ... offsets of tables in `floats`: rows for labels (compact), coefficients of the upsampling and the weights of the
# last sample (classic), rows for labels of the prediction, rows for signals, and the value of each label, with the
# length of the ring that holds the excitation (excitation), ...
LABEL_TABLE, TAP_TABLE, SAMPLE_COLUMN, PREDICTION_TABLE, SIGNAL_ROWS, LEVELS, RING = range(13, 20)
# ... and the offset of each buffer of a lane in the workspace; the last entry is the size of the workspace. The buffers
# before INPUTS are the states that are kept from call to call.
STATE, NEXT_STATE, STATE_2, NEXT_STATE_2, PAST, PERIODS, CELLS, INPUTS, INPUTS_2, SUM_1, SUM_2, GATES, LAYER_1, \
    LAYER_2, LOGITS, SUMS, SIGNALS_AT, SHARPNESS, LAST, MEMORY = range(20, 40)  # fmt: skip

# Excitation: units of a subframe's conditions after those of the gates: the coefficients, then these values
PREDICTION_UNITS = 2 * BLOCK
LAG, POWER, LEAST = range(3)
# Excitation: numbers in a lane's CELLS: the next position in the ring, and the prediction of this step
POSITION, PREDICTED = range(2)


@dataclass(frozen=True)
class PackedWaveRNN:
    """A model in the layout of the kernels.

    Attributes:
        plan: int64 [matrices, 8]. For each matrix the offsets of its blocks in `floats`, of its column indices in
            `ints` (-1: it has all columns), of the first block of each row of blocks in `ints`, and of its bias in
            `floats`; the number of rows of blocks; the offset of its diagonal in `floats` (-1: none); and the offsets
            of its `amx_support.weight_tiles` in `ints` (-1: none) and of their scales in `floats`.
        sizes: int64, numbers of units and offsets, by the constants above.
        floats: float32, all weights.
        ints: int32.
        sharpen: sharpen the distributions where the pitch is clear (excitation shape only).
    """

    config: WaveRNNConfig
    plan: np.ndarray
    sizes: np.ndarray
    floats: np.ndarray
    ints: np.ndarray
    sharpen: bool

    @property
    def tiled(self) -> bool:
        """Whether 16 lanes run in the matrix registers of the processor (AMX): all matrices of the loop have tiles."""
        return bool((self.plan[: len(SAMPLE_LOOP[self.config.shape]), TILES] >= 0).all())


def aligned(array: np.ndarray) -> np.ndarray:
    """A copy that is aligned to a cache line."""
    raw = np.empty(array.nbytes + 64, dtype=np.uint8)
    offset = -raw.ctypes.data % 64
    copy = raw[offset : offset + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def pack(model: "WaveRNN", sharpen: bool = True) -> PackedWaveRNN:
    """Pack a model of any shape.

    Args:
        sharpen: see `PackedWaveRNN`.

    Raises:
        ModelFileError: weights are not finite.
    """
    weights = {name: value.detach().cpu().float().numpy() for name, value in model.state_dict().items()}
    if not all(np.isfinite(value).all() for value in weights.values()):
        raise ModelFileError("The vocoder's weights are not finite: the file is damaged.")
    store = _Store()
    if model.config.shape == "classic":
        _pack_classic(cast("ClassicWaveRNN", model), weights, store)
    else:
        _pack_single_gru(cast("SingleGRU", model), weights, store)
    return store.finish(model.config, sharpen)


class _Store:
    """Collects matrices and tables in flat arrays, each aligned to a cache line."""

    def __init__(self) -> None:
        self.sizes: dict[int, int] = {}
        self._plan: list[list[int]] = []
        self._parts: dict[str, list[np.ndarray]] = {"float32": [], "int32": []}
        self._lengths = {"float32": 0, "int32": 0}

    def add_matrix(self, *arguments: Any, tiles: bool = False, **settings: Any) -> None:
        """Add a `block_matrix` as the next row of the plan; if it is dense, with `tiles` where AMX can be used."""
        matrix = block_matrix(*arguments, **settings)
        matrix.check()
        columns = -1 if matrix.columns is None else self.add(matrix.columns)
        values, starts, bias = self.add(matrix.values), self.add(matrix.starts), self.add(matrix.bias)
        diagonal = -1 if matrix.diagonal is None else self.add(matrix.diagonal)
        rounded = scales = -1
        if tiles and matrix.columns is None and matrix.width <= MOST_INPUTS and amx_is_usable():
            whole = matrix.values.reshape(len(matrix.starts) - 1, matrix.width, BLOCK).transpose(0, 2, 1)
            numbers, steps = weight_tiles(whole.reshape(-1, matrix.width))
            rounded, scales = self.add(numbers.view(np.int32)), self.add(steps)
        self._plan.append([values, columns, starts, bias, len(matrix.starts) - 1, diagonal, rounded, scales])

    def add(self, array: np.ndarray) -> int:
        """Add an array of either type; returns its offset."""
        kind, flat = str(array.dtype), array.reshape(-1)
        offset, padding = self._lengths[kind], -array.size % BLOCK
        self._parts[kind].append(np.pad(flat, (0, padding)))
        self._lengths[kind] += array.size + padding
        return offset

    def finish(self, config: WaveRNNConfig, sharpen: bool) -> PackedWaveRNN:
        sizes = np.zeros(MEMORY + 1, dtype=np.int64)
        self.sizes[MIXTURE], self.sizes[LABELS] = int(config.mode == "mol"), config.labels
        self.sizes[TAPS], self.sizes[MELS] = 2 * config.pad + 1, config.mel.n_mels
        sizes[list(self.sizes)] = list(self.sizes.values())
        hidden, fc, outputs, ring = (int(sizes[which]) for which in (HIDDEN, FC, OUTPUTS, RING))
        buffers = {
            **dict.fromkeys((STATE, NEXT_STATE, STATE_2, NEXT_STATE_2, SUM_1, SUM_2), hidden),
            PAST: BLOCK if ring else 0,
            PERIODS: ring,
            CELLS: BLOCK if ring else 0,
            INPUTS: 4 * hidden,
            INPUTS_2: 3 * hidden,
            GATES: 3 * (hidden if config.shape == "classic" else BLOCK),
            LAYER_1: fc,
            LAYER_2: fc,
            LOGITS: outputs,
            SUMS: outputs,
            SIGNALS_AT: BLOCK if ring else 0,
            SHARPNESS: 2 * BLOCK,
            LAST: BLOCK,
        }
        sizes[STATE + 1 :] = np.cumsum([buffers[which] for which in range(STATE, MEMORY)])
        return PackedWaveRNN(
            config=config,
            plan=np.array(self._plan, dtype=np.int64),
            sizes=sizes,
            floats=aligned(np.concatenate(self._parts["float32"])),
            ints=aligned(np.concatenate(self._parts["int32"])),
            sharpen=sharpen,
        )


def _pack_single_gru(model: "SingleGRU", weights: dict[str, np.ndarray], store: _Store) -> None:
    config, rank = model.config, model.config.sample_embedding_size
    inputs = weights["gru.weight_ih_l0"]
    store.add_matrix(weights["gru.weight_hh_l0"], weights["gru.bias_hh_l0"], gates=3, recurrent=True)
    store.add_matrix(weights["fc.weight"], weights["fc.bias"])
    store.add_matrix(weights["output.weight"], weights["output.bias"])
    conditioning = {
        name.removeprefix("conditioning."): value for name, value in weights.items() if name.startswith("conditioning.")
    }
    store.add_matrix(_window_rows(conditioning["context.weight"]), conditioning["context.bias"], sparse=False)
    for layer in ("dense.0", "dense.1", "spread"):
        store.add_matrix(conditioning[f"{layer}.weight"][:, :, 0], conditioning[f"{layer}.bias"], sparse=False)
    known = rank + config.condition_size
    store.add_matrix(inputs[:, rank:known], weights["gru.bias_ih_l0"], gates=3, sparse=False)
    hidden = _padded(config.hidden_size)
    store.sizes |= {
        HIDDEN: hidden,
        FC: _padded(config.fc_size),
        OUTPUTS: _padded(config.outputs),
        PER_CONDITION: config.hop_length // config.subframes,
        CONDITION: 3 * hidden + (PREDICTION_UNITS if config.predicts else 0),
        CHANNELS: config.condition_size,
        DEPTH: config.subframes,
        WORKSPACE: _padded(config.condition_size),
        LABEL_TABLE: store.add(_label_rows(inputs[:, :rank], weights["sample_embedding.weight"])),
    }
    if config.predicts:
        columns = inputs[:, known : known + rank]
        store.sizes |= {
            PREDICTION_TABLE: store.add(_label_rows(columns, weights["prediction_embedding.weight"])),
            SIGNAL_ROWS: store.add(np.ascontiguousarray(pad_rows(inputs[:, known + rank :], 3).T)),
            LEVELS: store.add(level_table(config)),
            RING: 2 ** math.ceil(math.log2(longest_lag(config) + AROUND)),
        }


def _label_rows(weight: np.ndarray, embedding: np.ndarray) -> np.ndarray:
    """Contribution of each label to the gates: float32 [labels, 3 * hidden, padded]."""
    table = weight.astype(np.float64) @ embedding.astype(np.float64).T
    return np.ascontiguousarray(pad_rows(table, 3).T, dtype=np.float32)


def _pack_classic(model: "ClassicWaveRNN", weights: dict[str, np.ndarray], store: _Store) -> None:
    config, hidden, mels = model.config, model.config.hidden_size, model.config.mel.n_mels
    input_rows = weights["input.weight"].astype(np.float64)
    input_bias = weights["input.bias"].astype(np.float64)
    first = weights["gru1.weight_ih_l0"].astype(np.float64)
    folded = np.concatenate([input_rows, first @ input_rows])  # [4 * hidden, 1 + mels + part]
    folded_bias = np.concatenate([input_bias, first @ input_bias + weights["gru1.bias_ih_l0"]])
    second = weights["gru2.weight_ih_l0"]
    fc1, fc2 = weights["fc1.weight"], weights["fc2.weight"]

    add = functools.partial(store.add_matrix, tiles=True)
    add(weights["gru1.weight_hh_l0"], weights["gru1.bias_hh_l0"], gates=3, recurrent=True)
    add(second[:, :hidden], gates=3)
    add(weights["gru2.weight_hh_l0"], weights["gru2.bias_hh_l0"], gates=3, recurrent=True)
    add(fc1[:, :hidden])
    add(fc2[:, : config.fc_size])
    add(weights["output.weight"], weights["output.bias"])

    residual = list(model.residual_network)
    store.add_matrix(*_normalised(residual[0], residual[1]), sparse=False)
    store.add_matrix(weights[f"residual_network.{len(residual) - 1}.weight"][:, :, 0],
                     weights[f"residual_network.{len(residual) - 1}.bias"], sparse=False)  # fmt: skip
    store.add_matrix(folded[:, 1 : 1 + mels], gates=4, sparse=False)
    store.add_matrix(folded[:, 1 + mels :], folded_bias, gates=4, sparse=False)
    store.add_matrix(second[:, hidden:], weights["gru2.bias_ih_l0"], gates=3, sparse=False)
    store.add_matrix(fc1[:, hidden:], weights["fc1.bias"], sparse=False)
    store.add_matrix(fc2[:, config.fc_size :], weights["fc2.bias"], sparse=False)
    for block in residual[3:-1]:
        layers = list(cast("nn.Sequential", block.layers))
        store.add_matrix(*_normalised(layers[0], layers[1]), sparse=False)
        store.add_matrix(*_normalised(layers[3], layers[4]), sparse=False)

    hidden, fc, taps = _padded(hidden), _padded(config.fc_size), 2 * config.pad + 1
    store.sizes |= {
        HIDDEN: hidden,
        FC: fc,
        OUTPUTS: _padded(config.outputs),
        PER_CONDITION: config.hop_length,
        CONDITION: 4 * hidden * (1 + taps) + 3 * hidden + 2 * fc,
        CHANNELS: config.residual_size,
        PART: config.condition_size // 4,
        DEPTH: config.residual_blocks,
        WORKSPACE: _padded(max(config.residual_size, config.condition_size)),
        TAP_TABLE: store.add(_tap_coefficients(model)),
        SAMPLE_COLUMN: store.add(pad_rows(folded[:, :1], 4).astype(np.float32)),
    }


def _padded(units: int) -> int:
    return units + -units % BLOCK


def _window_rows(weight: np.ndarray) -> np.ndarray:
    """Weights of a convolution over a window, [channels, n_mels, taps] -> matrix [channels, taps * n_mels]."""
    return weight.transpose(0, 2, 1).reshape(len(weight), -1)


def _normalised(convolution: "nn.Module", norm: "nn.Module") -> tuple[np.ndarray, np.ndarray]:
    """A convolution without bias and its batch normalisation in eval mode -> a matrix and its bias."""
    weight, scale, shift, mean, variance = (
        cast("Tensor", tensor).detach().cpu().double().numpy()
        for tensor in (convolution.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var)
    )
    gain = scale / np.sqrt(variance + cast(float, norm.eps))
    return _window_rows(weight) * gain[:, None], shift - mean * gain


def _tap_coefficients(model: "ClassicWaveRNN") -> np.ndarray:
    """Coefficients of the frames of a window in the upsampled middle frame: float32 [hop, taps]."""
    import torch

    taps = 2 * model.config.pad + 1
    impulses = torch.eye(taps, device=model.input.weight.device).unsqueeze(0)
    with torch.inference_mode():
        return model.upsampling(impulses)[0].float().cpu().numpy()
