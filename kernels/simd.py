"""Vectors of 8 and of 16 float32 as numba values: loads, stores, operators, and sums over lanes.

Functions for kernels only: nothing here is called from plain Python.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import models, overload, register_model

from kernels import builders
from kernels.builders import (
    FLOAT,
    INT32,
    larger,
    load_vector,
    multiply_add,
    shuffle,
    smaller,
    square_root,
    store_vector,
)
from kernels.parts import intrinsic


class Vector(types.Type):
    """A numba type of `lanes` float32."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"Vector({lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, ir.VectorType(FLOAT, vector.lanes))


def _load(lanes: int) -> Any:
    @intrinsic
    def load(_typing: Any, floats: Any, index: Any) -> Any:
        """The vector at floats[index]; `floats` is an address."""

        def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
            return load_vector(builder, args[0], args[1], lanes)

        return Vector(lanes)(floats, types.int64), codegen

    return load


def _splat(lanes: int) -> Any:
    @intrinsic
    def splat(_typing: Any, scalar: Any) -> Any:
        """The float32 scalar in all lanes."""

        def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
            return builders.splat(builder, args[0], lanes)

        return Vector(lanes)(types.float32), codegen

    return splat


load8, load16 = _load(8), _load(16)
splat8, splat16 = _splat(8), _splat(16)


@intrinsic
def store(_typing: Any, floats: Any, index: Any, vector: Any) -> Any:
    """Write the vector to floats[index]; `floats` is an address."""

    def codegen(context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        store_vector(builder, args[2], args[0], args[1])
        return context.get_dummy_value()

    return types.void(floats, types.int64, vector), codegen


# --- lane by lane -----------------------------------------------------------------------------------------------------


def elementwise(build: Callable[..., ir.Value], operands: int) -> Any:
    """An intrinsic from one to three vectors of one type to a vector of that type."""

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


maximum = elementwise(larger, 2)
minimum = elementwise(smaller, 2)
fused = elementwise(multiply_add, 3)  # a * b + c
sqrt = elementwise(square_root, 1)

_OPERATORS = {
    operator.add: elementwise(lambda builder, a, b: builder.fadd(a, b), 2),
    operator.sub: elementwise(lambda builder, a, b: builder.fsub(a, b), 2),
    operator.mul: elementwise(lambda builder, a, b: builder.fmul(a, b), 2),
    operator.truediv: elementwise(lambda builder, a, b: builder.fdiv(a, b), 2),
}


def _add_operator(symbol: Any, operation: Any) -> None:
    @overload(symbol, inline="always")
    def typed(a, b):  # type: ignore[no-untyped-def]  # numba compares its signature with the lambda's
        if isinstance(a, Vector) and a == b:
            return lambda a, b: operation(a, b)
        return None


for _symbol, _operation in _OPERATORS.items():
    _add_operator(_symbol, _operation)


# --- across lanes -----------------------------------------------------------------------------------------------------


def _reduction(combine: Callable[[ir.IRBuilder, ir.Value, ir.Value], ir.Value]) -> Any:
    @intrinsic
    def reduce(_typing: Any, vector: Any) -> Any:
        """One float32 of all lanes: halves are combined until one number is left."""

        def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
            total, count = args[0], args[0].type.count
            while count > 1:
                count //= 2
                low, high = (shuffle(builder, total, total, list(range(i, i + count))) for i in (0, count))
                total = combine(builder, low, high)
            return builder.extract_element(total, INT32(0))

        return types.float32(vector), codegen

    return reduce


sum_lanes = _reduction(lambda builder, a, b: builder.fadd(a, b))
largest_lane = _reduction(larger)
