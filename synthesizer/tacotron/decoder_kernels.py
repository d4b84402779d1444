"""The decoder's loop over steps for one CPU thread, compiled by numba.

A step of one sentence multiplies every weight by one number, so that reading the weights is what it costs: products
of the two LSTMs take theirs as eight-bit levels, a quarter of float32, and fit into a processor's cache with it. The
numbers that they meet are rounded to levels too, as fine as 32-bit sums allow. Sums of whole numbers are exact in any
order: what a sentence gives does not depend on the ones beside it, to the last bit.

Every function writes into arrays that it is given, see `decoder_layout`; a row is one sentence. The products are in
`decoder_products`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from synthesizer.tacotron import decoder_layout, decoder_products
from synthesizer.tacotron.decoder_products import add_products, apply_filters, inline, multiply, part, to_levels

LEAST_PRIOR = np.float32(1e-6)

_njit: Any = njit  # its declared arguments lack some that it takes


def compiled(function: Callable[..., int], cache: bool = False) -> Callable[..., int]:
    """One of the loops at the end of this file, to be compiled at its first call.

    numba's cache looks at the file of a function for changes, but not at the files of those that it calls: the name
    tells what all of them are like.
    """
    function.__qualname__ = f"{function.__name__}_{_digest_of_sources()}"
    loop: Callable[..., int] = _njit(cache=cache, nogil=True, fastmath=True, error_model="numpy")(function)
    return loop


def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    for path in (__file__, decoder_products.__file__, decoder_layout.__file__):
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()[:16]


@inline
def tanh(x):
    """A quotient of polynomials fitted to tanh on [-9, 9], right to 4e-7: arithmetic alone, which runs in vectors."""
    x = min(max(x, np.float32(-9.0)), np.float32(9.0))
    y = x * x
    above = np.float32(1.82556209e-11) * y - np.float32(1.27805890e-08)
    above = above * y + np.float32(9.26748147e-06)
    above = above * y + np.float32(2.92076950e-03)
    above = above * y + np.float32(1.29192359e-01)
    above = above * y + np.float32(0.999999941)
    below = np.float32(2.28101198e-04) * y + np.float32(2.37632011e-02)
    below = below * y + np.float32(4.62525198e-01)
    below = below * y + np.float32(1.0)
    return x * above / below


@inline
def sigmoid(x):
    half = np.float32(0.5)
    return half + half * tanh(half * x)


@inline
def copy(source, target, start):
    """target[start : start + len(source)] = source, which numba would copy twice lest they overlap."""
    for i in range(len(source)):
        target[start + i] = source[i]


# --- the LSTMs --------------------------------------------------------------------------------------------------------


@part
def update_lstm(gates, cell, hidden, zoneout):
    """The element-wise half of an LSTM step, with the mean of zoneout's draws; gates [4 * size] in PyTorch's order.

    Slices and two loops, as LLVM makes no vectors of loops over places that it cannot tell apart in few comparisons.
    """
    size = len(cell)
    entering, kept, candidate, out = gates[:size], gates[size : 2 * size], gates[2 * size : 3 * size], gates[3 * size :]
    for i in range(size):
        cell[i] = sigmoid(kept[i]) * cell[i] + sigmoid(entering[i]) * tanh(candidate[i])
    for i in range(size):
        new = sigmoid(out[i]) * tanh(cell[i])
        hidden[i] = new + zoneout * (hidden[i] - new)


@part
def run_lstm(net, from_input, from_hidden, room, count, hidden, cell):
    """An LSTM step of all rows; `room` has the levels of their inputs, and in `gates` what the speaker adds."""
    rows = room.rows
    add_products(from_input, rows, count, room.levels, room.steps, room.gates)
    for index in range(count):
        row = rows[index]
        room.steps[row] = to_levels(hidden[row], room.levels[row], 0, net.highest)
    add_products(from_hidden, rows, count, room.levels, room.steps, room.gates)
    for index in range(count):
        row = rows[index]
        update_lstm(room.gates[row], cell[row], hidden[row], net.zoneout)


# --- the parts of a step ----------------------------------------------------------------------------------------------


@part
def choose_rows(step, state, limits, rows):
    """The sentences that go on, into `rows`; returns how many there are."""
    count = 0
    for row in range(len(limits)):
        if state.ends[row] < 0 and step < limits[row]:
            rows[count] = row
            count += 1
    return count


@part
def run_attention_lstm(net, state, room, constants, masks, place, count):
    """Prenet and attention LSTM of all rows: from the last frame and context to the attention's query."""
    first, second = len(net.prenet_first_bias), len(net.prenet_second_bias)
    rows, gates = room.rows, room.gates
    for index in range(count):
        row = rows[index]
        multiply(net.prenet_first, net.prenet_first_bias, state.frame[row], room.prenet)
        for i in range(first):
            room.prenet[i] = max(room.prenet[i], np.float32(0)) * masks[row, place, i]
        multiply(net.prenet_second, net.prenet_second_bias, room.prenet, room.inputs)
        for i in range(second):
            room.inputs[i] = max(room.inputs[i], np.float32(0)) * masks[row, place, first + i]
        copy(state.context[row], room.inputs, second)
        width = second + state.context.shape[1]
        room.steps[row] = to_levels(room.inputs[:width], room.levels[row], 0, net.highest)
        copy(constants.attention[row], gates[row], 0)
    run_lstm(net, net.attention_input, net.attention_hidden, room, count, state.attention_hidden, state.attention_cell)


