"""LLVM instructions that kernels share: vectors of float32 in memory and in registers, loops, prefetching.

numba's own loops become vector code only where LLVM can prove that they may. Here vectors are explicit LLVM values,
so that sums stay in registers, independent of the surrounding code. A processor without registers of that width uses
several narrower ones.
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils

FLOAT, INT8, INT16, INT32, INT64 = ir.FloatType(), *(ir.IntType(bits) for bits in (8, 16, 32, 64))


def intrinsic_function(builder: ir.IRBuilder, name: str, result: ir.Type, *arguments: ir.Type) -> Any:
    """The declaration of an LLVM intrinsic."""
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


# --- memory -----------------------------------------------------------------------------------------------------------


def load(builder: ir.IRBuilder, kind: ir.Type, base: ir.Value, index: ir.Value, align: int = 4) -> ir.Value:
    """A value of any type from base[index], where base points to numbers."""
    return builder.load(builder.bitcast(builder.gep(base, [index]), kind.as_pointer()), align=align)


def load_vector(builder: ir.IRBuilder, base: ir.Value, index: ir.Value, lanes: int) -> ir.Value:
    """float32 [lanes] from base[index]."""
    return load(builder, ir.VectorType(FLOAT, lanes), base, index)


def store_vector(builder: ir.IRBuilder, vector: ir.Value, base: ir.Value, index: ir.Value) -> None:
    """base[index : index + lanes] = vector."""
    builder.store(vector, builder.bitcast(builder.gep(base, [index]), vector.type.as_pointer()), align=4)


def prefetch(builder: ir.IRBuilder, base: ir.Value, index: ir.Value) -> None:
    """Fetch the cache line of base[index], which need not exist."""
    byte = INT8.as_pointer()
    name = "llvm.prefetch.p0i8"  # newer versions of LLVM map it to their own name
    address = builder.bitcast(builder.gep(base, [index]), byte)
    fetch = intrinsic_function(builder, name, ir.VoidType(), byte, *[INT32] * 3)
    builder.call(fetch, [address, INT32(0), INT32(3), INT32(1)])


# --- vectors ----------------------------------------------------------------------------------------------------------


def splat(builder: ir.IRBuilder, scalar: ir.Value, lanes: int) -> ir.Value:
    """The scalar in every lane."""
    kind = ir.VectorType(scalar.type, lanes)
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, scalar, INT32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(INT32, lanes), None))


def constant(kind: ir.VectorType, value: float) -> ir.Constant:
    return ir.Constant(kind, [value] * kind.count)


def shuffle(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, order: list[int]) -> ir.Value:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INT32, len(order)), order))


def multiply_add(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
    """a * b + c, fused where the processor can."""
    kind = a.type
    return builder.call(
        intrinsic_function(builder, f"llvm.fmuladd.v{kind.count}f32", kind, *[kind] * 3), [a, b, c]
    )  # fmt: skip


def larger(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """The maximum, `b` where either is not a number: a single instruction."""
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


def smaller(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """The minimum, `b` where either is not a number: a single instruction."""
    return builder.select(builder.fcmp_ordered("<", a, b), a, b)


def square_root(builder: ir.IRBuilder, vector: ir.Value) -> ir.Value:
    kind = vector.type
    return builder.call(intrinsic_function(builder, f"llvm.sqrt.v{kind.count}f32", kind, kind), [vector])


# --- loops ------------------------------------------------------------------------------------------------------------


def loop(
    builder: ir.IRBuilder,
    count: ir.Value,
    carried: Sequence[ir.Value],
    body: Callable[[ir.Value, list[ir.Value]], Sequence[ir.Value]],
    unrolled: bool = True,
) -> list[ir.Value]:
    """`for k in range(count): carried = body(k, carried)`, with what is carried in registers; returns it.

    Args:
        unrolled: False forbids LLVM to unroll the loop. For a few dozen terms, the branches for the remaining ones
            cost as much time as unrolling saves.
    """
    before = builder.block
    head, inner, after = (builder.append_basic_block(name) for name in ("head", "inner", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    k, sums = builder.phi(INT64), [builder.phi(value.type) for value in carried]
    builder.cbranch(builder.icmp_signed("<", k, count), inner, after)
    builder.position_at_end(inner)
    following, last = body(k, sums), builder.add(k, INT64(1))
    for phi, first, then in zip([k, *sums], [INT64(0), *carried], [last, *following], strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(then, builder.block)
    back = builder.branch(head)
    if not unrolled:
        back.set_metadata("llvm.loop", _loop_settings(builder.module, "llvm.loop.unroll.disable"))
    builder.position_at_end(after)
    return sums


def _loop_settings(module: ir.Module, *settings: str) -> Any:
    """Metadata of a loop: a node whose first operand is itself, so that no two loops share it."""
    node = ir.values.MDValue(module, [], name=str(len(module.metadata)))
    node.operands = (node, *(module.add_metadata([ir.MetaDataString(module, setting)]) for setting in settings))
    return node
