"""Parts of the compiled loops that both WaveRNN shapes share: a step of a GRU, and drawing a sample.

A kernel works on `width` lanes: 1 is a single stream, 2, 4 or 8 are folds side by side. What belongs to a lane is laid
out in tiles [units / 16, width, 16], so that every load takes 16 units of one lane, whatever the width, and what is
done number by number is one loop over flat memory.

Arrays come as addresses, float32 where nothing else is said. `net` is those of plan, floats and ints of a
`packing.PackedWaveRNN`, `sizes` that of its sizes; `memory` is such tiles by the offsets in there: the lanes' states,
which live from call to call, and room to work in.
"""

import math

import numpy as np

from kernels.simd import (
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
    store,
    sum_lanes,
)
from vocoder.wavernn import packing as at
from vocoder.wavernn.config import MIXTURES
from vocoder.wavernn.products import look_up, multiply_gates

NO_FLOOR = np.float32(-np.inf)
ZERO = np.float32(0.0)
ONE = np.float32(1.0)
_FAR = np.float32(30.0)  # a sigmoid beyond it is 0 or 1 within 1e-13
_MIN_LOG_SCALE = np.float32(-7.0)  # of a logistic, as in `samples`
# Integers as kernels hand them on. Plain ones would be types of their own to numba, each with its copy of the code.
OWN_BIAS, START = np.int64(-1), np.int64(0)


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
                weights = diagonal + unit * WIDE
                reset = fused(load(floats, weights), old, reset)
                keep = fused(load(floats, weights + hidden), old, keep)
                new = fused(load(floats, weights + 2 * hidden), old, new)
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

    `sums` are the running ones of 16 labels at a time.
    """
    blocks, block = labels // WIDE, 0
    aim = uniform * memory[sums + blocks - 1]
    while block < blocks - 1 and memory[sums + block] <= aim:
        block += 1
    running = memory[sums + block - 1] if block else ZERO
    here, label = masses + block * WIDE * width, 0
    running += memory[here]
    while running <= aim and label < WIDE - 1:
        label += 1
        running += memory[here + label]
    return np.float32(block * WIDE + label)


@jit_part
def _draw_labels(memory, logits, sums, labels, tape, uniforms, drawn, width):
    """Draw a label for each lane from the softmax of its logits, which are overwritten."""
    tile = WIDE * width
    for lane in range(width):
        begin, end = logits + lane * WIDE, logits + labels * width
        high = load(memory, begin)
        for i in range(begin + tile, end, tile):
            high = maximum(high, load(memory, i))
        high, running, block = splat(largest_lane(high)), ZERO, sums
        for i in range(begin, end, tile):
            mass = softmax_mass(load(memory, i) - high)
            store(memory, i, mass)
            running += sum_lanes(mass)
            memory[block] = running
            block += 1
        memory[drawn + lane] = _find_label(memory, begin, sums, labels, tape[uniforms + lane], width)


@jit_inline
def _tiled(unit, width):
    """How far a unit of a lane is from the lane's first."""
    return unit // WIDE * WIDE * width + unit % WIDE


@jit_part
def _draw_value(memory, outputs, lane, width, uniform, logit):
    """A value from a mixture of logistics; `logit` is log(u / (1 - u)) of the second random number."""
    outputs += lane * WIDE
    top = memory[outputs]
    for k in range(1, MIXTURES):
        top = max(top, memory[outputs + _tiled(k, width)])
    whole = ZERO
    for k in range(MIXTURES):
        whole += np.float32(math.exp(memory[outputs + _tiled(k, width)] - top))
    chosen, aim = 0, uniform * whole
    running = np.float32(math.exp(memory[outputs] - top))
    while running <= aim and chosen < MIXTURES - 1:
        chosen += 1
        running += np.float32(math.exp(memory[outputs + _tiled(chosen, width)] - top))
    mean = memory[outputs + _tiled(MIXTURES + chosen, width)]
    log_scale = memory[outputs + _tiled(2 * MIXTURES + chosen, width)]
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
