"""Arrays of the compiled decoder: a model's weights, and the state of a pass over sentences."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from kernels.arguments import Blocks, Matrix, Vector
from kernels.layout import PAIR, largest_input
from synthesizer.decoder_arrays import (
    Counts,
    Inputs,
    Int8Matrix,
    Texts,
    adjacent,
    as_floats,
    buffer,
    packed_floats,
    packed_int8,
    whole_blocks,
)
from synthesizer.masks import SILENCE
from synthesizer.tacotron.attention import LocationSensitiveAttention
from synthesizer.tacotron.config import Architecture
from synthesizer.tacotron.model import Tacotron2


class Net(NamedTuple):
    """The weights of a decoder step, without the columns for the speaker.

    Float matrices are [blocks, inputs, 32 units], padded with zeros. All matrices are adjacent in memory in the order
    of a step, see `side_by_side`.
    """

    prenet_first: Blocks
    prenet_first_bias: Vector
    prenet_second: Blocks
    prenet_second_bias: Vector
    attention_input: Int8Matrix
    attention_hidden: Int8Matrix
    decoder_input: Int8Matrix
    decoder_hidden: Int8Matrix
    outputs: Blocks  # units are frames, [factor * n_mels], then the stop token; inputs decoder + encoder
    largest_input: int  # of the quantised inputs of the LSTMs
    zoneout: np.float32
    stop_logit: np.float32


class DynamicNet(NamedTuple):
    """Weights of the dynamic convolution attention, see `attention.DynamicConvolutionState`."""

    query: Blocks  # [blocks, inputs, 32 units]
    query_bias: Vector
    dynamic: Blocks  # [blocks, inputs, 32 units]
    no_bias: Vector
    static: Blocks  # [blocks, kernel, 32 units], multiplied by `from_static`
    from_dynamic: Blocks  # [blocks, filters, 32 units]
    bias: Vector
    energy: Vector
    prior: Vector


class LocationNet(NamedTuple):
    """Weights of the location-sensitive attention, see `attention.LocationSensitiveState`, and a pass's keys."""

    query: Blocks  # [blocks, inputs, 32 units]
    query_bias: Vector
    filters: Blocks  # [blocks, kernel, 32 units], multiplied by `from_location`
    cumulative_filters: Blocks  # the same for the sum of all weights so far
    energy: Vector
    keys: Blocks  # [rows, tokens, size]


class SpeakerTerms(NamedTuple):
    """The speaker's part of the sums, biases included: [rows, units] each."""

    attention: Matrix
    decoder: Matrix
    outputs: Matrix


class State(NamedTuple):
    """What a step hands to the next, one row per sentence. `weights` and `cumulative` have a margin of zeros."""

    frame: Matrix
    attention_hidden: Matrix
    attention_cell: Matrix
    context: Matrix
    hidden: Matrix
    cell: Matrix
    weights: Matrix
    cumulative: Matrix
    margin: int
    focus: Counts
    resting: Counts
    ends: Counts  # the step with the stop token, -1 before


class Workspace(NamedTuple):
    """Scratch buffers for intermediate values."""

    rows: Counts
    gates: Matrix
    values: Inputs  # quantised inputs of an LSTM, with their scales
    scales: Vector
    prenet: Vector
    inputs: Vector
    outputs: Vector
    query: Vector
    more: Vector
    chosen: Vector
    filters: Blocks
    energies: Vector


def decoder_net(model: Tacotron2, columns: DecoderColumns, stop_logit: float) -> Net:
    """The weights of a decoder step; `stop_logit` is the stop token above which a sentence ends."""
    attention, decoder, outputs = columns
    widest = max(attention.shape[1], decoder.shape[1], model.config.decoder_size)
    net = Net(
        prenet_first=packed_floats(model.prenet.first_weight()),
        prenet_first_bias=as_floats(model.prenet.first.bias),
        prenet_second=packed_floats(model.prenet.second.weight),
        prenet_second_bias=as_floats(model.prenet.second.bias),
        attention_input=packed_int8(attention),
        attention_hidden=packed_int8(model.attention_lstm.weight_hh),
        decoder_input=packed_int8(decoder),
        decoder_hidden=packed_int8(model.decoder_lstm.weight_hh),
        outputs=packed_floats(outputs),
        largest_input=largest_input(widest),
        zoneout=np.float32(model.config.zoneout),
        stop_logit=np.float32(stop_logit),
    )
    return side_by_side(net)


class DecoderColumns(NamedTuple):
    """Weight matrices [units, inputs] of both LSTMs and of the outputs, without the columns for the speaker."""

    attention: Tensor
    decoder: Tensor
    outputs: Tensor


def side_by_side(net: Net) -> Net:
    """The same, with the matrices adjacent in memory in the order of a step.

    numpy requests huge pages for a large array, which saves the processor address look-ups for thousands of small ones.
    """
    of_lstms = ("attention_input", "attention_hidden", "decoder_input", "decoder_hidden")
    values = [getattr(net, name).values for name in of_lstms]
    first, second, *values, outputs = adjacent([net.prenet_first, net.prenet_second, *values, net.outputs])
    moved = {name: getattr(net, name)._replace(values=value) for name, value in zip(of_lstms, values, strict=True)}
    return net._replace(prenet_first=first, prenet_second=second, outputs=outputs, **moved)


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


def make_workspace(
    config: Architecture, net: Net, texts: Texts, attention: DynamicNet | LocationNet, reduction_factor: int
) -> Workspace:
    rows, tokens, memory = texts.memory.shape
    size = config.decoder_size
    widest = size + max(size, len(net.prenet_second_bias)) + memory
    dynamic = isinstance(attention, DynamicNet)
    chosen = len(attention.no_bias) if isinstance(attention, DynamicNet) else len(attention.query_bias)
    return Workspace(
        rows=np.zeros(rows, np.int64),
        gates=np.zeros((rows, whole_blocks(4 * size)), np.float32),
        values=np.zeros((rows, widest + widest % PAIR), np.int16),
        scales=np.zeros(rows, np.float32),
        prenet=buffer(len(net.prenet_first_bias)),
        inputs=buffer(widest),
        outputs=buffer(reduction_factor * config.mel.n_mels + 1),
        query=buffer(len(attention.query_bias)),
        more=buffer(len(attention.query_bias)),
        chosen=buffer(chosen),
        filters=np.zeros(attention.static.shape if dynamic else (0, 0, 0), np.float32),  # type: ignore[union-attr]
        energies=np.zeros(tokens, np.float32),
    )


def split_columns(weight: Tensor, inputs: int) -> tuple[Tensor, Tensor]:
    """The columns of the inputs that change from step to step, and those of the speaker."""
    weight = weight.detach().float()
    return weight[:, :inputs], weight[:, inputs:]
