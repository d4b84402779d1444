"""The entry points of the WaveRNN kernels, and their compilation by numba."""

from numba import types

from kernels.machine_code import MachineCode
from kernels.parts import FLOATS, INTEGER, INTEGERS, machine_code
from vocoder.wavernn import classic_kernels, compact_kernels, excitation_kernels

_NET = (INTEGERS, INTEGERS, FLOATS, types.CPointer(types.int32))  # plan, sizes, floats and ints of a PackedWaveRNN
_STEPS = (*_NET, FLOATS, INTEGERS, *[FLOATS] * 3, INTEGER, FLOATS, *[INTEGER] * 3)
_CONDITION = (*_NET, *[FLOATS] * 3)
_CLOSED_LOOP = (*[FLOATS] * 5, INTEGER, *[FLOATS] * 4, *[INTEGER] * 3)


def _compact_steps(
    plan, sizes, floats, ints, memory, rows, conditions, tape, probe, probing, out, offset, count, width
):
    compact_kernels.compact_steps(
        (plan, floats, ints), sizes, memory, rows, conditions, tape, probe, probing != 0, out, offset, count, width
    )


def _classic_steps(
    plan, sizes, floats, ints, memory, rows, conditions, tape, probe, probing, out, offset, count, width
):
    classic_kernels.classic_steps(
        (plan, floats, ints), sizes, memory, rows, conditions, tape, probe, probing != 0, out, offset, count, width
    )


def _excitation_steps(
    plan, sizes, floats, ints, memory, rows, conditions, tape, probe, probing, out, offset, count, width
):
    excitation_kernels.excitation_steps(
        (plan, floats, ints), sizes, memory, rows, conditions, tape, probe, probing != 0, out, offset, count, width
    )


def _compact_condition(plan, sizes, floats, ints, workspace, windows, out):
    compact_kernels.compact_condition((plan, floats, ints), sizes, workspace, windows, out)


def _classic_condition(plan, sizes, floats, ints, workspace, windows, out):
    classic_kernels.classic_condition((plan, floats, ints), sizes, workspace, windows, out)


def _closed_loop(
    wav, noise, coefficients, lags, levels, per, past, excitation, labels, signals, count, reach, all_labels
):
    excitation_kernels.closed_loop(
        wav, noise, coefficients, lags, levels, per, past, excitation, labels, signals, count, reach, all_labels
    )


_ENTRIES = {
    "compact": (_compact_steps, _compact_condition),
    "classic": (_classic_steps, _classic_condition),
    "excitation": (_excitation_steps, _compact_condition),
}


def compile_all(name: str) -> dict[str, MachineCode]:
    """The functions of a library in `compiled.LIBRARIES`."""
    if name == "closed-loop":
        return {"closed_loop": machine_code(_closed_loop, *_CLOSED_LOOP, fastmath=False)}
    steps, condition = _ENTRIES[name]
    return {
        "steps": machine_code(steps, *_STEPS, fastmath=False),
        "condition": machine_code(condition, *_CONDITION, fastmath=False),
    }
