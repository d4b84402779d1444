"""Fast conversion of mel spectrograms to float16."""

import numpy as np

MAX_FLOAT16 = np.float32(65504)
MIN_NORMAL = np.float32(2**-14)
BLOCK_ROWS = 256  # a block fits into the processor's cache


def to_float16(values: np.ndarray) -> np.ndarray:
    """Round non-negative values to the nearest float16. Larger values become 65504, the largest float16.

    Power mel spectrograms have many values below 2^-14, which numpy converts about ten times slower than others. Here
    both ranges are rounded by integer arithmetic on whole arrays:

        normal      rebias the exponent, add half a unit in the last place (minus one bit unless that place is odd, so
                    that ties go to even) and shift out the rest
        subnormal   add 0.5, whose unit in the last place is that of the subnormals, 2^-24, so that the sum is rounded
                    to it; the result is the difference of its bits to those of 0.5

    Args:
        values: float32 of any shape with at least one dimension, >= 0, finite.
    Returns:
        float16 of the same shape, equal to `np.minimum(values, 65504).astype(np.float16)`.
    """
    result = np.empty(values.shape, np.float16)
    rebias, shift, one, magic = np.uint32((127 - 15) << 23), np.uint32(13), np.uint32(1), np.float32(0.5)
    for first in range(0, len(values), BLOCK_ROWS):
        block = np.ascontiguousarray(np.minimum(values[first : first + BLOCK_ROWS], MAX_FLOAT16), dtype=np.float32)
        bits = block.view(np.uint32)
        normal = (bits - rebias + np.uint32(0xFFF) + ((bits >> shift) & one)) >> shift
        subnormal = (block + magic).view(np.uint32) - magic.view(np.uint32)
        halves = np.where(block < MIN_NORMAL, subnormal, normal)
        result[first : first + BLOCK_ROWS] = halves.astype(np.uint16).view(np.float16)
    return result
