"""Import what the models need on a thread of its own, without a standstill of the window.

`import torch` on another thread keeps the interpreter's lock for a third of a second of work in one piece, most of it
while the system loads the libraries, and again in each full round of the garbage collector over the hundred thousands
of objects that come with it. So the libraries are loaded beforehand by a call that lets go of the lock, and the
collector is off meanwhile and afterwards passes over what was imported.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

LIBRARIES = ("c10", "torch_cpu", "torch", "torch_python")  # each needs those before it
MODULES = (
    "torch", "scipy.signal", "speech.audio", "speech.quality", "encoder.base", "encoder.enrolment",
    "synthesizer.tacotron.inference", "synthesizer.text.pronunciation", "vocoder.base", "vocoder.griffin_lim.inference",
    "cloning.cloner", "cloning.streaming",
)  # fmt: skip


def import_quietly(modules: tuple[str, ...] = MODULES, tell: Callable[[int, int], None] | None = None) -> None:
    """Import modules one after another. Args: tell: called with how many are done, and how many there are."""
    with collector_at_rest():
        if "torch" in modules and "torch" not in sys.modules:
            preload_torch()
        for number, name in enumerate(modules):
            if tell is not None:
                tell(number, len(modules))
            importlib.import_module(name)


@contextlib.contextmanager
def collector_at_rest() -> Iterator[None]:
    """No garbage is looked for within, and what is there at the end is never looked through again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def preload_torch() -> None:
    """Map torch's libraries into the process, letting other threads run; where that fails, the import does it."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return
    folder = Path(found.origin).parent / "lib"
    for name in LIBRARIES:
        path = folder / {"win32": f"{name}.dll", "darwin": f"lib{name}.dylib"}.get(sys.platform, f"lib{name}.so")
        if path.is_file() and not _load_unlocked(path):
            logger.info("%s could not be loaded beforehand", path.name)
            return


def _load_unlocked(path: Path) -> bool:
    """`ctypes.CDLL` keeps the interpreter's lock while it loads; a foreign function called through it does not."""
    try:
        if sys.platform == "win32":
            load = ctypes.windll.kernel32.LoadLibraryExW
            load.restype = ctypes.c_void_p
            search_beside_it = 0x1100
            return bool(load(str(path), None, search_beside_it))
        load = ctypes.CDLL(None).dlopen
        load.restype = ctypes.c_void_p
        return bool(load(os.fsencode(path), ctypes.c_int(os.RTLD_NOW | os.RTLD_LOCAL)))
    except (OSError, AttributeError):
        return False
