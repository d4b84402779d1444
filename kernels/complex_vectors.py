"""Vectors of eight complex numbers as values of an LLVM builder: one number for each of eight frames.

In memory the numbers of a frame are eight floats apart, real and imaginary parts one after the other: [count, 2, 8].
Arithmetic on them is written as LLVM instructions because numba would take ten times as long to compile it.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from kernels.builders import INT64, constant, load_vector, multiply_add, store_vector
from kernels.layout import LANES
from kernels.simd import Vector

PAIR_FLOATS = 2 * LANES  # floats of a complex number of all lanes
VECTOR = Vector(LANES)


class Complex:
    """A complex number of each lane."""

    def __init__(self, builder: ir.IRBuilder, real: ir.Value, imaginary: ir.Value) -> None:
        self._builder, self.real, self.imaginary = builder, real, imaginary

    @classmethod
    def load(cls, builder: ir.IRBuilder, base: ir.Value, index: ir.Value) -> Complex:
        """Number `index` of those from `base` on."""
        first = builder.mul(index, INT64(PAIR_FLOATS))
        real, imaginary = (
            load_vector(builder, base, builder.add(first, INT64(offset)), LANES) for offset in (0, LANES)
        )
        return cls(builder, real, imaginary)

    def store(self, base: ir.Value, index: ir.Value) -> None:
        first = self._builder.mul(index, INT64(PAIR_FLOATS))
        store_vector(self._builder, self.real, base, first)
        store_vector(self._builder, self.imaginary, base, self._builder.add(first, INT64(LANES)))

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

    def times_i(self, sign: int) -> Complex:
        """This times i, or times -i where the sign is negative."""
        minus = self._builder.fneg
        if sign > 0:
            return Complex(self._builder, minus(self.imaginary), self.real)
        return Complex(self._builder, self.imaginary, minus(self.real))

    def rotated(self, cosine: ir.Value, sine: ir.Value, sign: int) -> Complex:
        """This times cosine + i sign sine."""
        builder = self._builder
        sine = sine if sign > 0 else builder.fneg(sine)
        real = multiply_add(builder, builder.fneg(self.imaginary), sine, builder.fmul(self.real, cosine))
        imaginary = multiply_add(builder, self.imaginary, cosine, builder.fmul(self.real, sine))
        return Complex(builder, real, imaginary)

    def conjugate(self) -> Complex:
        return Complex(self._builder, self.real, self._builder.fneg(self.imaginary))
