"""The compiled loops of each WaveRNN shape and of its training crops, as functions; see `kernels.machine_code`."""

from collections.abc import Callable
from typing import NamedTuple

from kernels.machine_code import Library, functions_of

_MODULES = (
    *("packing", "products", "kernels", "compact_kernels", "classic_kernels", "excitation_kernels", "prediction"),
    "entries",
)
_SOURCES = (
    *(f"kernels.{module}" for module in ("parts", "builders", "simd", "activations", "amx", "amx_support")),
    *(f"vocoder.wavernn.{module}" for module in _MODULES),
)
LIBRARIES = {
    name: Library(name, "vocoder.wavernn.entries", _SOURCES, (name,))
    for name in ("compact", "classic", "excitation", "closed-loop")
}


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


def closed_loop() -> Callable[..., None]:
    """`excitation_kernels.closed_loop`; compiled if it is not in the cache.

    Raises:
        The errors of `functions_of`.
    """
    return functions_of(LIBRARIES["closed-loop"])["closed_loop"]
