"""Decorators and address arithmetic for kernels, and their compilation. Imports numba, which only compiling needs."""

from collections.abc import Callable
from typing import Any

import numba.extending
from llvmlite import ir
from numba import njit, types

from kernels.machine_code import MachineCode

intrinsic: Any = numba.extending.intrinsic  # untyped, as intrinsics are called with other arguments than defined
_njit: Any = njit  # untyped, because its stubs lack some arguments
# Kernels are self-contained: no entry points for Python, no Python errors (a loop with a division that may raise
# is not vectorised), no reference counts (atomic operations that would cost more than the numbers do).
_SETTINGS = {"error_model": "numpy", "_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

FLOATS, INTEGER = types.CPointer(types.float32), types.int64
INTEGERS = types.CPointer(INTEGER)
part: Any = _njit(**_SETTINGS, fastmath=True)
inline: Any = _njit(**_SETTINGS, fastmath=True, forceinline=True)
# Sums in the order of the source code, so that the result of a row does not depend on the other rows.
exact_part: Any = _njit(**_SETTINGS)
exact_inline: Any = _njit(**_SETTINGS, forceinline=True)
# The same for numbers that are finite, which lets LLVM vectorise a maximum.
finite_part: Any = _njit(**_SETTINGS, fastmath={"nnan", "nsz"})


@intrinsic
def moved(_typing: Any, pointer: Any, count: Any) -> Any:
    """The address of pointer[count]."""

    def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        return builder.gep(args[0], [args[1]])

    return pointer(pointer, types.int64), codegen


@intrinsic
def address(_typing: Any, array: Any, index: Any) -> Any:
    """The address of number `index` of a contiguous array; the caller keeps the array alive meanwhile."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        return builder.gep(context.make_array(signature.args[0])(context, builder, value=args[0]).data, [args[1]])

    return types.CPointer(array.dtype)(array, types.int64), codegen


def machine_code(function: Callable[..., None], *arguments: Any, fastmath: bool = True) -> MachineCode:
    """Compile a function without a return value for arguments of these types."""
    signature = types.void(*arguments)
    result = _njit(signature, **{**_SETTINGS, "fastmath": fastmath})(function).overloads[signature.args]
    return MachineCode(result.fndesc.llvm_func_name, bytes(result.library._get_compiled_object()))
