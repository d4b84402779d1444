"""Parts of the compiled loops that all WaveRNN shapes share: a step of a GRU, and drawing a sample.

A kernel works on `width` lanes: 1 is a single stream, 2, 4, 8 or 16 are folds side by side. The values of a lane are
laid out in tiles [units / 16, width, 16], so that every load takes 16 units of one lane at any width, and element-wise
operations are one loop over flat memory.

Arrays come as addresses, float32 where not stated. `net` has those of plan, floats and ints of a
`packing.PackedWaveRNN`, `sizes` that of its sizes. `memory` has tiles at the offsets in `sizes`: the states of the
lanes, which are kept from call to call, and workspaces.
"""

import math

import numpy as np

from kernels.activations import decay16, sigmoid16, softmax_weight, tanh16
from kernels.parts import exact_inline, exact_part
from kernels.simd import fused, largest_lane, load16, maximum, splat16, store, sum_lanes
from vocoder.wavernn import packing as at
from vocoder.wavernn.config import MIXTURES
from vocoder.wavernn.products import WIDE, look_up, multiply_gates, product

NO_FLOOR = np.float32(-np.inf)
ZERO = np.float32(0.0)
HALF, ONE, TWO = np.float32(0.5), np.float32(1.0), np.float32(2.0)
_MIN_LOG_SCALE = np.float32(-7.0)  # of a logistic, as in `samples`
# Integer arguments of kernels. numba would treat plain constants as separate types and compile a copy for each.
OWN_BIAS, START = np.int64(-1), np.int64(0)


# --- element by element -----------------------------------------------------------------------------------------------


@exact_part
def silu(memory, begin, count):
    for i in range(begin, begin + count, WIDE):
        x = load16(memory, i)
        store(memory, i, x * sigmoid16(x))


@exact_part
def tanh(memory, begin, count):
    for i in range(begin, begin + count, WIDE):
        store(memory, i, tanh16(load16(memory, i)))


@exact_part
def add(memory, begin, other, from_, count):
    for i in range(0, count, WIDE):
        store(memory, begin + i, load16(memory, begin + i) + load16(other, from_ + i))


@exact_part
def gru(net, matrix, memory, gates, inputs, state, following, residual, total, hidden, width):
    """One step of a GRU with PyTorch's gates, 16 units at a time.

    `inputs` [3 * hidden] has the gates' sums over the input, biases included. Where `residual` is not negative, `total`
    [hidden] becomes the sum of the values there and the new state.

        r = sigmoid(i_r + h_r)    z = sigmoid(i_z + h_z)    n = tanh(i_n + r * h_n)    h' = n + z * (h - n)

    With e_z = exp(-i_z - h_z) and e_n = exp(-2 (i_n + r h_n)), z = 1 / (1 + e_z) and n = (1 - e_n) / (1 + e_n), so

        h' = (e_z (1 - e_n) + h (1 + e_n)) / ((1 + e_z) (1 + e_n)),

    a single division.
    """
    plan, floats, _ = net
    diagonal = look_up(plan, matrix, at.DIAGONAL)
    rows, block = hidden // WIDE, WIDE * width
    one = splat16(ONE)
    tiled = width == WIDE and look_up(plan, matrix, at.TILES) >= 0
    apart = hidden * width if tiled else block
    if tiled:
        product(net, matrix, memory, state, memory, OWN_BIAS, memory, gates, NO_FLOOR, width)
    for unit in range(rows):
        first = gates
        if tiled:
            first += unit * block
        else:
            multiply_gates(net, matrix, unit, memory, state, memory, gates, width)
        for i in range(0, block, WIDE):
            here = unit * block + i
            old = load16(memory, state + here)
            reset, keep, new = (
                load16(memory, first + i),
                load16(memory, first + apart + i),
                load16(memory, first + 2 * apart + i),
            )
            if diagonal >= 0:
                weights = diagonal + unit * WIDE
                reset = fused(load16(floats, weights), old, reset)
                keep = fused(load16(floats, weights + hidden), old, keep)
                new = fused(load16(floats, weights + 2 * hidden), old, new)
            reset = sigmoid16(load16(memory, inputs + here) + reset)
            keep = load16(memory, inputs + hidden * width + here) + keep
            new = fused(reset, new, load16(memory, inputs + 2 * hidden * width + here))
            e_z, e_n = decay16(keep), decay16(new + new)
            rest = one + e_n
            h = fused(e_z, one - e_n, old * rest) / ((one + e_z) * rest)
            store(memory, following + here, h)
            if residual >= 0:
                store(memory, total + here, load16(memory, residual + here) + h)


