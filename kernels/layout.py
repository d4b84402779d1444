"""Array sizes that the kernels share with the code that packs their arrays. Imports no numba."""

LANES = 8  # float32 values in an AVX2 register; frames that are processed side by side
PAIR = 2  # int16 inputs that one instruction multiplies and adds
TILE_ROWS = 6  # rows of a tile of an int8 product
TILE_OUTPUTS = 16  # outputs of a tile of an int8 product

MAX_WEIGHT = 127  # largest absolute value of an int8 weight
MAX_INPUT, MAX_SUM = 2**15 - 1, 2**31 - 1  # of an int16 input and of an int32 sum


def largest_input(inputs: int) -> int:
    """The largest absolute value of a quantised input with which a sum of `inputs` products stays within 32 bits."""
    return min(MAX_INPUT, MAX_SUM // (MAX_WEIGHT * inputs))
