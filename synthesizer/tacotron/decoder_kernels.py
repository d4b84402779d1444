"""The decoder's loop over steps for one CPU thread, compiled by numba.

A step of one sentence multiplies every weight by one number, so its cost is reading the weights. The products of the
two LSTMs therefore use int8 weights, a quarter of float32, which fit into a processor's cache. Their inputs are
quantised too, as finely as 32-bit sums allow. Integer sums are exact in any order, so the result of a sentence is
bit-identical in any batch.

Every function writes into arrays that its caller provides (see `decoder_layout`). A row is one sentence. What other
families use too is in `synthesizer.decoder_parts` and `synthesizer.decoder_products`.
"""

from __future__ import annotations

import numpy as np

from kernels.activations import tanh
from kernels.argument_reader import reader
from kernels.arguments import Blocks
from kernels.machine_code import MachineCode
from kernels.parts import INTEGERS, machine_code, part
from synthesizer.decoder_arrays import Outputs, Texts
from synthesizer.decoder_parts import copy, energy_of, limit_window, quantise_row, run_lstm, run_prenet, shift_focus
from synthesizer.decoder_products import apply_filters, multiply
from synthesizer.tacotron.decoder_layout import (
    DynamicNet,
    LocationNet,
    Net,
    SpeakerTerms,
    State,
    Workspace,
)

LEAST_PRIOR = np.float32(1e-6)


# --- the parts of a step ----------------------------------------------------------------------------------------------


@part
def choose_rows(step, state, limits, rows):
    """Write the sentences that have not ended into `rows`; returns their number."""
    count = 0
    for row in range(len(limits)):
        if state.ends[row] < 0 and step < limits[row]:
            rows[count] = row
            count += 1
    return count


@part
def run_attention_lstm(net, state, space, speaker, masks, index_in_span, count):
    """Prenet and attention LSTM of all rows: from the last frame and context to the attention's query."""
    second = len(net.prenet_second_bias)
    rows, gates = space.rows, space.gates
    for index in range(count):
        row = rows[index]
        run_prenet(net, state.frame[row], masks[row, index_in_span], space.prenet, space.inputs)
        copy(state.context[row], space.inputs, second)
        quantise_row(net, space.inputs, second + state.context.shape[1], space, row)
        copy(speaker.attention[row], gates[row], 0)
    run_lstm(net, net.attention_input, net.attention_hidden, space, count, state.attention_hidden, state.attention_cell)


@part
def run_decoder_lstm(net, state, space, speaker, count):
    """Decoder LSTM of all rows: from the query and the context to its hidden state."""
    rows, gates = space.rows, space.gates
    size = state.attention_hidden.shape[1]
    for index in range(count):
        row = rows[index]
        copy(state.attention_hidden[row], space.inputs, 0)
        copy(state.context[row], space.inputs, size)
        quantise_row(net, space.inputs, size + state.context.shape[1], space, row)
        copy(speaker.decoder[row], gates[row], 0)
    run_lstm(net, net.decoder_input, net.decoder_hidden, space, count, state.hidden, state.cell)


@part
def finish_step(net, state, space, speaker, lengths, outputs, index_in_span, count, step, rest_steps):
    """Write frames and attention weights, and note which sentences end here."""
    frames, alignments, margin = outputs.frames, outputs.weights, state.margin
    n_mels = state.frame.shape[1]
    for index in range(count):
        row = space.rows[index]
        copy(state.hidden[row], space.inputs, 0)
        copy(state.context[row], space.inputs, state.hidden.shape[1])
        multiply(net.outputs, speaker.outputs[row], space.inputs, space.outputs)
        copy(space.outputs[: frames.shape[2]], frames[row, index_in_span], 0)
        copy(space.outputs[frames.shape[2] - n_mels : frames.shape[2]], state.frame[row], 0)
        tokens = lengths[row]
        copy(state.weights[row, margin : margin + tokens], alignments[row, index_in_span], 0)
        resting = state.focus[row] == tokens - 1
        state.resting[row] = state.resting[row] + 1 if resting else 0
        if space.outputs[frames.shape[2]] > net.stop_logit or state.resting[row] >= rest_steps:
            state.ends[row] = step


# --- attention --------------------------------------------------------------------------------------------------------


