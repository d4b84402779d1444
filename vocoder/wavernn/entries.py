"""The entry points of the WaveRNN kernels, and their compilation by numba."""

from numba import types

from kernels.machine_code import MachineCode
from kernels.parts import FLOATS, INTEGER, INTEGERS, machine_code
from vocoder.wavernn import classic_kernels, compact_kernels

_NET = (INTEGERS, INTEGERS, FLOATS, types.CPointer(types.int32))  # plan, sizes, floats and ints of a PackedWaveRNN
_STEPS = (*_NET, FLOATS, INTEGERS, *[FLOATS] * 3, INTEGER, FLOATS, *[INTEGER] * 3)
_CONDITION = (*_NET, *[FLOATS] * 3)


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


def _compact_condition(plan, sizes, floats, ints, workspace, windows, out):
    compact_kernels.compact_condition((plan, floats, ints), sizes, workspace, windows, out)


def _classic_condition(plan, sizes, floats, ints, workspace, windows, out):
    classic_kernels.classic_condition((plan, floats, ints), sizes, workspace, windows, out)


_ENTRIES = {"compact": (_compact_steps, _compact_condition), "classic": (_classic_steps, _classic_condition)}


def compile_all(shape: str) -> dict[str, MachineCode]:
    """The functions of a shape in `compiled.LIBRARIES`."""
    steps, condition = _ENTRIES[shape]
    return {
        "steps": machine_code(steps, *_STEPS, fastmath=False),
        "condition": machine_code(condition, *_CONDITION, fastmath=False),
    }
