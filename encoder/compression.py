"""Logarithm of power mels, which span ten orders of magnitude."""

from torch import Tensor

LOG_FLOOR = 1e-5  # power of a silent mel band; the median of speech at -30 dBFS is near 4e-4


def log_mels(mels: Tensor) -> Tensor:
    """Natural logarithm of power mels of any shape: float32, from -11.5 (silence) to about 5."""
    # in float32, because in bfloat16 the floor is lost in the sum
    return (mels.float().clamp_min(0) + LOG_FLOOR).log()