@part
def make_filters(attention, chosen, filters):
    """The static filters plus the dynamic ones of this step: [blocks, kernel, 32]."""
    blocks, kernel, width = filters.shape
    channels = attention.from_dynamic.shape[1]
    for block in range(blocks):
        of_block = attention.from_dynamic[block : block + 1]
        for k in range(kernel):
            apply_filters(of_block, chosen, k * channels, filters, (block * kernel + k) * width)
            for unit in range(width):
                filters[block, k, unit] += attention.static[block, k, unit]


@part
def attend_dynamically(attention, state, space, row, memory, tokens, window):
    """A step of `attention.DynamicConvolutionState` for one sentence."""
    multiply(attention.query, attention.query_bias, state.attention_hidden[row], space.query)
    for i in range(len(attention.query_bias)):
        space.query[i] = tanh(space.query[i])
    multiply(attention.dynamic, attention.no_bias, space.query, space.chosen)
    make_filters(attention, space.chosen, space.filters)
    weights, margin = state.weights[row], state.margin
    kernel, taps = space.filters.shape[1], len(attention.prior)
    first, last = limit_window(state.focus[row], tokens, window)
    for token in range(first, last):
        apply_filters(space.filters, weights, margin + token - kernel // 2, space.query, 0)
        prior = np.float32(0)
        for tap in range(taps):
            prior += attention.prior[tap] * weights[margin + token + tap - taps + 1]
        energy = energy_of(space.query, attention.bias, attention.energy)
        space.energies[token] = energy + np.log(max(prior, LEAST_PRIOR))
    state.focus[row] = shift_focus(space.energies, first, last, memory[row], weights, margin, state.context[row])


@part
def attend_to_location(attention, state, space, row, memory, tokens, window):
    """A step of `attention.LocationSensitiveState` for one sentence."""
    kernel = attention.filters.shape[1]
    multiply(attention.query, attention.query_bias, state.attention_hidden[row], space.chosen)
    weights, cumulative, margin = state.weights[row], state.cumulative[row], state.margin
    first, last = limit_window(state.focus[row], tokens, window)
    for token in range(first, last):
        at = margin + token - kernel // 2
        apply_filters(attention.filters, weights, at, space.query, 0)
        apply_filters(attention.cumulative_filters, cumulative, at, space.more, 0)
        for i in range(len(attention.query_bias)):
            space.query[i] += space.more[i] + attention.keys[row, token, i]
        space.energies[token] = energy_of(space.query, space.chosen[: len(attention.query_bias)], attention.energy)
    state.focus[row] = shift_focus(space.energies, first, last, memory[row], weights, margin, state.context[row])
    for token in range(first, last):
        cumulative[margin + token] += weights[margin + token]


# --- the loop ---------------------------------------------------------------------------------------------------------


def _loop_with(attend, attention_net):
    """The decoder's loop with an attention: a function of the table of its arguments, see `kernels.arguments`.

    The arguments are those of `run`:

        masks: the prenet's dropout, [rows, steps of the span, sum of its sizes].
        outputs: to be filled.
        span: first step, end, and the steps of rest on the last token that end a sentence.
        window: tokens behind and ahead of the focus; negative is unrestricted.
    """

    @part
    def run(net, attention, state, space, speaker, texts, masks, outputs, span, window):
        for step in range(span[0], span[1]):
            index_in_span = step - span[0]
            count = choose_rows(step, state, texts.limits, space.rows)
            run_attention_lstm(net, state, space, speaker, masks, index_in_span, count)
            for index in range(count):
                row = space.rows[index]
                attend(attention, state, space, row, texts.memory, texts.lengths[row], window)
            run_decoder_lstm(net, state, space, speaker, count)
            finish_step(net, state, space, speaker, texts.lengths, outputs, index_in_span, count, step, span[2])

    read = reader(
        Net, attention_net, State, Workspace, SpeakerTerms, Texts, Blocks, Outputs, tuple[int, int, int],
        tuple[int, int],
    )  # fmt: skip

    def run_table(table):
        run(*read(table))

    return run_table


_ATTENTIONS = {"dynamic": (attend_dynamically, DynamicNet), "location": (attend_to_location, LocationNet)}


def compile_all(attention: str) -> dict[str, MachineCode]:
    """The function of an attention in `fast_decoder.LIBRARIES`."""
    return {"run": machine_code(_loop_with(*_ATTENTIONS[attention]), INTEGERS)}
