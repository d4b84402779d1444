"""Activation functions for kernels: scalar ones by a quotient of polynomials, vector ones by e^x.

LLVM vectorises loops over the scalar functions, which have no branches. The vector functions are for the GRU of
WaveRNN, which combines its update gate and its candidate in a single division and therefore needs e^x.
"""

import numpy as np
from llvmlite import ir

from kernels.builders import INT32, constant, larger, multiply_add
from kernels.parts import exact_inline, inline
from kernels.simd import elementwise, maximum, minimum, splat16

_ONE = np.float32(1.0)
_FAR = np.float32(30.0)  # a sigmoid beyond it is 0 or 1 within 1e-13


# --- of a number ------------------------------------------------------------------------------------------------------


@inline
def tanh(x):
    """A quotient of polynomials fitted to tanh on [-9, 9], accurate to 4e-7."""
    x = min(max(x, np.float32(-9.0)), np.float32(9.0))
    y = x * x
    above = np.float32(1.82556209e-11) * y - np.float32(1.27805890e-08)
    above = above * y + np.float32(9.26748147e-06)
    above = above * y + np.float32(2.92076950e-03)
    above = above * y + np.float32(1.29192359e-01)
    above = above * y + np.float32(0.999999941)
    below = np.float32(2.28101198e-04) * y + np.float32(2.37632011e-02)
    below = below * y + np.float32(4.62525198e-01)
    below = below * y + np.float32(1.0)
    return x * above / below


@inline
def sigmoid(x):
    half = np.float32(0.5)
    return half + half * tanh(half * x)


@inline
def gelu(x):
    """PyTorch's gelu with approximate="tanh" (Hendrycks and Gimpel 2016)."""
    inner = np.float32(0.7978845608) * (x + np.float32(0.044715) * x * x * x)
    half = np.float32(0.5) * x
    return half + half * tanh(inner)


# --- of a vector ------------------------------------------------------------------------------------------------------


def _exp(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """e^x = 2^n e^r with n the integer nearest to x / ln 2, so that |r| <= ln(2) / 2 and six terms of the series
    leave a relative error of 2e-7. Adding 1.5 * 2^23 rounds, and leaves n in the lowest bits, from where a shift moves
    it into the exponent of e^r. Valid from -86 to 88.
    """
    kind = x.type
    bits = ir.VectorType(INT32, kind.count)
    shifted = multiply_add(builder, x, constant(kind, 1.4426950216293335), constant(kind, 12582912.0))
    n = builder.fsub(shifted, constant(kind, 12582912.0))
    # ln 2 in two parts: the product of n and the first, which has few bits, is exact
    r = multiply_add(builder, n, constant(kind, -0.693359375), x)
    r = multiply_add(builder, n, constant(kind, 2.1219444170128554e-4), r)
    series = constant(kind, 1 / 720)
    for coefficient in (1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
        series = multiply_add(builder, series, r, constant(kind, float(np.float32(coefficient))))
    exponent = builder.shl(builder.bitcast(shifted, bits), ir.Constant(bits, [23] * kind.count))
    return builder.bitcast(builder.add(builder.bitcast(series, bits), exponent), kind)


def _softmax_weight(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    low, zero = constant(x.type, -80.0), constant(x.type, 0.0)
    return builder.select(builder.fcmp_ordered(">", x, low), _exp(builder, larger(builder, x, low)), zero)


exp = elementwise(_exp, 1)
softmax_weight = elementwise(_softmax_weight, 1)  # e^x for x <= 0; 0 below -80, which no sum with e^0 can show


@exact_inline
def decay16(x):
    """e^-x, limited to what matters to a sigmoid."""
    far = splat16(_FAR)
    return exp(minimum(maximum(splat16(np.float32(0.0)) - x, splat16(-_FAR)), far))


@exact_inline
def sigmoid16(x):
    one = splat16(_ONE)
    return one / (one + decay16(x))


@exact_inline
def tanh16(x):
    one, decay = splat16(_ONE), decay16(x + x)
    return (one - decay) / (one + decay)
