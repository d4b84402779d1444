"""Code that numba compiles for the processor it runs on: its cache, SIMD vectors, transforms and int8 products.

What only one model family needs (the loop of its decoder, say) is in the folder of that family.
"""
