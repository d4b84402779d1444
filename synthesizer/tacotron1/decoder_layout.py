"""Arrays of the compiled decoder of a Tacotron 1: its weights, and the state of a sentence that is decoded."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from kernels.arguments import Blocks, Matrix, Vector
from kernels.layout import PAIR, largest_input
from synthesizer.decoder_arrays import (
    Counts,
    Inputs,
    Int8Matrix,
    adjacent,
    as_floats,
    buffer,
    packed_floats,
    packed_int8,
    whole_blocks,
)
from synthesizer.tacotron1.config import Architecture
from synthesizer.tacotron1.model import Tacotron1

INT8 = ("lstm1_input", "lstm1_hidden", "lstm2_input", "lstm2_hidden")
FLOATS = (
    "prenet_first", "prenet_second", "gru_input", "gru_hidden", "query", "filters", "to_lstm", "outputs",
)  # fmt: skip


class Net(NamedTuple):
    """The weights of a decoder step. Float matrices are [blocks, inputs, 32 units], padded with zeros.

    The two LSTMs have nine tenths of the weights; theirs are int8.
    """

    prenet_first: Blocks
    prenet_first_bias: Vector
    prenet_second: Blocks
    prenet_second_bias: Vector
    gru_input: Blocks  # inputs context + prenet
    gru_input_bias: Vector
    gru_hidden: Blocks
    gru_hidden_bias: Vector
    query: Blocks
    query_bias: Vector  # includes that of the filters
    filters: Blocks  # [blocks, kernel, 32 units], multiplied by `from_location`
    energy: Vector
    to_lstm: Blocks  # inputs context + query
    to_lstm_bias: Vector
    lstm1_input: Int8Matrix
    lstm1_hidden: Int8Matrix
    lstm1_bias: Vector
    lstm2_input: Int8Matrix
    lstm2_hidden: Int8Matrix
    lstm2_bias: Vector
    outputs: Blocks  # units are frames, [factor * n_mels], then the stop token; inputs LSTM + context
    outputs_bias: Vector
    largest_input: int  # of the quantised inputs of the LSTMs
    zoneout: np.float32  # 0: in inference all units take their new value
    stop_logit: np.float32


class Text(NamedTuple):
    """Memory [tokens, size] and keys [tokens, attention size] of a sentence."""

    memory: Matrix
    keys: Matrix


class State(NamedTuple):
    """What a step hands to the next. `weights` and `cumulative` have a margin of zeros."""

    frame: Vector
    query: Vector
    hidden1: Matrix  # [1, size], as are the other states of the LSTMs
    cell1: Matrix
    hidden2: Matrix
    cell2: Matrix
    context: Vector
    weights: Vector
    cumulative: Vector
    margin: int
    progress: Counts  # focus, steps of rest on the last token, the step at which the sentence ended or -1


class Workspace(NamedTuple):
    """Scratch buffers for intermediate values."""

    rows: Counts
    gates: Matrix
    values: Inputs  # quantised inputs of an LSTM, with their scales
    scales: Vector
    prenet: Vector
    inputs: Vector
    more: Vector
    x: Vector
    outputs: Vector
    energies: Vector


class Outputs(NamedTuple):
    """frames [steps, factor * n_mels], weights [steps, tokens]; zero after the end."""

    frames: Matrix
    weights: Matrix


def decoder_net(model: Tacotron1, factor: int, stop_logit: float) -> Net:
    """The weights of a decoder step that makes `factor` frames."""
    decoder, attention = model.decoder, model.decoder.attention
    filters = attention.from_location.weight @ attention.convolution.weight[:, 0]
    assert attention.convolution.bias is not None
    location_bias = attention.from_location.weight @ attention.convolution.bias
    net = Net(
        prenet_first=packed_floats(decoder.prenet.first.weight),
        prenet_first_bias=as_floats(decoder.prenet.first.bias),
        prenet_second=packed_floats(decoder.prenet.second.weight),
        prenet_second_bias=as_floats(decoder.prenet.second.bias),
        gru_input=packed_floats(decoder.attention_gru.weight_ih),
        gru_input_bias=as_floats(decoder.attention_gru.bias_ih),
        gru_hidden=packed_floats(decoder.attention_gru.weight_hh),
        gru_hidden_bias=as_floats(decoder.attention_gru.bias_hh),
        query=packed_floats(attention.query.weight),
        query_bias=as_floats(attention.query.bias + location_bias),
        filters=packed_floats(filters),
        energy=as_floats(attention.energy.weight[0]),
        to_lstm=packed_floats(decoder.to_lstm.weight),
        to_lstm_bias=as_floats(decoder.to_lstm.bias),
        lstm1_input=packed_int8(decoder.lstm1.weight_ih),
        lstm1_hidden=packed_int8(decoder.lstm1.weight_hh),
        lstm1_bias=as_floats(decoder.lstm1.bias_ih + decoder.lstm1.bias_hh),
        lstm2_input=packed_int8(decoder.lstm2.weight_ih),
        lstm2_hidden=packed_int8(decoder.lstm2.weight_hh),
        lstm2_bias=as_floats(decoder.lstm2.bias_ih + decoder.lstm2.bias_hh),
        outputs=packed_floats(_outputs(model, factor)),
        outputs_bias=as_floats(torch.cat((torch.zeros(factor * model.config.mel.n_mels), decoder.to_stop.bias))),
        largest_input=largest_input(model.config.lstm_size),
        zoneout=np.float32(0),
        stop_logit=np.float32(stop_logit),
    )
    return _side_by_side(net)


def _outputs(model: Tacotron1, factor: int) -> Tensor:
    """Weights [frames and stop token, LSTM + context]; the context has no part in the frames."""
    frames = model.decoder.frame_weight(factor)
    padded = torch.nn.functional.pad(frames, (0, model.config.memory_size))
    return torch.cat((padded, model.decoder.to_stop.weight)).detach()


def _side_by_side(net: Net) -> Net:
    """The same, with all matrices in one buffer."""
    arrays = [getattr(net, name).values for name in INT8] + [getattr(net, name) for name in FLOATS]
    moved = adjacent(arrays)
    changed: dict[str, Any] = {
        name: getattr(net, name)._replace(values=value) for name, value in zip(INT8, moved, strict=False)
    }
    changed |= zip(FLOATS, moved[len(INT8) :], strict=True)
    return net._replace(**changed)


def first_state(config: Architecture, tokens: int) -> State:
    margin = config.attention_kernel // 2 + 1
    wide, weights = (1, config.lstm_size), tokens + 2 * margin
    return State(
        frame=np.zeros(config.mel.n_mels, np.float32),
        query=np.zeros(config.decoder_size, np.float32),
        hidden1=np.zeros(wide, np.float32),
        cell1=np.zeros(wide, np.float32),
        hidden2=np.zeros(wide, np.float32),
        cell2=np.zeros(wide, np.float32),
        context=np.zeros(config.memory_size, np.float32),
        weights=np.zeros(weights, np.float32),
        cumulative=np.zeros(weights, np.float32),
        margin=margin,
        progress=np.array([0, 0, -1]),
    )


def make_workspace(config: Architecture, net: Net, tokens: int) -> Workspace:
    wide, memory, size = config.lstm_size, config.memory_size, config.decoder_size
    return Workspace(
        rows=np.zeros(1, np.int64),
        gates=np.zeros((1, whole_blocks(4 * wide)), np.float32),
        values=np.zeros((1, wide + wide % PAIR), np.int16),
        scales=np.zeros(1, np.float32),
        prenet=buffer(len(net.prenet_first_bias)),
        inputs=buffer(memory + max(len(net.prenet_second_bias), size, wide)),
        more=buffer(3 * size),
        x=buffer(max(wide, 3 * size, len(net.prenet_second_bias))),
        outputs=buffer(len(net.outputs_bias)),
        energies=np.zeros(tokens, np.float32),
    )
