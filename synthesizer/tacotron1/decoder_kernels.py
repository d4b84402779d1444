"""The loop over steps of a Tacotron 1 for one sentence and one CPU thread, compiled by numba.

As in the decoder of the Tacotron 2, the LSTMs have int8 weights and quantised inputs; all else is float32.
"""

from __future__ import annotations

from kernels.activations import sigmoid, tanh
from kernels.argument_reader import reader
from kernels.arguments import Matrix
from kernels.machine_code import MachineCode
from kernels.parts import INTEGERS, machine_code, part
from synthesizer.decoder_parts import copy, energy_of, limit_window, quantise_row, run_lstm, run_prenet, shift_focus
from synthesizer.decoder_products import apply_filters, multiply
from synthesizer.tacotron1.decoder_layout import Net, Outputs, State, Text, Workspace


@part
def update_query(net, state, space, masks):
    """Prenet and attention GRU: from the last frame and context to the attention's query."""
    size = len(state.query)
    copy(state.context, space.inputs, 0)
    context = len(state.context)
    run_prenet(net, state.frame, masks, space.prenet, space.x)
    copy(space.x[: len(net.prenet_second_bias)], space.inputs, context)
    multiply(net.gru_input, net.gru_input_bias, space.inputs, space.x)
    multiply(net.gru_hidden, net.gru_hidden_bias, state.query, space.more)
    for i in range(size):
        reset = sigmoid(space.x[i] + space.more[i])
        kept = sigmoid(space.x[size + i] + space.more[size + i])
        new = tanh(space.x[2 * size + i] + reset * space.more[2 * size + i])
        state.query[i] = new + kept * (state.query[i] - new)


@part
def attend(net, state, space, text, window):
    """A step of `model.Attention`: weights, their sum over the steps, and the context."""
    tokens, size = len(text.memory), len(state.query)
    kernel, margin = net.filters.shape[1], state.margin
    multiply(net.query, net.query_bias, state.query, space.more)
    first, last = limit_window(state.progress[0], tokens, window)
    for token in range(first, last):
        apply_filters(net.filters, state.cumulative, margin + token - kernel // 2, space.x, 0)
        for i in range(size):
            space.x[i] += text.keys[token, i]
        space.energies[token] = energy_of(space.x, space.more[:size], net.energy)
    state.progress[0] = shift_focus(space.energies, first, last, text.memory, state.weights, margin, state.context)
    for token in range(first, last):
        state.cumulative[margin + token] += state.weights[margin + token]


@part
def run_lstms(net, state, space):
    """Both LSTMs with their residual connections; leaves their sum in `space.x`."""
    wide = state.hidden1.shape[1]
    copy(state.context, space.inputs, 0)
    copy(state.query, space.inputs, len(state.context))
    multiply(net.to_lstm, net.to_lstm_bias, space.inputs, space.x)
    copy(net.lstm1_bias, space.gates[0], 0)
    quantise_row(net, space.x, wide, space, 0)
    run_lstm(net, net.lstm1_input, net.lstm1_hidden, space, 1, state.hidden1, state.cell1)
    for i in range(wide):
        space.x[i] += state.hidden1[0, i]
    copy(net.lstm2_bias, space.gates[0], 0)
    quantise_row(net, space.x, wide, space, 0)
    run_lstm(net, net.lstm2_input, net.lstm2_hidden, space, 1, state.hidden2, state.cell2)
    for i in range(wide):
        space.x[i] += state.hidden2[0, i]


@part
def finish_step(net, state, space, outputs, index, tokens):
    """Write frames and attention weights; returns the stop token."""
    frames, margin, n_mels = outputs.frames, state.margin, len(state.frame)
    wide, width = state.hidden1.shape[1], frames.shape[1]
    copy(space.x[:wide], space.inputs, 0)
    copy(state.context, space.inputs, wide)
    multiply(net.outputs, net.outputs_bias, space.inputs, space.outputs)
    copy(space.outputs[:width], frames[index], 0)
    copy(space.outputs[width - n_mels : width], state.frame, 0)
    copy(state.weights[margin : margin + tokens], outputs.weights[index], 0)
    state.progress[1] = state.progress[1] + 1 if state.progress[0] == tokens - 1 else 0
    return space.outputs[width]


@part
def run(net, state, space, text, masks, outputs, span, window):
    """Run steps until the sentence ends.

    Args:
        masks: the prenet's dropout, [steps of the span, sum of its sizes].
        outputs: to be filled.
        span: first step, end, the first step at which the stop token counts, and the steps of rest on the last token
            that end the sentence.
        window: tokens behind and ahead of the focus; negative is unrestricted.
    """
    tokens = len(text.memory)
    for step in range(span[0], span[1]):
        update_query(net, state, space, masks[step - span[0]])
        attend(net, state, space, text, window)
        run_lstms(net, state, space)
        stop = finish_step(net, state, space, outputs, step - span[0], tokens)
        if state.progress[1] >= span[3] or (step >= span[2] and stop > net.stop_logit):
            state.progress[2] = step
            return


_read = reader(Net, State, Workspace, Text, Matrix, Outputs, tuple[int, int, int, int], tuple[int, int])


def _run_table(table):
    run(*_read(table))


def compile_all() -> dict[str, MachineCode]:
    """The function in `fast_decoder.LIBRARY`."""
    return {"run": machine_code(_run_table, INTEGERS)}
