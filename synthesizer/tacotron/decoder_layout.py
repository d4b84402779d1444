"""What the compiled decoder computes with: a model's weights as arrays, and the state of a pass over sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthesizer.tacotron.attention import LocationSensitiveAttention
from synthesizer.tacotron.config import Architecture
from synthesizer.tacotron.model import SILENCE, Tacotron2

Floats = NDArray[np.float32]

BLOCK, PAIR = 32, 2  # units and inputs that lie together, see `decoder_products`
CACHE_LINE = 64
HIGHEST = 127  # of a weight's level
LARGEST_SUM = 2**31 - 1
LARGEST_LEVEL = 2**15 - 1


class Levels(NamedTuple):
    """A matrix as whole numbers: weights = levels [units, inputs] * steps [units]."""

    levels: NDArray[np.int8]
    steps: Floats


class PackedLevels(NamedTuple):
    """`Levels` as `decoder_products` reads them: blocks of 32 units and pairs of inputs, filled up with zeros."""

    levels: NDArray[np.int8]  # [blocks, pairs, 32 units * 2]
    steps: Floats  # [blocks * 32]


class Net(NamedTuple):
    """What a decoder step multiplies with, without the parts that the speaker alone decides.

    Matrices of floats are [blocks, inputs, 32 units], filled up with zeros. All lie side by side in the order of a
    step, see `side_by_side`.
    """

    prenet_first: Floats
    prenet_first_bias: Floats
    prenet_second: Floats
    prenet_second_bias: Floats
    attention_input: PackedLevels
    attention_hidden: PackedLevels
    decoder_input: PackedLevels
    decoder_hidden: PackedLevels
    outputs: Floats  # units are frames, [factor * n_mels], then the stop token; inputs decoder + encoder
    highest: int  # of the levels of what the LSTMs are fed with
    zoneout: np.float32
    stop_logit: np.float32


class DynamicNet(NamedTuple):
    """Weights of the dynamic convolution attention, see `attention.DynamicConvolutionState`."""

    query: Floats  # [blocks, inputs, 32 units]
    query_bias: Floats
    dynamic: Floats  # [blocks, inputs, 32 units]
    no_bias: Floats
    static: Floats  # [blocks, kernel, 32 units], through `from_static` already
    from_dynamic: Floats  # [blocks, filters, 32 units]
    bias: Floats
    energy: Floats
    prior: Floats


class LocationNet(NamedTuple):
    """Weights of the location-sensitive attention, see `attention.LocationSensitiveState`, and a pass's keys."""

    query: Floats  # [blocks, inputs, 32 units]
    query_bias: Floats
    filters: Floats  # [blocks, kernel, 32 units], through `from_location` already
    cumulative_filters: Floats  # the same for the sum of all weights so far
    energy: Floats
    keys: Floats  # [rows, tokens, size]


class Constants(NamedTuple):
    """What the speaker adds to the sums, biases included: [rows, units] each."""

    attention: Floats
    decoder: Floats
    outputs: Floats


class Texts(NamedTuple):
    """memory [rows, tokens, size]; lengths and most steps, int64 [rows]."""

    memory: Floats
    lengths: NDArray[np.int64]
    limits: NDArray[np.int64]


class State(NamedTuple):
    """What a step hands to the next, one row a sentence. `weights` and `cumulative` have a margin of zeros around."""

    frame: Floats
    attention_hidden: Floats
    attention_cell: Floats
    context: Floats
    hidden: Floats
    cell: Floats
    weights: Floats
    cumulative: Floats
    margin: int
    focus: NDArray[np.int64]
    resting: NDArray[np.int64]
    ends: NDArray[np.int64]  # the step that said stop, -1 before


class Room(NamedTuple):
    """Memory for intermediate values."""

    rows: NDArray[np.int64]
    gates: Floats
    levels: NDArray[np.int16]
    steps: Floats
    prenet: Floats
    inputs: Floats
    outputs: Floats
    query: Floats
    more: Floats
    chosen: Floats
    filters: Floats
    energies: Floats


class Made(NamedTuple):
    """frames [rows, steps, factor * n_mels], weights [rows, steps, tokens]; zero after a sentence's end."""

    frames: Floats
    weights: Floats


def to_levels(weight: Tensor) -> Levels:
    """Rounds each row [units, inputs] to 127 levels on either side of zero."""
    matrix = weight.detach().float()
    steps = matrix.abs().amax(1).clamp_min(1e-12) / HIGHEST
    levels = (matrix / steps[:, None]).round_().to(torch.int8)
    return Levels(np.ascontiguousarray(levels.numpy()), np.ascontiguousarray(steps.numpy()))


