"""Parts of the compiled loops that both WaveRNN shapes share: a step of a GRU, and drawing a sample.

A kernel works on `width` lanes: 1 is a single stream, 8 or 16 are folds side by side. Everything that belongs to a lane
is laid out [units, width], so that what is done number by number is one loop over flat memory in steps of 16 floats,
whatever the width; only products, sums over outputs, and what is the same for all lanes tell them apart.

Arrays come as addresses, float32 where nothing else is said. `net` is those of plan, floats and ints of a
`packing.PackedWaveRNN`, `sizes` that of its sizes; `memory` is [units, width] by the offsets in there: the lanes'
states, which live from call to call, and room to work in.
"""

import math

import numpy as np

from vocoder.wavernn import packing as at
from vocoder.wavernn.config import MIXTURES
from vocoder.wavernn.products import look_up, multiply_gates
from vocoder.wavernn.simd import (
    WIDE,
    exp,
    fused,
    jit_inline,
    jit_part,
    largest_lane,
    load,
    maximum,
    minimum,
    softmax_mass,
    splat,
    splat_half,
    splat_two,
    store,
    sum_lanes,
    sum_rows,
    swap_halves,
)

NO_FLOOR = np.float32(-np.inf)
ZERO = np.float32(0.0)
ONE = np.float32(1.0)
_FAR = np.float32(30.0)  # a sigmoid beyond it is 0 or 1 within 1e-13
_MIN_LOG_SCALE = np.float32(-7.0)  # of a logistic, as in `samples`
# Integers as kernels hand them on. Plain ones would be types of their own to numba, each with its copy of the code.
OWN_BIAS, START, FRAMES = np.int64(-1), np.int64(0), np.int64(WIDE)


# --- number by number ---


@jit_inline
def _decay(x):
    """e^-x, for x that matter to a sigmoid."""
    far = splat(_FAR)
    return exp(minimum(maximum(splat(ZERO) - x, splat(-_FAR)), far))


@jit_inline
def _sigmoid(x):
    one = splat(ONE)
    return one / (one + _decay(x))


@jit_part
def silu(memory, begin, count):
    for i in range(begin, begin + count, WIDE):
        x = load(memory, i)
        store(memory, i, x * _sigmoid(x))


@jit_part
def tanh(memory, begin, count):
    one = splat(ONE)
    for i in range(begin, begin + count, WIDE):
        x = load(memory, i)
        decay = _decay(x + x)
        store(memory, i, (one - decay) / (one + decay))


@jit_part
def add(memory, begin, other, from_, count):
    for i in range(0, count, WIDE):
        store(memory, begin + i, load(memory, begin + i) + load(other, from_ + i))


