"""Vectors of 16 float32 for numba: values that live in registers, with operators and `exp`.

numba's own loops are only turned into vector code where LLVM dares to; here the vectors are explicit LLVM values, so
that accumulators stay in registers whatever stands around them. A processor without registers of that width works
with two or four narrower ones, which LLVM sees to. Nothing here is called from plain Python.
"""

import operator
from collections.abc import Callable
from typing import Any

import numba.extending
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import models, overload, register_model

intrinsic: Any = numba.extending.intrinsic  # untyped: what it makes is not called with what it is defined with

WIDE = 16  # floats in a vector

_njit: Any = njit  # its declared arguments lack some that it takes
# For functions that only kernels call: numba makes no way into them from Python, which would take time to compile.
jit_part: Any = _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
jit_inline: Any = _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)

FLOAT, INT32, INT64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)


class Vector(types.Type):
    """A numba type of `lanes` float32."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"Vector({lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, ir.VectorType(FLOAT, vector.lanes))


# --- LLVM builders, shared with the products ---


def load_vector(builder: ir.IRBuilder, base: ir.Value, index: ir.Value, lanes: int) -> ir.Value:
    pointer = builder.gep(base, [index])
    return builder.load(builder.bitcast(pointer, ir.VectorType(FLOAT, lanes).as_pointer()), align=4)


def store_vector(builder: ir.IRBuilder, vector: ir.Value, base: ir.Value, index: ir.Value) -> None:
    pointer = builder.gep(base, [index])
    builder.store(vector, builder.bitcast(pointer, vector.type.as_pointer()), align=4)


def splat_value(builder: ir.IRBuilder, scalar: ir.Value, lanes: int) -> ir.Value:
    """The scalar in every lane."""
    kind = ir.VectorType(scalar.type, lanes)
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, scalar, INT32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(INT32, lanes), None))


def constant(kind: ir.VectorType, value: float) -> ir.Constant:
    return ir.Constant(kind, [value] * kind.count)


def multiply_add(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
    """a * b + c, fused where the processor can."""
    kind = a.type
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fmuladd.v{kind.count}f32"
    )
    return builder.call(function, [a, b, c])


def larger(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """The maximum, `b` where either is not a number: a single instruction."""
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


def shuffle(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, order: list[int]) -> ir.Value:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INT32, len(order)), order))


# --- what kernels call ---


@intrinsic
def address(_typing: Any, array: Any) -> Any:
    """Where the numbers of a contiguous array begin; indexed as an array would be, without looking at the bounds.

    numba counts who refers to an array, by atomic operations at every call of a function that takes one: they would
    cost more than the numbers do. Whoever takes an address must hold the array for as long.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        return context.make_array(signature.args[0])(context, builder, value=args[0]).data

    return types.CPointer(array.dtype)(array), codegen


