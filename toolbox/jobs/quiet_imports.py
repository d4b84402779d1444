"""Import the models' libraries in a background thread without freezing the window.

`import torch` holds the interpreter's lock for a third of a second at a time: while the system loads the shared
libraries, and in each full garbage collection over the hundreds of thousands of objects that it creates. So the
libraries are loaded first by a foreign call that releases the lock. The collector is off meanwhile and later skips
what was imported.
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
MODULES = (  # "package:name" also imports the module of a name that loads lazily
    "torch", "scipy.signal", "pyloudnorm", "speech.audio", "speech.quality", "encoder.base", "encoder.enrolment",
    "synthesizer:Synthesizer", "synthesizer.text.pronunciation", "vocoder.base", "cloning.cloner", "cloning.streaming",
)  # fmt: skip


def import_quietly(modules: tuple[str, ...] = MODULES, progress: Callable[[int, int], None] | None = None) -> None:
    """Import modules one after another. Args: progress: called with the number done and the total."""
    with collector_paused():
        if "torch" in modules and "torch" not in sys.modules:
            preload_torch()
        for number, name in enumerate(modules):
            if progress is not None:
                progress(number, len(modules))
            package, _, attribute = name.partition(":")
            module = importlib.import_module(package)
            if attribute:
                getattr(module, attribute)


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Turn the garbage collector off, and exclude everything that exists at the end from later collections."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def preload_torch() -> None:
    """Map torch's libraries into the process without blocking other threads. On failure the import loads them."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return
    folder = Path(found.origin).parent / "lib"
    for name in LIBRARIES:
        path = folder / {"win32": f"{name}.dll", "darwin": f"lib{name}.dylib"}.get(sys.platform, f"lib{name}.so")
        if path.is_file() and not _load_unlocked(path):
            logger.info("%s could not be loaded in advance", path.name)
            return


def _load_unlocked(path: Path) -> bool:
    """Load a library. `ctypes.CDLL` holds the interpreter's lock while it loads; a foreign call through it does not."""
    try:
        if sys.platform == "win32":
            load = ctypes.windll.kernel32.LoadLibraryExW
            load.restype = ctypes.c_void_p
            search_its_folder = 0x1100
            return bool(load(str(path), None, search_its_folder))
        load = ctypes.CDLL(None).dlopen
        load.restype = ctypes.c_void_p
        return bool(load(os.fsencode(path), ctypes.c_int(os.RTLD_NOW | os.RTLD_LOCAL)))
    except (OSError, AttributeError):
        return False