@part
def run_decoder_lstm(net, state, room, constants, count):
    """Decoder LSTM of all rows: from the query and the context to its hidden state."""
    rows, gates = room.rows, room.gates
    size = state.attention_hidden.shape[1]
    for index in range(count):
        row = rows[index]
        copy(state.attention_hidden[row], room.inputs, 0)
        copy(state.context[row], room.inputs, size)
        width = size + state.context.shape[1]
        room.steps[row] = to_levels(room.inputs[:width], room.levels[row], 0, net.highest)
        copy(constants.decoder[row], gates[row], 0)
    run_lstm(net, net.decoder_input, net.decoder_hidden, room, count, state.hidden, state.cell)


@part
def finish_step(net, state, room, constants, lengths, made, place, count, step, rest_steps):
    """Frames, weights, and whether a sentence ends here."""
    frames, alignments, margin = made.frames, made.weights, state.margin
    n_mels = state.frame.shape[1]
    for index in range(count):
        row = room.rows[index]
        copy(state.hidden[row], room.inputs, 0)
        copy(state.context[row], room.inputs, state.hidden.shape[1])
        multiply(net.outputs, constants.outputs[row], room.inputs, room.outputs)
        copy(room.outputs[: frames.shape[2]], frames[row, place], 0)
        copy(room.outputs[frames.shape[2] - n_mels : frames.shape[2]], state.frame[row], 0)
        tokens = lengths[row]
        copy(state.weights[row, margin : margin + tokens], alignments[row, place], 0)
        resting = state.focus[row] == tokens - 1
        state.resting[row] = state.resting[row] + 1 if resting else 0
        if room.outputs[frames.shape[2]] > net.stop_logit or state.resting[row] >= rest_steps:
            state.ends[row] = step


# --- attention --------------------------------------------------------------------------------------------------------


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
def reach_of_window(focus, tokens, window):
    """First and last token, exclusively, that may be looked at; a negative window is unrestricted."""
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


@part
def make_filters(attention, chosen, filters):
    """The static filters, and the dynamic ones that a step has chosen: [blocks, kernel, 32]."""
    blocks, kernel, width = filters.shape
    channels = attention.from_dynamic.shape[1]
    for block in range(blocks):
        of_block = attention.from_dynamic[block : block + 1]
        for k in range(kernel):
            apply_filters(of_block, chosen, k * channels, filters, (block * kernel + k) * width)
            for unit in range(width):
                filters[block, k, unit] += attention.static[block, k, unit]


