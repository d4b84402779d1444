"""The engine's kernels as functions, compiled for this processor once and kept as machine code.

What is kept is loaded by LLVM alone: numba, which is only needed to compile, would cost half a second and a hundred
megabytes in every process. A file counts for one processor, one state of the sources, and one version of numba and
LLVM; whatever is wrong with it, the kernels are compiled again. It lies in $NUMBA_CACHE_DIR where that is set, else
beside this file, or in the user's cache folder where the package cannot be written to.
"""

import ctypes
import functools
import hashlib
import importlib.metadata
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numpy as np

logger = logging.getLogger(__name__)

SOURCES = ("simd", "packing", "products", "kernels", "compact_kernels", "classic_kernels", "entries")
FOLDER = "compiled-vocoder"  # in the user's cache folder
_MARK = b"kernels 1\n"
_lock = threading.Lock()
_ready: dict[str, "Kernels"] = {}
_loaded: list[Any] = []  # LLVM's engines, with which the code would go


class Kernels(NamedTuple):
    """The loops of one shape: see `compact_steps` and `compact_condition` in `compact_kernels`."""

    steps: Callable[..., None]
    condition: Callable[..., None]


class MachineCode(NamedTuple):
    """An object file for LLVM, and what the kernel's function is called in it."""

    name: str
    code: bytes


def kernels_of(shape: str, announce: Callable[[], None] = lambda: None) -> Kernels:
    """The kernels of a WaveRNN's shape, in any process but once; `announce` is called before they are compiled.

    Raises:
        ImportError, or whatever numba and LLVM raise where they cannot work.
    """
    with _lock:
        if shape not in _ready:
            _ready[shape] = _make_ready(shape, announce)
        return _ready[shape]


def _make_ready(shape: str, announce: Callable[[], None]) -> Kernels:
    key = _key()
    codes = _find(shape, key)
    if codes is None:
        announce()
        from vocoder.wavernn.entries import compile_kernels

        codes = compile_kernels(shape)
        _keep(shape, key, codes)
    return Kernels(*_load(codes))


def _load(codes: list[MachineCode]) -> list[Callable[..., None]]:
    """Functions of arrays and whole numbers. They do not hold Python's lock, nor look at what they are given."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    for code in codes:
        engine.add_object_file(llvm.ObjectFileRef.from_data(code.code))
    engine.finalize_object()
    _loaded.append(engine)
    return [functools.partial(_call, engine.get_function_address(code.name)) for code in codes]


def _call(address: int, *arguments: np.ndarray | int) -> None:
    # numba's functions have two more arguments before ours, for a result and an error: there are neither
    nowhere = ctypes.c_void_p()
    given = [item.ctypes.data if isinstance(item, np.ndarray) else item for item in arguments]
    types = [ctypes.c_void_p if isinstance(item, np.ndarray) else ctypes.c_int64 for item in arguments]
    _prototype(tuple(types))(address)(ctypes.byref(nowhere), ctypes.byref(nowhere), *given)


@functools.cache
def _prototype(types: tuple[Any, ...]) -> Any:
    return ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *types)


# --- what is kept -----------------------------------------------------------------------------------------------------


def _key() -> str:
    """Names the processor, the sources and the compiler, in 32 letters."""
    digest = hashlib.sha256()
    for module in SOURCES:
        digest.update((Path(__file__).parent / f"{module}.py").read_bytes())
    processor = [llvm.get_default_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()]
    asked = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_CPU")]
    versions = [importlib.metadata.version(package) for package in ("numba", "llvmlite")]
    digest.update(repr((processor, asked, versions, sys.version_info[:2])).encode())
    return digest.hexdigest()[:32]


def _folders() -> Iterator[Path]:
    """Where kernels may be kept, the best place first."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        yield Path(chosen)
        return
    yield Path(__file__).parent / "__pycache__"
    usual = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    try:
        yield (Path(usual) if usual else Path.home() / ".cache") / FOLDER
    except RuntimeError:  # nobody's home
        return


def _find(shape: str, key: str) -> list[MachineCode] | None:
    """The kernels that are kept; None where there are none, or they are damaged."""
    for folder in _folders():
        path = folder / f"{shape}-{key}.kernels"
        try:
            return _unpacked(path.read_bytes())
        except OSError:
            continue
        except (ValueError, KeyError, TypeError):
            logger.warning("The compiled vocoder in %s is damaged, so it is compiled again.", path)
    return None


def _keep(shape: str, key: str, codes: list[MachineCode]) -> None:
    """Write the kernels where they will be found; a warning says if that cannot be."""
    for folder in _folders():
        path = folder / f"{shape}-{key}.kernels"
        beside = path.with_suffix(f".{os.getpid()}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                beside.write_bytes(_packed(codes))
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
        except OSError:
            continue
        return
    logger.warning("The compiled vocoder cannot be kept: no cache folder can be written to ($NUMBA_CACHE_DIR).")


def _packed(codes: list[MachineCode]) -> bytes:
    """A mark, the digest of all that follows, a line of names and lengths, and the code."""
    head = json.dumps([(code.name, len(code.code)) for code in codes]).encode() + b"\n"
    content = head + b"".join(code.code for code in codes)
    return _MARK + hashlib.sha256(content).digest() + content


def _unpacked(kept: bytes) -> list[MachineCode]:
    """Raises: ValueError: not what `_packed` has written."""
    begin = len(_MARK) + hashlib.sha256().digest_size
    mark, digest, content = kept[: len(_MARK)], kept[len(_MARK) : begin], kept[begin:]
    if mark != _MARK or hashlib.sha256(content).digest() != digest:
        raise ValueError("the digest is another")
    head, _, rest = content.partition(b"\n")
    codes = []
    for name, length in json.loads(head):
        codes.append(MachineCode(name, rest[:length]))
        rest = rest[length:]
    return codes
