"""Functions that numba compiles once for this processor, kept as machine code and loaded by LLVM alone.

numba, which is only needed to compile, would cost half a second and a hundred megabytes in every process. Functions
that use neither Python nor numba's runtime can do without it: LLVM makes an object file of them, and loads it again.

A file counts for one processor, one state of the sources, and one version of numba and LLVM; whatever is wrong with it,
the functions are compiled again. It lies in $NUMBA_CACHE_DIR where that is set, else beside this file, or in the user's
cache folder where the package cannot be written to.
"""

import ctypes
import functools
import hashlib
import importlib
import importlib.metadata
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

logger = logging.getLogger(__name__)

FOLDER = "sv2tts-kernels"  # in the user's cache folder
ROOT = Path(__file__).resolve().parents[1]  # of all packages
_MARK = b"functions 1\n"
_lock = threading.Lock()
_ready: dict[str, dict[str, Callable[..., None]]] = {}
_loaded: list[Any] = []  # LLVM's engines, with which the code would go
_told: set[str] = set()  # what a user hears once, however many libraries it is true of


class MachineCode(NamedTuple):
    """An object file for LLVM, and what the function is called in it."""

    symbol: str
    code: bytes


class Library(NamedTuple):
    """Functions that are compiled together.

    Attributes:
        name: of the file that they are kept in.
        module: its `compile_all` returns a MachineCode for each function's name; imported to compile only.
        sources: all other modules that the code is made of.
        arguments: of `compile_all`.
        ending: of the file's name.
    """

    name: str
    module: str
    sources: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    ending: str = "functions"


def announce_compiling() -> None:
    """Log that the vocoder is compiled, once in a process: its libraries follow each other within seconds."""
    _tell_once(logging.INFO, "Compiling the vocoder for this processor, once: about ten seconds.")


def functions_of(library: Library, announce: Callable[[], None] = announce_compiling) -> dict[str, Callable[..., None]]:
    """The functions by name, of contiguous arrays and whole numbers (int64); compiled if need be.

    They do not hold Python's lock, nor look at what they are given. `announce` is called before they are compiled.

    Raises:
        ImportError, or whatever numba and LLVM raise where they cannot work.
    """
    with _lock:
        if library.name not in _ready:
            _ready[library.name] = _make_ready(library, announce)
        return _ready[library.name]


def _make_ready(library: Library, announce: Callable[[], None]) -> dict[str, Callable[..., None]]:
    file = f"{library.name}-{_key(library)}.{library.ending}"
    codes = _find(file)
    if codes is None:
        announce()
        codes = _compile(library)
        _keep(file, codes)
    return {name: functools.partial(_call, address) for name, address in _load(codes).items()}


def _compile(library: Library) -> dict[str, MachineCode]:
    codes: dict[str, MachineCode] = importlib.import_module(library.module).compile_all(*library.arguments)
    return codes


def _load(codes: dict[str, MachineCode]) -> dict[str, int]:
    """Where the functions are, in memory that can be executed."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    for code in codes.values():
        engine.add_object_file(llvm.ObjectFileRef.from_data(code.code))
    engine.finalize_object()
    _loaded.append(engine)
    return {name: int(engine.get_function_address(code.symbol)) for name, code in codes.items()}


def _call(address: int, *arguments: np.ndarray | int) -> None:
    # numba's functions have two more arguments before ours, for a result and an error: there are neither
    nowhere, given, types = ctypes.c_void_p(), [], []
    for item in arguments:
        given.append(item.ctypes.data if isinstance(item, np.ndarray) else item)
        types.append(ctypes.c_void_p if isinstance(item, np.ndarray) else ctypes.c_int64)
    _prototype(tuple(types))(address)(ctypes.byref(nowhere), ctypes.byref(nowhere), *given)


@functools.cache
def _prototype(types: tuple[Any, ...]) -> Any:
    return ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *types)


def _tell_once(level: int, message: str) -> None:
    if message not in _told:
        _told.add(message)
        logger.log(level, message)


# --- what is kept -----------------------------------------------------------------------------------------------------


def _key(library: Library) -> str:
    """Names the processor, the sources and the compiler, in 32 letters."""
    digest = hashlib.sha256()
    for source in (__name__, *library.sources):
        digest.update((ROOT / f"{source.replace('.', '/')}.py").read_bytes())
    asked = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_CPU")]
    versions = [importlib.metadata.version(package) for package in ("numba", "llvmlite")]
    digest.update(repr((_processor(), asked, versions, sys.version_info[:2])).encode())
    return digest.hexdigest()[:32]


def _processor() -> list[str]:
    """What decides which instructions it knows."""
    import llvmlite.binding as llvm

    return [llvm.get_default_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()]


def _folders() -> Iterator[Path]:
    """Where functions may be kept, the best place first."""
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


def _find(file: str) -> dict[str, MachineCode] | None:
    """The functions that are kept; None where there are none, or they are damaged."""
    for folder in _folders():
        try:
            return _unpacked((folder / file).read_bytes())
        except OSError:
            continue
        except (ValueError, KeyError, TypeError):
            logger.warning("The compiled vocoder in %s is damaged, so it is compiled again.", folder / file)
    return None


def _keep(file: str, codes: dict[str, MachineCode]) -> None:
    """Write the functions where they will be found; a warning, once in a process, says if that cannot be."""
    for folder in _folders():
        path, beside = folder / file, folder / f"{file}.{os.getpid()}"
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
    _tell_once(
        logging.WARNING, "The compiled vocoder cannot be kept: no cache folder can be written to ($NUMBA_CACHE_DIR)."
    )


def _packed(codes: dict[str, MachineCode]) -> bytes:
    """A mark, the digest of all that follows, a line of names and lengths, and the code."""
    head = json.dumps([(name, code.symbol, len(code.code)) for name, code in codes.items()]).encode() + b"\n"
    content = head + b"".join(code.code for code in codes.values())
    return _MARK + hashlib.sha256(content).digest() + content


def _unpacked(kept: bytes) -> dict[str, MachineCode]:
    """Raises: ValueError: not what `_packed` has written."""
    begin = len(_MARK) + hashlib.sha256().digest_size
    mark, digest, content = kept[: len(_MARK)], kept[len(_MARK) : begin], kept[begin:]
    if mark != _MARK or hashlib.sha256(content).digest() != digest:
        raise ValueError("the digest is another")
    head, _, rest = content.partition(b"\n")
    codes = {}
    for name, symbol, length in json.loads(head):
        codes[name] = MachineCode(symbol, rest[:length])
        rest = rest[length:]
    return codes
