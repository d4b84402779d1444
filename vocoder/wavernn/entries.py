"""From kernels to machine code, by numba."""

from typing import Any

from numba import njit, types

from vocoder.wavernn import classic_kernels, compact_kernels
from vocoder.wavernn.compiled import MachineCode

_njit: Any = njit  # its declared arguments lack some that it takes
_FLOATS, _INTS, _PLAN = types.CPointer(types.float32), types.CPointer(types.int32), types.CPointer(types.int64)
_NET = (_PLAN, _PLAN, _FLOATS, _INTS)  # plan, sizes, floats and ints of a `packing.PackedWaveRNN`
_STEPS = types.void(*_NET, _FLOATS, _PLAN, *[_FLOATS] * 3, types.int64, _FLOATS, *[types.int64] * 3)
_CONDITION = types.void(*_NET, *[_FLOATS] * 3)


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


def compile_kernels(shape: str) -> list[MachineCode]:
    """The steps and the conditioning of a shape, for this processor: what `compiled.Kernels` is made of."""
    return [_compiled(*both) for both in zip(_ENTRIES[shape], (_STEPS, _CONDITION), strict=True)]


def _compiled(function: Any, signature: Any) -> MachineCode:
    # without Python's errors, as for a division by zero, the code stands by itself
    settings = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "error_model": "numpy"}
    result = _njit(signature, **settings)(function).overloads[signature.args]
    return MachineCode(result.fndesc.llvm_func_name, bytes(result.library._get_compiled_object()))