@intrinsic
def load(_typing: Any, array: Any, index: Any) -> Any:
    """16 floats of the array from `index` on."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        return load_vector(builder, args[0], args[1], WIDE)

    return Vector(WIDE)(array, types.int64), codegen


@intrinsic
def store(_typing: Any, array: Any, index: Any, vector: Any) -> Any:
    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        store_vector(builder, args[2], args[0], args[1])
        return context.get_dummy_value()

    return types.void(array, types.int64, vector), codegen


@intrinsic
def splat(_typing: Any, scalar: Any) -> Any:
    """The scalar in 16 lanes."""

    def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        return splat_value(builder, args[0], WIDE)

    return Vector(WIDE)(types.float32), codegen


def _elementwise(build: Callable[..., ir.Value], operands: int) -> Any:
    """An intrinsic from vectors of one type to a vector of that type."""

    def typed(vector: Any) -> Any:
        def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
            return build(builder, *args)

        return vector(*[vector] * operands), codegen

    if operands == 1:

        @intrinsic
        def unary(_typing: Any, a: Any) -> Any:
            return typed(a)

        return unary
    if operands == 2:

        @intrinsic
        def binary(_typing: Any, a: Any, b: Any) -> Any:
            return typed(a) if a == b else None

        return binary

    @intrinsic
    def ternary(_typing: Any, a: Any, b: Any, c: Any) -> Any:
        return typed(a) if a == b == c else None

    return ternary


def _smaller(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    return builder.select(builder.fcmp_ordered("<", a, b), a, b)


def _exp(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """e^x = 2^n e^r with n the nearest whole number to x / ln 2, so that |r| <= ln(2) / 2 and six terms of the series
    leave a relative error of 2e-7. Adding 1.5 * 2^23 rounds, and leaves n in the lowest bits, from where a shift moves
    it into the exponent of e^r. Valid from -86 to 88, and nonsense beyond.
    """
    kind = x.type
    whole = ir.VectorType(INT32, kind.count)
    shifted = multiply_add(builder, x, constant(kind, 1.4426950216293335), constant(kind, 12582912.0))
    n = builder.fsub(shifted, constant(kind, 12582912.0))
    # ln 2 in two parts: the product of n and the first, which has few bits, is exact
    r = multiply_add(builder, n, constant(kind, -0.693359375), x)
    r = multiply_add(builder, n, constant(kind, 2.1219444170128554e-4), r)
    series = constant(kind, 1 / 720)
    for coefficient in (1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
        series = multiply_add(builder, series, r, constant(kind, _as_float32(coefficient)))
    exponent = builder.shl(builder.bitcast(shifted, whole), ir.Constant(whole, [23] * kind.count))
    return builder.bitcast(builder.add(builder.bitcast(series, whole), exponent), kind)


def _as_float32(value: float) -> float:
    import numpy as np

    return float(np.float32(value))


def _softmax_mass(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    kind = x.type
    low = constant(kind, -80.0)
    return builder.select(
        builder.fcmp_ordered(">", x, low), _exp(builder, larger(builder, x, low)), constant(kind, 0.0)
    )


maximum = _elementwise(larger, 2)
minimum = _elementwise(_smaller, 2)
fused = _elementwise(multiply_add, 3)  # a * b + c
exp = _elementwise(_exp, 1)
softmax_mass = _elementwise(
    _softmax_mass, 1
)  # e^x for x <= 0; below -80, where it is lost in any sum with e^0, nothing

_OPERATORS = {
    operator.add: _elementwise(lambda builder, a, b: builder.fadd(a, b), 2),
    operator.sub: _elementwise(lambda builder, a, b: builder.fsub(a, b), 2),
    operator.mul: _elementwise(lambda builder, a, b: builder.fmul(a, b), 2),
    operator.truediv: _elementwise(lambda builder, a, b: builder.fdiv(a, b), 2),
}


def _teach_operator(symbol: Any, operation: Any) -> None:
    @overload(symbol, inline="always")
    def typed(a, b):  # type: ignore[no-untyped-def]  # numba compares its signature with the lambda's
        if isinstance(a, Vector) and a == b:
            return lambda a, b: operation(a, b)
        return None


for _symbol, _operation in _OPERATORS.items():
    _teach_operator(_symbol, _operation)


@intrinsic
def sum_lanes(_typing: Any, vector: Any) -> Any:
    """The sum of all lanes: halves are added until one number is left."""

    def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        total, count = args[0], args[0].type.count
        while count > 1:
            count //= 2
            low, high = (shuffle(builder, total, total, list(range(i, i + count))) for i in (0, count))
            total = builder.fadd(low, high)
        return builder.extract_element(total, INT32(0))

    return types.float32(vector), codegen


@intrinsic
def largest_lane(_typing: Any, vector: Any) -> Any:
    def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        top, count = args[0], args[0].type.count
        while count > 1:
            count //= 2
            low, high = (shuffle(builder, top, top, list(range(i, i + count))) for i in (0, count))
            top = larger(builder, low, high)
        return builder.extract_element(top, INT32(0))

    return types.float32(vector), codegen
