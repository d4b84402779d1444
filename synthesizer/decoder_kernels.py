"""The decoder's loop over steps for one CPU thread, compiled by numba.

A step of one sentence multiplies every weight by one number, so that reading the weights is what it costs: products
of the two LSTMs take theirs as eight-bit levels, a quarter of float32, and fit into a processor's cache with it. The
numbers that they meet are rounded to levels too, as fine as 32-bit sums allow. Sums of whole numbers are exact in any
order: what a sentence gives does not depend on the ones beside it, to the last bit.

Every function writes into arrays that it is given, see `decoder_layout`; a row is one sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

LEAST_PRIOR = np.float32(1e-6)

_njit: Any = njit  # its declared arguments lack some that it takes
_part: Any = _njit(fastmath=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
_inline: Any = _njit(fastmath=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)


def compiled(function: Callable[..., int], cache: bool = False) -> Callable[..., int]:
    """One of the loops at the end of this file, to be compiled at its first call."""
    loop: Callable[..., int] = _njit(cache=cache, nogil=True, fastmath=True)(function)
    return loop


@_inline
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


@_inline
def sigmoid(x):
    half = np.float32(0.5)
    return half + half * tanh(half * x)


# --- products ---------------------------------------------------------------------------------------------------------


@_part
def multiply(matrix, bias, x, sums):
    """sums = matrix @ x + bias, all float32."""
    for unit in range(matrix.shape[0]):
        total = np.float32(0)
        for k in range(matrix.shape[1]):
            total += matrix[unit, k] * x[k]
        sums[unit] = total + bias[unit]


@_part
def to_levels(x, levels, start, highest):
    """Rounds x to whole numbers of at most `highest`, from `start` on in `levels`; returns their step."""
    largest = np.float32(1e-12)
    for k in range(len(x)):
        largest = max(largest, abs(x[k]))
    inverse = np.float32(highest) / largest
    for k in range(len(x)):
        levels[start + k] = np.int16(np.rint(x[k] * inverse))
    return largest / np.float32(highest)


@_inline
def multiply_levels(weights, levels):
    """Sum of weights * levels, int8 and int16, in 32 bits: processors add such products in pairs.

    numba takes the product of two int32 for an int64 unless told that the sum is none.
    """
    total = np.int32(0)
    for k in range(len(weights)):
        total = np.int32(total + np.int32(weights[k]) * np.int32(levels[k]))
    return total


@_part
def add_products(matrix, rows, count, levels, steps, sums):
    """sums[row] += matrix @ (levels[row] * steps[row]) for `count` rows, which share the reading of the weights.

    Args:
        matrix: int8 [units, inputs] and the step of each of its units, see `decoder_layout.Levels`.
    """
    weights, unit_steps = matrix
    for unit in range(len(weights)):
        of_unit = weights[unit]
        for index in range(count):
            row = rows[index]
            total = multiply_levels(of_unit, levels[row])
            sums[row, unit] += np.float32(total) * (unit_steps[unit] * steps[row])


@_part
def update_lstm(gates, cell, hidden, zoneout):
    """The element-wise half of an LSTM step, with the mean of zoneout's draws; gates [4 * size] in PyTorch's order."""
    size = len(cell)
    for i in range(size):
        candidate = tanh(gates[2 * size + i])
        new = sigmoid(gates[size + i]) * cell[i] + sigmoid(gates[i]) * candidate
        cell[i] = new
        out = sigmoid(gates[3 * size + i]) * tanh(new)
        hidden[i] = out + zoneout * (hidden[i] - out)


@_part
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


@_part
def choose_rows(step, state, limits, rows):
    """The sentences that go on, into `rows`; returns how many there are."""
    count = 0
    for row in range(len(limits)):
        if state.ends[row] < 0 and step < limits[row]:
            rows[count] = row
            count += 1
    return count


@_part
def run_attention_lstm(net, state, room, constants, masks, place, count):
    """Prenet and attention LSTM of all rows: from the last frame and context to the attention's query."""
    first, second = net.prenet_first.shape[0], net.prenet_second.shape[0]
    rows, gates = room.rows, room.gates
    for index in range(count):
        row = rows[index]
        multiply(net.prenet_first, net.prenet_first_bias, state.frame[row], room.prenet)
        for i in range(first):
            room.prenet[i] = max(room.prenet[i], np.float32(0)) * masks[row, place, i]
        multiply(net.prenet_second, net.prenet_second_bias, room.prenet, room.inputs)
        for i in range(second):
            room.inputs[i] = max(room.inputs[i], np.float32(0)) * masks[row, place, first + i]
        room.inputs[second : second + state.context.shape[1]] = state.context[row]
        width = second + state.context.shape[1]
        room.steps[row] = to_levels(room.inputs[:width], room.levels[row], 0, net.highest)
        gates[row] = constants.attention[row]
    run_lstm(net, net.attention_input, net.attention_hidden, room, count, state.attention_hidden, state.attention_cell)


