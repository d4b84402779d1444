"""What kernels for `machine_code` have in common. Imports numba: for compiling only."""

from collections.abc import Callable
from typing import Any

import numba.extending
from llvmlite import ir
from numba import njit, types

from kernels.machine_code import MachineCode

intrinsic: Any = numba.extending.intrinsic  # untyped: what it makes is not called with what it is defined with
_njit: Any = njit  # its declared arguments lack some that it takes
# without ways into them from Python, and without its errors, as for a division by zero, functions stand by themselves
_ALONE = {"fastmath": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

FLOATS, WHOLE = types.CPointer(types.float32), types.int64
part: Any = _njit(**_ALONE)
inline: Any = _njit(**_ALONE, forceinline=True)


@intrinsic
def moved(_typing: Any, pointer: Any, count: Any) -> Any:
    """The pointer, so many numbers further on."""

    def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        return builder.gep(args[0], [args[1]])

    return pointer(pointer, types.int64), codegen


def machine_code(function: Callable[..., None], *arguments: Any, fastmath: bool = True) -> MachineCode:
    """Compile a function of arguments of these types, which returns nothing."""
    signature = types.void(*arguments)
    result = _njit(signature, **{**_ALONE, "fastmath": fastmath})(function).overloads[signature.args]
    return MachineCode(result.fndesc.llvm_func_name, bytes(result.library._get_compiled_object()))
