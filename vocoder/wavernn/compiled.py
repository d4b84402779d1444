"""The engine's kernels as functions, compiled for this processor once: see `kernels.machine_code`."""

from collections.abc import Callable
from typing import NamedTuple

from kernels.machine_code import Library, functions_of

_MODULES = ("packing", "products", "kernels", "compact_kernels", "classic_kernels", "entries")
_SOURCES = ("kernels.parts", "kernels.simd", *(f"vocoder.wavernn.{module}" for module in _MODULES))
LIBRARIES = {
    shape: Library(shape, "vocoder.wavernn.entries", _SOURCES, (shape,), "kernels") for shape in ("compact", "classic")
}


class Kernels(NamedTuple):
    """The loops of one shape: see `compact_steps` and `compact_condition` in `compact_kernels`."""

    steps: Callable[..., None]
    condition: Callable[..., None]


def kernels_of(shape: str, announce: Callable[[], None] = lambda: None) -> Kernels:
    """The kernels of a WaveRNN's shape, in any process but once; `announce` is called before they are compiled.

    Raises:
        ImportError, or whatever numba and LLVM raise where they cannot work.
    """
    return Kernels(**functions_of(LIBRARIES[shape], announce))