@_part
def run_decoder_lstm(net, state, room, constants, count):
    """Decoder LSTM of all rows: from the query and the context to its hidden state."""
    rows, gates = room.rows, room.gates
    size = state.attention_hidden.shape[1]
    for index in range(count):
        row = rows[index]
        room.inputs[:size] = state.attention_hidden[row]
        room.inputs[size : size + state.context.shape[1]] = state.context[row]
        width = size + state.context.shape[1]
        room.steps[row] = to_levels(room.inputs[:width], room.levels[row], 0, net.highest)
        gates[row] = constants.decoder[row]
    run_lstm(net, net.decoder_input, net.decoder_hidden, room, count, state.hidden, state.cell)


@_part
def finish_step(net, state, room, constants, lengths, made, place, count, step, rest_steps):
    """Frames, weights, and whether a sentence ends here."""
    frames, alignments, margin = made.frames, made.weights, state.margin
    n_mels = state.frame.shape[1]
    for index in range(count):
        row = room.rows[index]
        size, width = state.hidden.shape[1], state.hidden.shape[1] + state.context.shape[1]
        room.inputs[:size] = state.hidden[row]
        room.inputs[size:width] = state.context[row]
        multiply(net.outputs, constants.outputs[row], room.inputs[:width], room.outputs)
        frames[row, place] = room.outputs[: frames.shape[2]]
        state.frame[row] = room.outputs[frames.shape[2] - n_mels : frames.shape[2]]
        tokens = lengths[row]
        alignments[row, place, :tokens] = state.weights[row, margin : margin + tokens]
        resting = state.focus[row] == tokens - 1
        state.resting[row] = state.resting[row] + 1 if resting else 0
        if room.outputs[frames.shape[2]] > net.stop_logit or state.resting[row] >= rest_steps:
            state.ends[row] = step


# --- attention --------------------------------------------------------------------------------------------------------


@_part
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


@_inline
def reach_of_window(focus, tokens, window):
    """First and last token, exclusively, that may be looked at; a negative window is unrestricted."""
    behind, ahead = window
    if behind < 0:
        return 0, tokens
    return max(0, focus - behind), min(tokens, focus + ahead + 1)


@_part
def attend_dynamically(attention, state, room, row, memory, tokens, window):
    """A step of `attention.DynamicConvolutionState` for one sentence."""
    kernel, size = attention.static.shape
    channels = attention.from_dynamic.shape[0]
    multiply(attention.query, attention.query_bias, state.attention_hidden[row], room.query)
    for i in range(size):
        room.query[i] = tanh(room.query[i])
    multiply(attention.dynamic, attention.no_bias, room.query, room.chosen)
    for k in range(kernel):
        room.filters[k] = attention.static[k]
        for channel in range(channels):
            chosen = room.chosen[k * channels + channel]
            for i in range(size):
                room.filters[k, i] += chosen * attention.from_dynamic[channel, i]
    weights, margin = state.weights[row], state.margin
    first, last = reach_of_window(state.focus[row], tokens, window)
    for token in range(first, last):
        room.query[:] = attention.bias
        for k in range(kernel):
            weight = weights[margin + token + k - kernel // 2]
            for i in range(size):
                room.query[i] += weight * room.filters[k, i]
        energy = np.float32(0)
        for i in range(size):
            energy += tanh(room.query[i]) * attention.energy[i]
        prior = np.float32(0)
        taps = len(attention.prior)
        for tap in range(taps):
            prior += attention.prior[tap] * weights[margin + token + tap - taps + 1]
        room.energies[token] = energy + np.log(max(prior, LEAST_PRIOR))
    state.focus[row] = shift_focus(room.energies, first, last, memory[row], weights, margin, state.context[row])


@_part
def attend_to_location(attention, state, room, row, memory, tokens, window):
    """A step of `attention.LocationSensitiveState` for one sentence."""
    size = attention.filters.shape[1]
    kernel = attention.filters.shape[0] // 2
    multiply(attention.query, attention.query_bias, state.attention_hidden[row], room.chosen)
    weights, cumulative, margin = state.weights[row], state.cumulative[row], state.margin
    first, last = reach_of_window(state.focus[row], tokens, window)
    for token in range(first, last):
        for i in range(size):
            room.query[i] = room.chosen[i] + attention.keys[row, token, i]
        for k in range(kernel):
            at = margin + token + k - kernel // 2
            weight, before = weights[at], cumulative[at]
            for i in range(size):
                room.query[i] += weight * attention.filters[k, i] + before * attention.filters[kernel + k, i]
        energy = np.float32(0)
        for i in range(size):
            energy += tanh(room.query[i]) * attention.energy[i]
        room.energies[token] = energy
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
