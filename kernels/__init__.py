"""Code that numba compiles for the processor it runs on, and its cache of machine code.

SIMD vectors, activations, Fourier transforms, phase search and int8 products are shared by model families. Code for
one family only, such as the loop of a decoder, is in the folder of that family.
"""
