"""The compiled loops of the classic WaveRNN; see `kernels` for the layout of their arguments."""

import numpy as np

from kernels.amx import close_tiles, open_tiles
from kernels.parts import exact_inline, exact_part
from kernels.simd import fused, load16, splat16, store
from vocoder.wavernn import packing as at
from vocoder.wavernn.kernels import NO_FLOOR, ONE, OWN_BIAS, START, ZERO, add, finish_step, gru, store_state
from vocoder.wavernn.packing import CLASSIC
from vocoder.wavernn.products import WIDE, frames_product, look_up, product

(_RECURRENT_1, _INPUT_2, _RECURRENT_2, _FC_1, _FC_2, _OUTPUT, _CONTEXT, _RESIDUAL_OUTPUT, _BANDS, _AUX_1, _AUX_2,
 _AUX_3, _AUX_4, _RESIDUAL) = map(np.int64, range(len(CLASSIC) + 1))  # fmt: skip


@exact_part
def _mix_inputs(net, sizes, memory, conditions, base, phase, width):
    """Outputs of the input layer and the first GRU's gates for them, [4 * hidden], from the last sample and the frames.

    `conditions` has the part that is the same for a whole frame, then one part for each frame of the window.
    """
    _, floats, _ = net
    taps, count = sizes[at.TAPS], 4 * sizes[at.HIDDEN]
    coefficients = sizes[at.TAP_TABLE] + phase * taps
    first, stop = 0, taps
    while first < stop and floats[coefficients + first] == 0:
        first += 1
    while stop > first and floats[coefficients + stop - 1] == 0:
        stop -= 1
    values, inputs, weights = sizes[at.SUMS] * width, sizes[at.INPUTS] * width, sizes[at.SAMPLE_COLUMN]
    for lane in range(width):
        last = memory[sizes[at.LAST] * width + lane]
        memory[values + lane] = last if sizes[at.MIXTURE] else last * np.float32(2.0 / (sizes[at.LABELS] - 1)) - ONE
    for i in range(0, count, WIDE):
        weight = load16(floats, weights + i)
        for lane in range(width):
            here = i * width + lane * WIDE
            total = fused(splat16(memory[values + lane]), weight, load16(conditions, base + here))
            for tap in range(first, stop):
                coefficient = splat16(floats[coefficients + tap])
                total = fused(coefficient, load16(conditions, base + (tap + 1) * count * width + here), total)
            store(memory, inputs + here, total)


@exact_inline
def _has_tiles(plan):
    """Whether a matrix of the sample loop has tiles for AMX."""
    found = False
    for matrix in range(_OUTPUT + 1):
        found = found or look_up(plan, matrix, at.TILES) >= 0
    return found


@exact_part
def classic_steps(net, sizes, memory, rows, conditions, tape, probe, probing, out, offset, count, width):
    """Run `count` samples of the classic shape; see `compact_kernels.compact_steps`.

    Args:
        conditions: [frames, sizes[CONDITION] / 16, width, 16].
    """
    hidden, layer = sizes[at.HIDDEN], sizes[at.FC] * width
    units = hidden * width
    here_1, next_1 = sizes[at.STATE] * width, sizes[at.NEXT_STATE] * width
    here_2, next_2 = sizes[at.STATE_2] * width, sizes[at.NEXT_STATE_2] * width
    inputs, inputs_2, gates = sizes[at.INPUTS] * width, sizes[at.INPUTS_2] * width, sizes[at.GATES] * width
    sum_1, sum_2 = sizes[at.SUM_1] * width, sizes[at.SUM_2] * width
    layer_1, layer_2 = sizes[at.LAYER_1] * width, sizes[at.LAYER_2] * width
    logits = sizes[at.LOGITS] * width
    tiled = width == WIDE and _has_tiles(net[0])
    if tiled:
        open_tiles()
    for step in range(count):
        frame, phase = divmod(offset + step, sizes[at.PER_CONDITION])
        condition = frame * sizes[at.CONDITION] * width
        own = condition + 4 * units * (1 + sizes[at.TAPS])  # conditions of the second GRU, then of both layers
        _mix_inputs(net, sizes, memory, conditions, condition, phase, width)
        gru(net, _RECURRENT_1, memory, gates, inputs + units, here_1, next_1, inputs, sum_1, hidden, width)
        product(net, _INPUT_2, memory, sum_1, conditions, own, memory, inputs_2, NO_FLOOR, width)
        gru(net, _RECURRENT_2, memory, gates, inputs_2, here_2, next_2, sum_1, sum_2, hidden, width)
        product(net, _FC_1, memory, sum_2, conditions, own + 3 * units, memory, layer_1, ZERO, width)
        product(net, _FC_2, memory, layer_1, conditions, own + 3 * units + layer, memory, layer_2, ZERO, width)
        product(net, _OUTPUT, memory, layer_2, memory, OWN_BIAS, memory, logits, NO_FLOOR, width)
        finish_step(sizes, memory, tape, probe, probing, out, step, width)
        here_1, next_1, here_2, next_2 = next_1, here_1, next_2, here_2
    if tiled:
        close_tiles()
    store_state(memory, here_1, sizes[at.STATE] * width, units)
    store_state(memory, here_2, sizes[at.STATE_2] * width, units)


@exact_part
def classic_condition(net, sizes, workspace, windows, out):
    """The conditions of 16 frames: windows [taps * n_mels, 16] -> [sizes[CONDITION], 16].

    Args:
        workspace: see `compact_kernels.compact_condition`.
    """
    hidden, channels, aux = sizes[at.HIDDEN], sizes[at.CHANNELS], sizes[at.PART] * WIDE
    x, inner, change = START, sizes[at.WORKSPACE] * WIDE, 2 * sizes[at.WORKSPACE] * WIDE
    frames_product(net, _CONTEXT, windows, START, workspace, x, ZERO)
    for block in range(sizes[at.DEPTH]):
        layer = _RESIDUAL + 2 * block
        frames_product(net, layer, workspace, x, workspace, inner, ZERO)
        frames_product(net, layer + 1, workspace, inner, workspace, change, NO_FLOOR)
        add(workspace, x, workspace, change, channels * WIDE)
    frames_product(net, _RESIDUAL_OUTPUT, workspace, x, workspace, inner, NO_FLOOR)
    to = START
    frames_product(net, _AUX_1, workspace, inner, out, to, NO_FLOOR)
    to += 4 * hidden * WIDE
    for tap in range(sizes[at.TAPS]):
        frames_product(net, _BANDS, windows, tap * sizes[at.MELS] * WIDE, out, to, NO_FLOOR)
        to += 4 * hidden * WIDE
    frames_product(net, _AUX_2, workspace, inner + aux, out, to, NO_FLOOR)
    to += 3 * hidden * WIDE
    frames_product(net, _AUX_3, workspace, inner + 2 * aux, out, to, NO_FLOOR)
    to += sizes[at.FC] * WIDE
    frames_product(net, _AUX_4, workspace, inner + 3 * aux, out, to, NO_FLOOR)
