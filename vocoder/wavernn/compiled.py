"""The engine's kernels as functions, compiled for this processor once and kept in numba's cache.

numba keeps them beside this file, in the user's cache folder where the package cannot be written to, or in
$NUMBA_CACHE_DIR; what it finds there counts only for the same processor, and the same version of numba.
"""

import functools
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from numba import njit
from numba.core import event

from vocoder.wavernn import classic_kernels, compact_kernels, kernels, packing, products, simd
from vocoder.wavernn.simd import address

logger = logging.getLogger(__name__)


class Kernels(NamedTuple):
    """The loops of one shape: see `compact_steps` and `compact_condition` in `compact_kernels`."""

    steps: Callable[..., None]
    condition: Callable[..., None]


@functools.cache
def kernels_of(shape: str) -> Kernels:
    """The kernels of a WaveRNN's shape, not compiled before they are called."""
    functions = _entries(_sources())[shape]
    try:
        return Kernels(*(njit(cache=True, nogil=True)(function) for function in functions))
    except RuntimeError:  # numba found no folder to write to
        logger.warning("The compiled vocoder cannot be kept: no cache folder can be written to ($NUMBA_CACHE_DIR).")
        return Kernels(*(njit(nogil=True)(function) for function in functions))


def _entries(sources: str) -> dict[str, tuple[Callable[..., None], Callable[..., None]]]:
    """Python functions that call the kernels.

    What a closure holds belongs to the key under which numba caches a function; `sources` is in it because numba
    would not notice that a function which a kernel calls, in another file, has changed.
    """

    def compact_steps(plan, sizes, floats, ints, memory, rows, conditions, tape, probe, out, offset, count, width):
        _ = sources
        compact_kernels.compact_steps(
            (address(plan), address(floats), address(ints)), address(sizes), address(memory), address(rows),
            address(conditions), address(tape), address(probe), len(probe) > 0, address(out), offset, count, width,
        )  # fmt: skip

    def classic_steps(plan, sizes, floats, ints, memory, rows, conditions, tape, probe, out, offset, count, width):
        _ = sources
        classic_kernels.classic_steps(
            (address(plan), address(floats), address(ints)), address(sizes), address(memory), address(rows),
            address(conditions), address(tape), address(probe), len(probe) > 0, address(out), offset, count, width,
        )  # fmt: skip

    def compact_condition(plan, sizes, floats, ints, room, windows, out):
        _ = sources
        net = (address(plan), address(floats), address(ints))
        compact_kernels.compact_condition(net, address(sizes), address(room), address(windows), address(out))

    def classic_condition(plan, sizes, floats, ints, room, windows, out):
        _ = sources
        net = (address(plan), address(floats), address(ints))
        classic_kernels.classic_condition(net, address(sizes), address(room), address(windows), address(out))

    return {"compact": (compact_steps, compact_condition), "classic": (classic_steps, classic_condition)}


def _sources() -> str:
    digest = hashlib.sha256()
    for module in (simd, packing, products, kernels, compact_kernels, classic_kernels):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()


class CompileNotice(event.Listener):
    """Calls `announce` the first time that numba compiles something while registered; use as a context manager."""

    def __init__(self, announce: Callable[[], None]) -> None:
        self._announce, self._done = announce, False

    def on_start(self, event: Any) -> None:
        if not self._done:
            self._done = True
            self._announce()

    def on_end(self, event: Any) -> None:
        pass

    def __enter__(self) -> "CompileNotice":
        event.register("numba:compile", self)
        return self

    def __exit__(self, *_: object) -> None:
        event.unregister("numba:compile", self)