# --- drawing a sample -------------------------------------------------------------------------------------------------


@exact_inline
def _find_label(memory, weights, sums, labels, uniform, width):
    """The first label at which the running sum of a lane's weights exceeds `uniform` times the total.

    `sums` has the running sum after each 16 labels.
    """
    blocks, block = labels // WIDE, 0
    aim = uniform * memory[sums + blocks - 1]
    while block < blocks - 1 and memory[sums + block] <= aim:
        block += 1
    running = memory[sums + block - 1] if block else ZERO
    here, label = weights + block * WIDE * width, 0
    running += memory[here]
    while running <= aim and label < WIDE - 1:
        label += 1
        running += memory[here + label]
    return np.float32(block * WIDE + label)


@exact_part
def as_label(value, labels):
    """The mu-law label of a value in [-1, 1], see `samples.as_labels`."""
    mu = np.float32(labels - 1)
    return min(labels - 1, max(0, math.floor((on_curve(value, labels) + ONE) / TWO * mu + HALF)))


@exact_inline
def on_curve(value, labels):
    """A value on the mu-law curve, see `samples.curve_of`."""
    mu = np.float32(labels - 1)
    return math.copysign(np.float32(math.log1p(mu * min(abs(value), ONE))), value) / np.float32(math.log1p(mu))


@exact_part
def _draw_labels(memory, logits, sums, labels, sharpness, tape, uniforms, drawn, width):
    """Draw a label for each lane from the softmax of its logits, which are overwritten.

    `sharpness` has the power to which the distribution of each lane is raised, then what is subtracted from it,
    relative to the largest probability: 1 and 0 leave it as it is.
    """
    tile, none = WIDE * width, splat16(ZERO)
    for lane in range(width):
        power, least = splat16(memory[sharpness + lane]), splat16(memory[sharpness + WIDE * width + lane])
        begin, end = logits + lane * WIDE, logits + labels * width
        high = load16(memory, begin)
        for i in range(begin + tile, end, tile):
            high = maximum(high, load16(memory, i))
        high, running, block = splat16(largest_lane(high)), ZERO, sums
        for i in range(begin, end, tile):
            weight = maximum(softmax_weight((load16(memory, i) - high) * power) - least, none)
            store(memory, i, weight)
            running += sum_lanes(weight)
            memory[block] = running
            block += 1
        memory[drawn + lane] = _find_label(memory, begin, sums, labels, tape[uniforms + lane], width)


@exact_inline
def tiled(unit, width):
    """The offset of a unit of a lane from the lane's first."""
    return unit // WIDE * WIDE * width + unit % WIDE


@exact_part
def _draw_value(memory, outputs, lane, width, uniform, logit):
    """A value from a mixture of logistics; `logit` is log(u / (1 - u)) of the second random number."""
    outputs += lane * WIDE
    top = memory[outputs]
    for k in range(1, MIXTURES):
        top = max(top, memory[outputs + tiled(k, width)])
    total = ZERO
    for k in range(MIXTURES):
        total += np.float32(math.exp(memory[outputs + tiled(k, width)] - top))
    chosen, aim = 0, uniform * total
    running = np.float32(math.exp(memory[outputs] - top))
    while running <= aim and chosen < MIXTURES - 1:
        chosen += 1
        running += np.float32(math.exp(memory[outputs + tiled(chosen, width)] - top))
    mean = memory[outputs + tiled(MIXTURES + chosen, width)]
    log_scale = memory[outputs + tiled(2 * MIXTURES + chosen, width)]
    value = mean + np.float32(math.exp(max(log_scale, _MIN_LOG_SCALE))) * logit
    return max(-ONE, min(ONE, value))


@exact_part
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
        sums, sharpness = sizes[at.SUMS] * width, sizes[at.SHARPNESS] * width
        _draw_labels(memory, logits, sums, labels, sharpness, tape, here, last, width)
    for lane in range(width):
        out[here + lane] = memory[last + lane]


@exact_part
def store_state(memory, state, target, count):
    """Copy a state to where the next call reads it."""
    if state != target:
        for i in range(0, count, WIDE):
            store(memory, target + i, load16(memory, state + i))
