"""Sizes that the code which lays out arrays and the code which computes with them share. Imports no numba."""

LANES = 8  # float32 in a register of AVX2; frames that are processed side by side
ROWS = 6  # rows of a tile of an int8 product
OUTPUTS = 16  # outputs of a tile of an int8 product
