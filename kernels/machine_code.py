"""Functions that numba compiles once for this processor, kept as object code and loaded by LLVM alone.

numba is only needed to compile, and would cost half a second and a hundred megabytes in every process. Functions that
use neither Python nor numba's runtime can do without it: LLVM makes an object file of them and loads it again. The
process that compiles also loads the object file, so the first run gives the same bits as every later one.

A file is valid for one processor, one state of the sources, and one version of numba and LLVM. If it is missing or
damaged, the functions are compiled again. It is in $NUMBA_CACHE_DIR where that is set, else beside this file, or in
the user's cache folder where the package cannot be written to. A folder that other users may write to is never used
(`kernels.private_files`).
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

from kernels.private_files import NotPrivateError, make_private, read_private

logger = logging.getLogger(__name__)

FOLDER = "sv2tts-kernels"  # in the user's cache folder
ROOT = Path(__file__).resolve().parents[1]  # of all packages
_FORMAT = b"functions 1\n"
_lock = threading.Lock()
_loaded: dict[str, dict[str, Callable[..., None]]] = {}
_engines: list[Any] = []  # LLVM's, which own the loaded code
_logged: set[str] = set()  # messages that a process logs only once, even if they concern several libraries


class MachineCode(NamedTuple):
    """An object file for LLVM, and the function's symbol in it."""

    symbol: str
    code: bytes


class Library(NamedTuple):
    """Functions that are compiled together.

    Attributes:
        name: of the cache file.
        module: its `compile_all` returns a MachineCode for each function's name; imported to compile only.
        sources: all other modules that the code is made of.
        arguments: of `compile_all`.
        subject: name of the functions in log messages.
    """

    name: str
    module: str
    sources: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    subject: str = "vocoder"


def functions_of(library: Library) -> dict[str, Callable[..., None]]:
    """The functions by name, of contiguous arrays and integers (int64); compiled if they are not in the cache.

    They release the interpreter lock (GIL) and do not check their arguments.

    Raises:
        ImportError: numba or llvmlite is not installed. Other errors of theirs: they do not support this processor.
    """
    with _lock:
        if library.name not in _loaded:
            _loaded[library.name] = _get_ready(library)
        return _loaded[library.name]


def _get_ready(library: Library) -> dict[str, Callable[..., None]]:
    file = f"{library.name}-{_key(library)}.functions"
    codes = _read_cache(file, library.subject)
    if codes is None:
        _log_once(logging.INFO, f"Compiling the {library.subject} for this processor, once: about ten seconds.")
        codes = _compile(library)
        _write_cache(file, codes)
    return {name: functools.partial(_call, address) for name, address in _load(codes).items()}


def _compile(library: Library) -> dict[str, MachineCode]:
    codes: dict[str, MachineCode] = importlib.import_module(library.module).compile_all(*library.arguments)
    return codes


def _load(codes: dict[str, MachineCode]) -> dict[str, int]:
    """Load the code into executable memory; returns the addresses of the functions."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    for code in codes.values():
        engine.add_object_file(llvm.ObjectFileRef.from_data(code.code))
    engine.finalize_object()
    _engines.append(engine)
    return {name: int(engine.get_function_address(code.symbol)) for name, code in codes.items()}


def _call(address: int, *arguments: np.ndarray | int) -> None:
    # numba's functions take two more arguments before ours, for a result and an error; these have neither
    unused, values, types = ctypes.c_void_p(), [], []
    for item in arguments:
        values.append(item.ctypes.data if isinstance(item, np.ndarray) else item)
        types.append(ctypes.c_void_p if isinstance(item, np.ndarray) else ctypes.c_int64)
    _prototype(tuple(types))(address)(ctypes.byref(unused), ctypes.byref(unused), *values)


@functools.cache
def _prototype(types: tuple[Any, ...]) -> Any:
    return ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *types)


def _log_once(level: int, message: str) -> None:
    if message not in _logged:
        _logged.add(message)
        logger.log(level, message)


# --- the cache --------------------------------------------------------------------------------------------------------


def _key(library: Library) -> str:
    """32 letters that depend on the processor, the sources and the compiler."""
    digest = hashlib.sha256()
    for source in (__name__, *library.sources):
        digest.update((ROOT / f"{source.replace('.', '/')}.py").read_bytes())
    flags = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_CPU")]
    versions = [importlib.metadata.version(package) for package in ("numba", "llvmlite")]
    digest.update(repr((_processor(), flags, versions, sys.version_info[:2])).encode())
    return digest.hexdigest()[:32]


def _processor() -> list[str]:
    """Name and features of the processor, which determine its instructions."""
    import llvmlite.binding as llvm

    return [llvm.get_default_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()]


def _folders() -> Iterator[Path]:
    """Possible folders of the cache, in order of preference."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        yield Path(chosen)
        return
    yield Path(__file__).parent / "__pycache__"
    usual = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    try:
        yield (Path(usual) if usual else Path.home() / ".cache") / FOLDER
    except RuntimeError:  # there is no home folder
        return


def _read_cache(file: str, subject: str) -> dict[str, MachineCode] | None:
    """The functions of a cache file; None if it is missing or damaged."""
    for folder in _folders():
        try:
            return _unpacked(read_private(folder, file))
        except NotPrivateError as error:
            _log_once(logging.WARNING, f"Compiled code is not read from a folder that others may write to: {error}.")
        except OSError:
            continue
        except (ValueError, KeyError, TypeError):
            logger.warning("The compiled %s in %s is damaged, so it is compiled again.", subject, folder / file)
    return None


def _write_cache(file: str, codes: dict[str, MachineCode]) -> None:
    """Write the functions to the first writable folder. If there is none, log a warning once in a process."""
    for folder in _folders():
        path, beside = folder / file, folder / f"{file}.{os.getpid()}"
        try:
            if folder.name == FOLDER and folder.is_dir():
                folder.chmod(0o700)  # as an older version made it, with the user's umask
            make_private(folder)
            try:
                beside.write_bytes(_packed(codes))
                beside.chmod(0o600)
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
        except OSError:
            continue
        return
    _log_once(
        logging.WARNING,
        "Compiled code cannot be kept, so every start compiles again: make a cache folder writable ($NUMBA_CACHE_DIR).",
    )


def _packed(codes: dict[str, MachineCode]) -> bytes:
    """The format's name, the digest of all that follows, a line of names and lengths, and the code."""
    head = json.dumps([(name, code.symbol, len(code.code)) for name, code in codes.items()]).encode() + b"\n"
    content = head + b"".join(code.code for code in codes.values())
    return _FORMAT + hashlib.sha256(content).digest() + content


def _unpacked(kept: bytes) -> dict[str, MachineCode]:
    """Raises: ValueError: this is not what `_packed` has written."""
    begin = len(_FORMAT) + hashlib.sha256().digest_size
    name, digest, content = kept[: len(_FORMAT)], kept[len(_FORMAT) : begin], kept[begin:]
    if name != _FORMAT or hashlib.sha256(content).digest() != digest:
        raise ValueError("the digest differs")
    head, _, rest = content.partition(b"\n")
    codes = {}
    for name, symbol, length in json.loads(head):
        codes[name] = MachineCode(symbol, rest[:length])
        rest = rest[length:]
    return codes
