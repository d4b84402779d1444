"""The compiled loops of the excitation WaveRNN; see `kernels` for the layout of their arguments."""

import math

import numpy as np

from kernels.parts import exact_inline, exact_part
from kernels.simd import fused, load16, splat16, store, sum_lanes
from vocoder.wavernn import packing as at
from vocoder.wavernn.compact_kernels import look_up_labels, run_network
from vocoder.wavernn.kernels import HALF, ONE, TWO, ZERO, as_label, finish_step, on_curve, store_state, tiled
from vocoder.wavernn.prediction import AROUND, SIGNALS
from vocoder.wavernn.products import WIDE


@exact_inline
def _predict(coefficients, first, memory, past):
    """The linear prediction from the last 16 samples, the latest first."""
    return max(-ONE, min(ONE, sum_lanes(load16(coefficients, first) * load16(memory, past))))


@exact_inline
def _remember(memory, past, value):
    """Add a sample to the last 16."""
    for k in range(WIDE - 1, 0, -1):
        memory[past + k] = memory[past + k - 1]
    memory[past] = value


@exact_inline
def _label_on_curve(label, labels):
    return label * TWO / np.float32(labels - 1) - ONE


@exact_part
def _predict_lanes(sizes, memory, rows, conditions, condition, width):
    """The prediction of each lane, its label's table row, the signals, and the sharpness of the distribution."""
    labels, ring, tile = sizes[at.LABELS], sizes[at.RING], WIDE * width
    coefficients = condition + 3 * sizes[at.HIDDEN] * width
    signals, sharpness = sizes[at.SIGNALS_AT] * width, sizes[at.SHARPNESS] * width
    for lane in range(width):
        here = lane * WIDE
        past, periods = sizes[at.PAST] * width + here, sizes[at.PERIODS] * width + here
        cells, values = sizes[at.CELLS] * width + here, coefficients + tile + here
        predicted = _predict(conditions, coefficients + here, memory, past)
        memory[cells + at.PREDICTED] = predicted
        rows[lane] = sizes[at.PREDICTION_TABLE] + as_label(predicted, labels) * 3 * sizes[at.HIDDEN]
        memory[signals + here] = on_curve(memory[past], labels)
        lag, position = int(conditions[values + at.LAG]), int(memory[cells + at.POSITION])
        for k in range(SIGNALS - 1):
            found = memory[periods + tiled((position - lag + k - AROUND) & (ring - 1), width)]
            memory[signals + here + 1 + k] = found if lag > AROUND else ZERO
        memory[sharpness + lane] = conditions[values + at.POWER]
        memory[sharpness + tile + lane] = conditions[values + at.LEAST]


@exact_part
def _add_inputs(net, sizes, memory, rows, width):
    """Add the rows of the prediction and of the signals to the gates' inputs."""
    _, floats, _ = net
    inputs, count = sizes[at.INPUTS] * width, 3 * sizes[at.HIDDEN]
    signals, weights = sizes[at.SIGNALS_AT] * width, sizes[at.SIGNAL_ROWS]
    for i in range(0, count, WIDE):
        for lane in range(width):
            here = inputs + i * width + lane * WIDE
            total = load16(memory, here) + load16(floats, rows[lane] + i)
            for k in range(SIGNALS):
                signal = splat16(memory[signals + lane * WIDE + k])
                total = fused(signal, load16(floats, weights + k * count + i), total)
            store(memory, here, total)


@exact_part
def _finish_lanes(net, sizes, memory, out, step, width):
    """The sample of each lane, from its prediction and the label that was drawn."""
    _, floats, _ = net
    for lane in range(width):
        here = lane * WIDE
        periods, cells = sizes[at.PERIODS] * width + here, sizes[at.CELLS] * width + here
        label, position = memory[sizes[at.LAST] * width + lane], int(memory[cells + at.POSITION])
        value = memory[cells + at.PREDICTED] + floats[sizes[at.LEVELS] + int(label)]
        value = max(-ONE, min(ONE, value))
        _remember(memory, sizes[at.PAST] * width + here, value)
        memory[periods + tiled(position, width)] = _label_on_curve(label, sizes[at.LABELS])
        memory[cells + at.POSITION] = np.float32((position + 1) & (sizes[at.RING] - 1))
        out[step * width + lane] = value


@exact_part
def excitation_steps(net, sizes, memory, rows, conditions, tape, probe, probing, out, offset, count, width):
    """Run `count` samples of the excitation shape; see `compact_kernels.compact_steps`.

    Args:
        conditions: as in the compact shape, with PREDICTION_UNITS more for each subframe.
        out: where `probing`, it has the labels that are drawn; the samples replace them.
    """
    here, following = sizes[at.STATE] * width, sizes[at.NEXT_STATE] * width
    for step in range(count):
        condition = (offset + step) // sizes[at.PER_CONDITION] * sizes[at.CONDITION] * width
        look_up_labels(net, sizes, memory, rows, conditions, condition, width)
        _predict_lanes(sizes, memory, rows, conditions, condition, width)
        _add_inputs(net, sizes, memory, rows, width)
        run_network(net, sizes, memory, here, following, width)
        finish_step(sizes, memory, tape, probe, probing, out, step, width)
        _finish_lanes(net, sizes, memory, out, step, width)
        here, following = following, here
    store_state(memory, here, sizes[at.STATE] * width, sizes[at.HIDDEN] * width)


@exact_part
def closed_loop(
    wav, noise, coefficients, lags, levels, per, past, excitation, labels, signals, count, reach, all_labels
):
    """The history of the excitation shape for a training crop, as generation has it, with noise on the labels.

    Args:
        wav: [count], pre-emphasised.
        noise: [count], added to the labels of the history.
        coefficients: [parts, 16] of the linear prediction.
        lags: [parts].
        levels: [all_labels], the value of each label.
        per: samples of a part.
        past: [16], the samples before the first, the latest first; overwritten.
        excitation: [reach + count], on the mu-law curve, the first `reach` from before the first sample.
        labels: [count, 3], receives the labels of the last excitation of the history, of the prediction, and of the
            excitation that leads to the sample of the wav.
        signals: [count, SIGNALS], receives those of the network.
    """
    last = np.float32(all_labels // 2)
    for t in range(count):
        part = t // per
        predicted = _predict(coefficients, part * WIDE, past, 0)
        wanted = as_label(wav[t] - predicted, all_labels)
        labels[3 * t] = last
        labels[3 * t + 1] = np.float32(as_label(predicted, all_labels))
        labels[3 * t + 2] = np.float32(wanted)
        signals[SIGNALS * t] = on_curve(past[0], all_labels)
        lag = int(lags[part])
        for k in range(SIGNALS - 1):
            found = excitation[reach + t - lag + k - AROUND]
            signals[SIGNALS * t + 1 + k] = found if lag > AROUND else ZERO
        last = np.float32(min(all_labels - 1, max(0, math.floor(np.float32(wanted) + noise[t] + HALF))))
        excitation[reach + t] = _label_on_curve(last, all_labels)
        _remember(past, 0, max(-ONE, min(ONE, predicted + levels[int(last)])))
