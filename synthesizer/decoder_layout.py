"""What the compiled decoder computes with: a model's weights as arrays, and the state of a pass over sentences."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthesizer.attention import LocationSensitiveAttention
from synthesizer.config import SynthesizerConfig
from synthesizer.model import SILENCE, Tacotron2

Floats = NDArray[np.float32]

HIGHEST = 127  # of a weight's level
LARGEST_SUM = 2**31 - 1
LARGEST_LEVEL = 2**15 - 1


class Levels(NamedTuple):
    """A matrix as whole numbers: weights = levels [units, inputs] * steps [units]."""

    levels: NDArray[np.int8]
    steps: Floats


class Net(NamedTuple):
    """What a decoder step multiplies with, without the parts that the speaker alone decides."""

    prenet_first: Floats
    prenet_first_bias: Floats
    prenet_second: Floats
    prenet_second_bias: Floats
    attention_input: Levels
    attention_hidden: Levels
    decoder_input: Levels
    decoder_hidden: Levels
    outputs: Floats  # frames, then the stop token: [factor * n_mels + 1, decoder + encoder]
    highest: int  # of the levels of what the LSTMs are fed with
    zoneout: np.float32
    stop_logit: np.float32


class DynamicNet(NamedTuple):
    """Weights of the dynamic convolution attention, see `attention.DynamicConvolutionState`."""

    query: Floats
    query_bias: Floats
    dynamic: Floats
    no_bias: Floats
    static: Floats  # [kernel, size], through `from_static` already
    from_dynamic: Floats  # [filters, size]
    bias: Floats
    energy: Floats
    prior: Floats


class LocationNet(NamedTuple):
    """Weights of the location-sensitive attention, see `attention.LocationSensitiveState`, and a pass's keys."""

    query: Floats
    query_bias: Floats
    filters: Floats  # [2 * kernel, size], through `from_location` already
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


def attention_net(model: Tacotron2) -> DynamicNet | LocationNet:
    module = model.attention
    if isinstance(module, LocationSensitiveAttention):
        filters = module.location.detach() @ module.from_location.weight.detach().T
        return LocationNet(
            query=as_floats(module.query.weight),
            query_bias=np.zeros(module.query.out_features, np.float32),
            filters=as_floats(filters),
            energy=as_floats(module.energy.weight[0]),
            keys=np.zeros((0, 0, 0), np.float32),
        )
    return DynamicNet(
        query=as_floats(module.query.weight),
        query_bias=as_floats(module.query.bias),
        dynamic=as_floats(module.dynamic.weight),
        no_bias=np.zeros(module.dynamic.out_features, np.float32),
        static=as_floats(module.static.detach() @ module.from_static.weight.detach().T),
        from_dynamic=as_floats(module.from_dynamic.weight.T),
        bias=as_floats(module.from_dynamic.bias),
        energy=as_floats(module.energy.weight[0]),
        prior=as_floats(module.prior),
    )


def _margin(attention: DynamicNet | LocationNet) -> int:
    if isinstance(attention, LocationNet):
        return len(attention.filters) // 4 + 1
    return max(len(attention.static) // 2 + 1, len(attention.prior))


def first_state(config: SynthesizerConfig, texts: Texts, attention: DynamicNet | LocationNet) -> State:
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


def make_room(config: SynthesizerConfig, net: Net, texts: Texts, attention: DynamicNet | LocationNet) -> Room:
    rows, tokens, memory = texts.memory.shape
    size = config.decoder_size
    widest = size + max(size, len(net.prenet_second)) + memory
    dynamic = isinstance(attention, DynamicNet)
    chosen = len(attention.dynamic) if isinstance(attention, DynamicNet) else len(attention.query)
    return Room(
        rows=np.zeros(rows, np.int64),
        gates=np.zeros((rows, 4 * size), np.float32),
        levels=np.zeros((rows, widest), np.int16),
        steps=np.zeros(rows, np.float32),
        prenet=np.zeros(len(net.prenet_first), np.float32),
        inputs=np.zeros(widest, np.float32),
        outputs=np.zeros(len(net.outputs), np.float32),
        query=np.zeros(len(attention.query), np.float32),
        chosen=np.zeros(chosen, np.float32),
        filters=np.zeros(attention.static.shape if dynamic else (0, 0), np.float32),  # type: ignore[union-attr]
        energies=np.zeros(tokens, np.float32),
    )


def split_columns(weight: Tensor, inputs: int) -> tuple[Tensor, Tensor]:
    """The columns of what changes from step to step, and those of the speaker."""
    weight = weight.detach().float()
    return weight[:, :inputs], weight[:, inputs:]


def as_floats(tensor: Tensor) -> Floats:
    return np.array(tensor.detach().float().numpy(), order="C")  # a copy
