"""Parts of compiled decoders that several families share. A row is one sentence.

The products of LSTMs use int8 weights, see `decoder_products`, and quantised inputs.
"""

from __future__ import annotations

import numpy as np

from kernels.activations import sigmoid, tanh
from kernels.int8_products import quantise
from kernels.parts import address, inline, part
from synthesizer.decoder_products import add_products, multiply


@inline
def copy(source, target, start):
    """target[start : start + len(source)] = source, which numba would copy twice in case they overlap."""
    for i in range(len(source)):
        target[start + i] = source[i]


@inline
def quantise_row(net, x, size, space, row):
    """Quantise x[:size], the input of an LSTM, as that of this row."""
    target = address(space.values, row * space.values.shape[1])
    space.scales[row] = quantise(address(x, 0), size, target, net.largest_input)


@part
def run_prenet(net, frame, masks, hidden, target):
    """Both layers of the prenet, with ReLU: frame [n_mels] -> target[: size]; masks are of the dropout of both."""
    first, second = len(net.prenet_first_bias), len(net.prenet_second_bias)
    multiply(net.prenet_first, net.prenet_first_bias, frame, hidden)
    for i in range(first):
        hidden[i] = max(hidden[i], np.float32(0)) * masks[i]
    multiply(net.prenet_second, net.prenet_second_bias, hidden, target)
    for i in range(second):
        target[i] = max(target[i], np.float32(0)) * masks[first + i]


@part
def update_lstm(gates, cell, hidden, zoneout):
    """The element-wise half of an LSTM step, with the mean of zoneout's draws; gates [4 * size] in PyTorch's order.

    Slices and two loops, because LLVM vectorises only loops over arrays that it can distinguish by few comparisons.
    """
    size = len(cell)
    entering, kept, candidate, out = gates[:size], gates[size : 2 * size], gates[2 * size : 3 * size], gates[3 * size :]
    for i in range(size):
        cell[i] = sigmoid(kept[i]) * cell[i] + sigmoid(entering[i]) * tanh(candidate[i])
    for i in range(size):
        new = sigmoid(out[i]) * tanh(cell[i])
        hidden[i] = new + zoneout * (hidden[i] - new)


@part
def run_lstm(net, from_input, from_hidden, space, count, hidden, cell):
    """An LSTM step of all rows; `space` has their quantised inputs, and in `gates` the terms of the speaker."""
    rows = space.rows
    add_products(from_input, rows, count, space.values, space.scales, space.gates)
    for index in range(count):
        row = rows[index]
        quantise_row(net, hidden[row], hidden.shape[1], space, row)
    add_products(from_hidden, rows, count, space.values, space.scales, space.gates)
    for index in range(count):
        row = rows[index]
        update_lstm(space.gates[row], cell[row], hidden[row], net.zoneout)


@part
def shift_focus(energies, first, last, memory, weights, margin, context):
    """Softmax of the energies in [first, last) into `weights`, the memory's mean into `context`; returns the focus."""
    largest = energies[first]
    focus = first
    for token in range(first, last):
        if energies[token] > largest:
            largest, focus = energies[token], token
    total = np.float32(0)
    weights[:] = np.float32(0)
    for token in range(first, last):
        value = np.exp(energies[token] - largest)
        weights[margin + token] = value
        total += value
    context[:] = np.float32(0)
    for token in range(first, last):
        weight = weights[margin + token] / total
        weights[margin + token] = weight
        for i in range(len(context)):
            context[i] += weight * memory[token, i]
    return focus


@inline
def limit_window(focus, tokens, window):
    """First and last token, exclusively, that attention may reach; a negative window is unrestricted."""
    behind, ahead = window
    if behind < 0:
        return 0, tokens
    return max(0, focus - behind), min(tokens, focus + ahead + 1)


@part
def energy_of(query, bias, energy):
    """energy @ tanh(query + bias)."""
    total = np.float32(0)
    for i in range(len(bias)):
        total += tanh(query[i] + bias[i]) * energy[i]
    return total