@part
def attend_dynamically(attention, state, room, row, memory, tokens, window):
    """A step of `attention.DynamicConvolutionState` for one sentence."""
    multiply(attention.query, attention.query_bias, state.attention_hidden[row], room.query)
    for i in range(len(attention.query_bias)):
        room.query[i] = tanh(room.query[i])
    multiply(attention.dynamic, attention.no_bias, room.query, room.chosen)
    make_filters(attention, room.chosen, room.filters)
    weights, margin = state.weights[row], state.margin
    kernel, taps = room.filters.shape[1], len(attention.prior)
    first, last = reach_of_window(state.focus[row], tokens, window)
    for token in range(first, last):
        apply_filters(room.filters, weights, margin + token - kernel // 2, room.query, 0)
        prior = np.float32(0)
        for tap in range(taps):
            prior += attention.prior[tap] * weights[margin + token + tap - taps + 1]
        energy = energy_of(room.query, attention.bias, attention.energy)
        room.energies[token] = energy + np.log(max(prior, LEAST_PRIOR))
    state.focus[row] = shift_focus(room.energies, first, last, memory[row], weights, margin, state.context[row])


@part
def attend_to_location(attention, state, room, row, memory, tokens, window):
    """A step of `attention.LocationSensitiveState` for one sentence."""
    kernel = attention.filters.shape[1]
    multiply(attention.query, attention.query_bias, state.attention_hidden[row], room.chosen)
    weights, cumulative, margin = state.weights[row], state.cumulative[row], state.margin
    first, last = reach_of_window(state.focus[row], tokens, window)
    for token in range(first, last):
        at = margin + token - kernel // 2
        apply_filters(attention.filters, weights, at, room.query, 0)
        apply_filters(attention.cumulative_filters, cumulative, at, room.more, 0)
        for i in range(len(attention.query_bias)):
            room.query[i] += room.more[i] + attention.keys[row, token, i]
        room.energies[token] = energy_of(room.query, room.chosen[: len(attention.query_bias)], attention.energy)
    state.focus[row] = shift_focus(room.energies, first, last, memory[row], weights, margin, state.context[row])
    for token in range(first, last):
        cumulative[margin + token] += weights[margin + token]


# --- the loop ---------------------------------------------------------------------------------------------------------


def run_dynamic(net, attention, state, room, constants, texts, masks, made, span, window):
    """Steps [span[0], span[1]) of all sentences that go on; returns how many sentences took the last of them.

    Args:
        texts: memory [rows, tokens, size], lengths, most steps of each.
        masks: the prenet's dropout, [rows, steps of the span, sum of its sizes].
        made: frames [rows, steps, frames * mels] and weights [rows, steps, tokens], to be filled.
        span: first step, end, and the steps of rest that end a sentence.
        window: tokens behind and ahead of the focus; negative is unrestricted.
    """
    count = 0
    for step in range(span[0], span[1]):
        place = step - span[0]
        count = choose_rows(step, state, texts.limits, room.rows)
        run_attention_lstm(net, state, room, constants, masks, place, count)
        for index in range(count):
            row = room.rows[index]
            attend_dynamically(attention, state, room, row, texts.memory, texts.lengths[row], window)
        run_decoder_lstm(net, state, room, constants, count)
        finish_step(net, state, room, constants, texts.lengths, made, place, count, step, span[2])
    return count


def run_location(net, attention, state, room, constants, texts, masks, made, span, window):
    """`run_dynamic` with location-sensitive attention."""
    count = 0
    for step in range(span[0], span[1]):
        place = step - span[0]
        count = choose_rows(step, state, texts.limits, room.rows)
        run_attention_lstm(net, state, room, constants, masks, place, count)
        for index in range(count):
            row = room.rows[index]
            attend_to_location(attention, state, room, row, texts.memory, texts.lengths[row], window)
        run_decoder_lstm(net, state, room, constants, count)
        finish_step(net, state, room, constants, texts.lengths, made, place, count, step, span[2])
    return count