@jit_inline
def _unit_weights(floats, begin, i, width):
    """The weight of each unit, for its lanes: the 16 that go with the numbers [i, i + 16) of [units, width]."""
    if width == 1:
        return load(floats, begin + i)
    if width == WIDE:
        return splat(floats[begin + i // WIDE])
    unit = begin + i // width
    return splat_two(floats[unit], floats[unit + 1])


@jit_part
def gru(net, matrix, memory, gates, inputs, state, following, residual, total, hidden, width):
    """One step of a GRU with PyTorch's gates, 16 units at a time.

    `inputs` [3 * hidden] is the gates' share of the input, biases included. Where `residual` is not negative, its
    [hidden] and the new state are added up into `total`.

        r = sigmoid(i_r + h_r)    z = sigmoid(i_z + h_z)    n = tanh(i_n + r * h_n)    h' = n + z * (h - n)

    With e_z = exp(-i_z - h_z) and e_n = exp(-2 (i_n + r h_n)), z = 1 / (1 + e_z) and n = (1 - e_n) / (1 + e_n), so

        h' = (e_z (1 - e_n) + h (1 + e_n)) / ((1 + e_z) (1 + e_n)),

    a single division.
    """
    plan, floats, _ = net
    diagonal = look_up(plan, matrix, at.DIAGONAL)
    rows, block = hidden // WIDE, WIDE * width
    one = splat(ONE)
    for unit in range(rows):
        multiply_gates(net, matrix, unit, memory, state, memory, gates, width)
        for i in range(0, block, WIDE):
            here = unit * block + i
            old = load(memory, state + here)
            reset, keep, new = (
                load(memory, gates + i),
                load(memory, gates + block + i),
                load(memory, gates + 2 * block + i),
            )
            if diagonal >= 0:
                unit_at = diagonal + unit * WIDE
                reset = fused(_unit_weights(floats, unit_at, i, width), old, reset)
                keep = fused(_unit_weights(floats, unit_at + hidden, i, width), old, keep)
                new = fused(_unit_weights(floats, unit_at + 2 * hidden, i, width), old, new)
            reset = _sigmoid(load(memory, inputs + here) + reset)
            keep = load(memory, inputs + hidden * width + here) + keep
            new = fused(reset, new, load(memory, inputs + 2 * hidden * width + here))
            e_z, e_n = _decay(keep), _decay(new + new)
            rest = one + e_n
            h = fused(e_z, one - e_n, old * rest) / ((one + e_z) * rest)
            store(memory, following + here, h)
            if residual >= 0:
                store(memory, total + here, load(memory, residual + here) + h)


# --- drawing a sample ---


@jit_inline
def _find_label(memory, masses, sums, labels, uniform, width):
    """The first label at which the running sum of a lane's masses exceeds `uniform` times the whole.

    `sums` are those of 16 labels at a time. All widths add up in the same order, so that all draw the same.
    """
    blocks, whole = labels // WIDE, ZERO
    for block in range(blocks):
        whole += memory[sums + block * width]
    aim, running, block = uniform * whole, ZERO, 0
    while block < blocks - 1 and running + memory[sums + block * width] <= aim:
        running += memory[sums + block * width]
        block += 1
    label = block * WIDE
    running += memory[masses + label * width]
    while running <= aim and label < labels - 1:
        label += 1
        running += memory[masses + label * width]
    return np.float32(label)


@jit_part
def _draw_labels(memory, logits, sums, labels, tape, uniforms, drawn, width):
    """Draw a label for each lane from the softmax of its logits, which are overwritten."""
    end = logits + labels * width
    high = load(memory, logits)
    for i in range(logits + WIDE, end, WIDE):
        high = maximum(high, load(memory, i))
    if width == 1:  # a vector holds 16 labels of the lane
        high = splat(largest_lane(high))
    elif width < WIDE:  # two labels of each lane
        high = maximum(high, swap_halves(high))
    for i in range(logits, end, WIDE):
        store(memory, i, softmax_mass(load(memory, i) - high))
    for block in range(labels // WIDE):
        here, there = logits + block * WIDE * width, sums + block * width
        if width == 1:
            memory[there] = sum_lanes(load(memory, here))
        elif width < WIDE:
            store(memory, there, sum_rows(splat_half(ZERO), memory, here))
        else:
            store(memory, there, sum_rows(high, memory, here))
    for lane in range(width):
        memory[drawn + lane] = _find_label(memory, logits + lane, sums + lane, labels, tape[uniforms + lane], width)


@jit_part
def _draw_value(memory, outputs, lane, width, uniform, logit):
    """A value from a mixture of logistics; `logit` is log(u / (1 - u)) of the second random number."""
    top = memory[outputs + lane]
    for k in range(1, MIXTURES):
        top = max(top, memory[outputs + k * width + lane])
    whole = ZERO
    for k in range(MIXTURES):
        whole += np.float32(math.exp(memory[outputs + k * width + lane] - top))
    chosen, aim = 0, uniform * whole
    running = np.float32(math.exp(memory[outputs + lane] - top))
    while running <= aim and chosen < MIXTURES - 1:
        chosen += 1
        running += np.float32(math.exp(memory[outputs + chosen * width + lane] - top))
    mean = memory[outputs + (MIXTURES + chosen) * width + lane]
    log_scale = memory[outputs + (2 * MIXTURES + chosen) * width + lane]
    value = mean + np.float32(math.exp(max(log_scale, _MIN_LOG_SCALE))) * logit
    return max(-ONE, min(ONE, value))


@jit_part
def finish_step(sizes, memory, tape, probe, probing, out, step, width):
    """Draw each lane's sample from its outputs; with a probe, keep the outputs and take the samples from `out`."""
    logits, last, labels = sizes[at.LOGITS] * width, sizes[at.LAST] * width, sizes[at.LABELS]
    here = step * width
    if probing:
        rows = sizes[at.OUTPUTS] * width
        for i in range(rows):
            probe[step * rows + i] = memory[logits + i]
        for lane in range(width):
            memory[last + lane] = out[here + lane]
        return
    if sizes[at.MIXTURE]:
        for lane in range(width):
            uniform, logit = tape[2 * here + lane], tape[2 * here + width + lane]
            memory[last + lane] = _draw_value(memory, logits, lane, width, uniform, logit)
    else:
        _draw_labels(memory, logits, sizes[at.SUMS] * width, labels, tape, here, last, width)
    for lane in range(width):
        out[here + lane] = memory[last + lane]


@jit_part
def bring_home(memory, state, home, count):
    """Copy a state to where the next call looks for it."""
    if state != home:
        for i in range(0, count, WIDE):
            store(memory, home + i, load(memory, state + i))