def packed_levels(weight: Tensor) -> PackedLevels:
    """[units, inputs] as levels, two inputs of 32 units after another."""
    levels, steps = to_levels(weight)
    units, inputs = levels.shape
    padded = np.pad(levels, ((0, -units % BLOCK), (0, -inputs % PAIR)))
    blocks = padded.reshape(-1, BLOCK, padded.shape[1] // PAIR, PAIR).transpose(0, 2, 1, 3)
    packed = np.ascontiguousarray(blocks).reshape(*blocks.shape[:2], BLOCK * PAIR)
    return PackedLevels(packed, np.pad(steps, (0, -units % BLOCK)))


def packed_floats(weight: Tensor) -> Floats:
    """[units, inputs] -> [blocks, inputs, 32 units]."""
    matrix = weight.detach().float().numpy()
    units, inputs = matrix.shape
    padded = np.pad(matrix, ((0, -units % BLOCK), (0, 0)))
    return np.ascontiguousarray(padded.reshape(-1, BLOCK, inputs).transpose(0, 2, 1))


def side_by_side(net: Net) -> Net:
    """The same, with what a step reads in one piece of memory, in its order.

    numpy asks for large pages where an array is large, which spares a processor the search for thousands of small ones.
    """
    of_lstms = ("attention_input", "attention_hidden", "decoder_input", "decoder_hidden")
    levels = [getattr(net, name).levels for name in of_lstms]
    first, second, *levels, outputs = _in_one_piece([net.prenet_first, net.prenet_second, *levels, net.outputs])
    moved = {name: getattr(net, name)._replace(levels=level) for name, level in zip(of_lstms, levels, strict=True)}
    return net._replace(prenet_first=first, prenet_second=second, outputs=outputs, **moved)


def _in_one_piece(arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Copies that begin at lines of the cache."""
    sizes = [array.nbytes + -array.nbytes % CACHE_LINE for array in arrays]
    room = np.empty(sum(sizes) + CACHE_LINE, np.uint8)
    at, copies = -room.ctypes.data % CACHE_LINE, []
    for array, size in zip(arrays, sizes, strict=True):
        copies.append(room[at : at + array.nbytes].view(array.dtype).reshape(array.shape))
        copies[-1][...] = array
        at += size
    return copies


def attention_net(model: Tacotron2) -> DynamicNet | LocationNet:
    module = model.attention
    if isinstance(module, LocationSensitiveAttention):
        filters = (module.location.detach() @ module.from_location.weight.detach().T).chunk(2)
        return LocationNet(
            query=packed_floats(module.query.weight),
            query_bias=np.zeros(module.query.out_features, np.float32),
            filters=packed_floats(filters[0].T),
            cumulative_filters=packed_floats(filters[1].T),
            energy=as_floats(module.energy.weight[0]),
            keys=np.zeros((0, 0, 0), np.float32),
        )
    return DynamicNet(
        query=packed_floats(module.query.weight),
        query_bias=as_floats(module.query.bias),
        dynamic=packed_floats(module.dynamic.weight),
        no_bias=np.zeros(module.dynamic.out_features, np.float32),
        static=packed_floats((module.static.detach() @ module.from_static.weight.detach().T).T),
        from_dynamic=packed_floats(module.from_dynamic.weight),
        bias=as_floats(module.from_dynamic.bias),
        energy=as_floats(module.energy.weight[0]),
        prior=as_floats(module.prior),
    )


def _margin(attention: DynamicNet | LocationNet) -> int:
    if isinstance(attention, LocationNet):
        return attention.filters.shape[1] // 2 + 1
    return max(attention.static.shape[1] // 2 + 1, len(attention.prior))


def first_state(config: Architecture, texts: Texts, attention: DynamicNet | LocationNet) -> State:
    rows, tokens, memory = texts.memory.shape
    margin = _margin(attention)
    weights, cumulative = np.zeros((2, rows, tokens + 2 * margin), np.float32)
    if isinstance(attention, DynamicNet):
        weights[:, margin] = 1
    size = config.decoder_size
    return State(
        frame=np.full((rows, config.mel.n_mels), SILENCE, np.float32),
        attention_hidden=np.zeros((rows, size), np.float32),
        attention_cell=np.zeros((rows, size), np.float32),
        context=np.zeros((rows, memory), np.float32),
        hidden=np.zeros((rows, size), np.float32),
        cell=np.zeros((rows, size), np.float32),
        weights=weights,
        cumulative=cumulative,
        margin=margin,
        focus=np.zeros(rows, np.int64),
        resting=np.zeros(rows, np.int64),
        ends=np.full(rows, -1, np.int64),
    )


def make_room(
    config: Architecture, net: Net, texts: Texts, attention: DynamicNet | LocationNet, reduction_factor: int
) -> Room:
    rows, tokens, memory = texts.memory.shape
    size = config.decoder_size
    widest = size + max(size, len(net.prenet_second_bias)) + memory
    dynamic = isinstance(attention, DynamicNet)
    chosen = len(attention.no_bias) if isinstance(attention, DynamicNet) else len(attention.query_bias)
    return Room(
        rows=np.zeros(rows, np.int64),
        gates=np.zeros((rows, _in_blocks(4 * size)), np.float32),
        levels=np.zeros((rows, widest + widest % PAIR), np.int16),
        steps=np.zeros(rows, np.float32),
        prenet=_room_for(len(net.prenet_first_bias)),
        inputs=_room_for(widest),
        outputs=_room_for(reduction_factor * config.mel.n_mels + 1),
        query=_room_for(len(attention.query_bias)),
        more=_room_for(len(attention.query_bias)),
        chosen=_room_for(chosen),
        filters=np.zeros(attention.static.shape if dynamic else (0, 0, 0), np.float32),  # type: ignore[union-attr]
        energies=np.zeros(tokens, np.float32),
    )


def _in_blocks(units: int) -> int:
    return units + -units % BLOCK


def _room_for(units: int) -> Floats:
    return np.zeros(_in_blocks(units), np.float32)


def split_columns(weight: Tensor, inputs: int) -> tuple[Tensor, Tensor]:
    """The columns of what changes from step to step, and those of the speaker."""
    weight = weight.detach().float()
    return weight[:, :inputs], weight[:, inputs:]


def as_floats(tensor: Tensor) -> Floats:
    return np.array(tensor.detach().float().numpy(), order="C")  # a copy
