"""The compiled loops of the compact WaveRNN; see `kernels` for the layout of their arguments."""

import numpy as np

from kernels.parts import exact_part
from kernels.simd import load16, store
from vocoder.wavernn import packing as at
from vocoder.wavernn.kernels import (
    NO_FLOOR,
    OWN_BIAS,
    START,
    ZERO,
    add,
    as_label,
    finish_step,
    gru,
    silu,
    store_state,
    tanh,
)
from vocoder.wavernn.packing import COMPACT
from vocoder.wavernn.products import WIDE, frames_product, product

_RECURRENT, _FC, _OUTPUT, _CONTEXT, _DENSE, _DENSE_2, _SPREAD, _GATES = map(np.int64, range(len(COMPACT)))


@exact_part
def look_up_labels(net, sizes, memory, rows, conditions, condition, width):
    """The gates' inputs: each lane's row of the label table plus its conditions."""
    _, floats, _ = net
    inputs, last, count = sizes[at.INPUTS] * width, sizes[at.LAST] * width, 3 * sizes[at.HIDDEN]
    for lane in range(width):
        value = memory[last + lane]
        label = as_label(value, sizes[at.LABELS]) if sizes[at.MIXTURE] else int(value)
        rows[lane] = sizes[at.LABEL_TABLE] + label * count
    for i in range(0, count, WIDE):
        for lane in range(width):
            here = i * width + lane * WIDE
            store(memory, inputs + here, load16(floats, rows[lane] + i) + load16(conditions, condition + here))


@exact_part
def run_network(net, sizes, memory, here, following, width):
    """The GRU from the state `here` to the state `following`, and the outputs."""
    hidden, inputs, gates = sizes[at.HIDDEN], sizes[at.INPUTS] * width, sizes[at.GATES] * width
    layer, logits = sizes[at.LAYER_1] * width, sizes[at.LOGITS] * width
    gru(net, _RECURRENT, memory, gates, inputs, here, following, OWN_BIAS, OWN_BIAS, hidden, width)
    product(net, _FC, memory, following, memory, OWN_BIAS, memory, layer, ZERO, width)
    product(net, _OUTPUT, memory, layer, memory, OWN_BIAS, memory, logits, NO_FLOOR, width)


@exact_part
def compact_steps(net, sizes, memory, rows, conditions, tape, probe, probing, out, offset, count, width):
    """Run `count` samples of the compact shape.

    Args:
        rows: int64 [16], workspace.
        conditions: [frames, subframes, 3 * hidden / 16, width, 16].
        tape: uniform random numbers [count, uniforms, width]; for a mixture of logistics the second is the logit of
            such a number.
        probe: [count, outputs / 16, width, 16]; where `probing`, it receives the outputs of the network for
            the samples in `out`.
        out: [count, width], the samples.
        offset: of the first sample, counted from the first of the conditions.
    """
    here, following = sizes[at.STATE] * width, sizes[at.NEXT_STATE] * width
    for step in range(count):
        condition = (offset + step) // sizes[at.PER_CONDITION] * sizes[at.CONDITION] * width
        look_up_labels(net, sizes, memory, rows, conditions, condition, width)
        run_network(net, sizes, memory, here, following, width)
        finish_step(sizes, memory, tape, probe, probing, out, step, width)
        here, following = following, here
    store_state(memory, here, sizes[at.STATE] * width, sizes[at.HIDDEN] * width)


@exact_part
def compact_condition(net, sizes, workspace, windows, out):
    """The conditions of 16 frames.

    Args:
        workspace: [3 * sizes[WORKSPACE] + sizes[DEPTH] * sizes[WORKSPACE], 16].
        windows: [taps * n_mels, 16].
        out: [subframes * 3 * hidden, 16].
    """
    channels, subframes = sizes[at.CHANNELS], sizes[at.DEPTH]
    x, change, spread = START, sizes[at.WORKSPACE] * WIDE, 2 * sizes[at.WORKSPACE] * WIDE
    frames_product(net, _CONTEXT, windows, START, workspace, x, NO_FLOOR)
    silu(workspace, x, channels * WIDE)
    for layer in range(2):
        frames_product(net, _DENSE + layer, workspace, x, workspace, change, NO_FLOOR)
        silu(workspace, change, channels * WIDE)
        add(workspace, x, workspace, change, channels * WIDE)
    frames_product(net, _SPREAD, workspace, x, workspace, spread, NO_FLOOR)
    tanh(workspace, spread, subframes * channels * WIDE)
    for subframe in range(subframes):
        source, target = spread + subframe * channels * WIDE, subframe * sizes[at.CONDITION] * WIDE
        frames_product(net, _GATES, workspace, source, out, target, NO_FLOOR)
