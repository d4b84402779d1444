"""Vectors of eight float32 for numba, one for each of eight frames side by side, and complex numbers of them.

The numbers of a frame lie eight floats apart, real and imaginary parts one after the other. What is done to complex
numbers is written as LLVM's code: numba would take ten times as long to compile it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from kernels.layout import LANES
from kernels.parts import intrinsic
from kernels.simd import INT64, Vector, constant, load_vector, multiply_add, splat_value, store_vector

PAIR = 2 * LANES  # floats of a complex number of all lanes
VECTOR = Vector(LANES)


@intrinsic
def get(_typing: Any, floats: Any, index: Any) -> Any:
    """The eight floats from `index` on."""

    def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        return load_vector(builder, args[0], args[1], LANES)

    return VECTOR(floats, types.int64), codegen


@intrinsic
def put(_typing: Any, floats: Any, index: Any, vector: Any) -> Any:
    def codegen(context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        store_vector(builder, args[2], args[0], args[1])
        return context.get_dummy_value()

    return types.void(floats, types.int64, vector), codegen


@intrinsic
def every(_typing: Any, scalar: Any) -> Any:
    """The scalar in all lanes."""

    def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        return splat_value(builder, args[0], LANES)

    return VECTOR(types.float32), codegen


def root_of(builder: ir.IRBuilder, vector: ir.Value) -> ir.Value:
    """Square roots."""
    kind = vector.type
    name = f"llvm.sqrt.v{kind.count}f32"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), name)
    return builder.call(function, [vector])


@intrinsic
def root(_typing: Any, vector: Any) -> Any:
    def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
        return root_of(builder, args[0])

    return vector(vector), codegen


# --- while LLVM's code is built ---------------------------------------------------------------------------------------


class Complex:
    """A complex number of each lane."""

    def __init__(self, builder: ir.IRBuilder, real: ir.Value, imaginary: ir.Value) -> None:
        self._builder, self.real, self.imaginary = builder, real, imaginary

    @classmethod
    def load(cls, builder: ir.IRBuilder, base: ir.Value, index: ir.Value) -> Complex:
        """Of the complex numbers from `base` on, the one of this index."""
        place = builder.mul(index, INT64(PAIR))
        real, imaginary = (
            load_vector(builder, base, builder.add(place, INT64(offset)), LANES) for offset in (0, LANES)
        )
        return cls(builder, real, imaginary)

    def store(self, base: ir.Value, index: ir.Value) -> None:
        place = self._builder.mul(index, INT64(PAIR))
        store_vector(self._builder, self.real, base, place)
        store_vector(self._builder, self.imaginary, base, self._builder.add(place, INT64(LANES)))

    def __add__(self, other: Complex) -> Complex:
        add = self._builder.fadd
        return Complex(self._builder, add(self.real, other.real), add(self.imaginary, other.imaginary))

    def __sub__(self, other: Complex) -> Complex:
        subtract = self._builder.fsub
        return Complex(self._builder, subtract(self.real, other.real), subtract(self.imaginary, other.imaginary))

    def plus(self, factors: Sequence[float], others: Sequence[Complex]) -> Complex:
        """The sum of this and of others times real factors."""
        real, imaginary = self.real, self.imaginary
        for factor, other in zip(factors, others, strict=True):
            value = constant(real.type, factor)
            real = multiply_add(self._builder, value, other.real, real)
            imaginary = multiply_add(self._builder, value, other.imaginary, imaginary)
        return Complex(self._builder, real, imaginary)

    def times_i(self, way: int) -> Complex:
        """i times this, or -i times."""
        minus = self._builder.fneg
        if way > 0:
            return Complex(self._builder, minus(self.imaginary), self.real)
        return Complex(self._builder, self.imaginary, minus(self.real))

    def turned(self, cosine: ir.Value, sine: ir.Value, way: int) -> Complex:
        """This times cosine + i way sine."""
        builder = self._builder
        sine = sine if way > 0 else builder.fneg(sine)
        real = multiply_add(builder, builder.fneg(self.imaginary), sine, builder.fmul(self.real, cosine))
        imaginary = multiply_add(builder, self.imaginary, cosine, builder.fmul(self.real, sine))
        return Complex(builder, real, imaginary)

    def conjugate(self) -> Complex:
        return Complex(self._builder, self.real, self._builder.fneg(self.imaginary))
