"""The compiled loops of each WaveRNN shape as functions; see `kernels.machine_code`."""

from collections.abc import Callable
from typing import NamedTuple

from kernels.machine_code import Library, functions_of

_MODULES = ("packing", "products", "kernels", "compact_kernels", "classic_kernels", "entries")
_SOURCES = (
    *(f"kernels.{module}" for module in ("parts", "builders", "simd", "activations")),
    *(f"vocoder.wavernn.{module}" for module in _MODULES),
)
LIBRARIES = {
    shape: Library(shape, "vocoder.wavernn.entries", _SOURCES, (shape,)) for shape in ("compact", "classic")
}  # fmt: skip


class Kernels(NamedTuple):
    """The loops of one shape: see `compact_steps` and `compact_condition` in `compact_kernels`."""

    steps: Callable[..., None]
    condition: Callable[..., None]


def kernels_of(shape: str) -> Kernels:
    """The loops of a WaveRNN shape; compiled if they are not in the cache.

    Raises:
        The errors of `functions_of`.
    """
    return Kernels(**functions_of(LIBRARIES[shape]))
