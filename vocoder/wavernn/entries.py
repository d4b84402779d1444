"""From kernels to machine code, by numba."""

from numba import types

from kernels.machine_code import MachineCode
from kernels.parts import FLOATS, WHOLE, machine_code
from vocoder.wavernn import classic_kernels, compact_kernels

_INTS, _PLAN = types.CPointer(types.int32), types.CPointer(WHOLE)
_NET = (_PLAN, _PLAN, FLOATS, _INTS)  # plan, sizes, floats and ints of a `packing.PackedWaveRNN`
_STEPS = (*_NET, FLOATS, _PLAN, *[FLOATS] * 3, WHOLE, FLOATS, *[WHOLE] * 3)
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


def _compact_condition(plan, sizes, floats, ints, room, windows, out):
    compact_kernels.compact_condition((plan, floats, ints), sizes, room, windows, out)


def _classic_condition(plan, sizes, floats, ints, room, windows, out):
    classic_kernels.classic_condition((plan, floats, ints), sizes, room, windows, out)


_ENTRIES = {"compact": (_compact_steps, _compact_condition), "classic": (_classic_steps, _classic_condition)}


def compile_all(shape: str) -> dict[str, MachineCode]:
    """The steps and the conditioning of a shape, for this processor: what `compiled.Kernels` is made of."""
    steps, condition = _ENTRIES[shape]
    return {
        "steps": machine_code(steps, *_STEPS, fastmath=False),
        "condition": machine_code(condition, *_CONDITION, fastmath=False),
    }
