"""Functions that numba compiles once for this processor, kept as machine code and loaded without numba or LLVM.

Both cost memory in every process that imports them: LLVM fifty megabytes, numba a hundred and half a second. What LLVM
makes of functions that use neither Python nor numba's runtime hardly needs them: a Linux object file for x86-64 whose
only open ends are addresses of its own parts and of a few functions of the C library. Those are filled in here. Where a
file is of another kind, or the system does not let memory be executed, LLVM loads it.

A file counts for one processor, one state of the sources, and one version of numba and LLVM. It lies in
$NUMBA_CACHE_DIR where that is set, else beside this file, or in the user's cache folder where the package cannot be
written to.
"""

import ctypes
import functools
import hashlib
import importlib
import importlib.metadata
import json
import logging
import mmap
import os
import platform
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

logger = logging.getLogger(__name__)

FOLDER = "compiled-vocoder"  # in the user's cache folder
_MARK = b"functions 1\n"
_ALLOCATED, _NO_BITS, _SYMBOLS, _RELOCATIONS = 2, 8, 2, 4  # a section's flag, and kinds of sections
_ABSOLUTE_64 = 1  # the only kind of open end that is filled in
_lock = threading.Lock()
_ready: dict[str, dict[str, Callable[..., None]]] = {}
_loaded: list[Any] = []  # what the code lies in


class MachineCode(NamedTuple):
    """An object file, and what the function is called in it."""

    symbol: str
    code: bytes


class Library(NamedTuple):
    """Functions that are compiled together.

    Attributes:
        name: of the file that they are kept in.
        module: its `compile_all()` returns a MachineCode for each function's name; imported to compile only.
        sources: all files beside this one that the code is made of.
        label: what a user is told is being compiled.
    """

    name: str
    module: str
    sources: tuple[str, ...]
    label: str


def functions_of(library: Library) -> dict[str, Callable[..., None]]:
    """The functions by name, of contiguous arrays and whole numbers (int64); compiled if need be.

    They do not hold Python's lock, nor look at what they are given.

    Raises:
        ImportError, or whatever numba and LLVM raise where they cannot work.
    """
    with _lock:
        if library.name not in _ready:
            _ready[library.name] = _make_ready(library)
        return _ready[library.name]


def _make_ready(library: Library) -> dict[str, Callable[..., None]]:
    file = f"{library.name}-{_key(library)}.functions"
    codes = _find(file)
    if codes is None:
        logger.info("Compiling %s for this processor, once: a few seconds.", library.label)
        codes = importlib.import_module(library.module).compile_all()
        _keep(file, codes)
    return {name: functools.partial(_call, _load(code)) for name, code in codes.items()}


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


# --- loading ----------------------------------------------------------------------------------------------------------


def _load(code: MachineCode) -> int:
    """Where the function is, in memory that can be executed."""
    try:
        return _place(code)
    except (ValueError, KeyError, OSError, AttributeError, struct.error) as error:
        logger.debug("LLVM loads %s: %s", code.symbol, error)
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code.code))
    engine.finalize_object()
    _loaded.append(engine)
    return int(engine.get_function_address(code.symbol))


class _Section(NamedTuple):
    """The fields of an ELF64 section header."""

    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int


def _place(code: MachineCode) -> int:
    """Copy the parts of an ELF object file into executable memory and fill in their addresses.

    Raises:
        ValueError, KeyError, OSError, AttributeError, struct.error: it is not as simple as that.
    """
    data = code.code
    if data[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<H", data, 18)[0] != 62 or os.name != "posix":
        raise ValueError("not an object file for x86-64")
    table, size, count = struct.unpack_from("<Q10xHH", data, 40)
    sections = [_Section(*struct.unpack_from("<IIQQQQIIQQ", data, table + size * i)) for i in range(count)]
    starts, total = {}, 0
    for index, section in enumerate(sections):
        if section.flags & _ALLOCATED and section.size:
            if section.kind == _NO_BITS or section.alignment > mmap.PAGESIZE:
                raise ValueError("it has a part of an unusual kind")
            total += -total % max(1, section.alignment)
            starts[index], total = total, total + section.size
    room = mmap.mmap(-1, max(1, total), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    base = ctypes.addressof(ctypes.c_char.from_buffer(room))
    for index, start in starts.items():
        begin = sections[index].offset
        room[start : start + sections[index].size] = data[begin : begin + sections[index].size]
    (symbols,) = (section for section in sections if section.kind == _SYMBOLS)
    names = sections[symbols.link].offset

    def symbol(number: int) -> tuple[str, int]:
        name, _, _, section, value, _ = struct.unpack_from("<IBBHQQ", data, symbols.offset + 24 * number)
        text = data[names + name : data.index(b"\0", names + name)].decode()
        if section == 0 and text:
            return text, ctypes.cast(getattr(ctypes.CDLL(None), text), ctypes.c_void_p).value or 0
        return text, base + starts[section] + value if section in starts else 0

    for section in sections:
        if section.kind != _RELOCATIONS or section.info not in starts:
            continue
        for at in range(section.offset, section.offset + section.size, 24):
            offset, info, addend = struct.unpack_from("<QQq", data, at)
            target = symbol(info >> 32)[1]
            if info & 0xFFFFFFFF != _ABSOLUTE_64 or not target:
                raise ValueError("it has an open end of an unusual kind")
            struct.pack_into("<Q", room, starts[section.info] + offset, target + addend)
    _loaded.append(room)
    found = dict(map(symbol, range(symbols.size // 24)))
    return found[code.symbol]


# --- what is kept -----------------------------------------------------------------------------------------------------


def _key(library: Library) -> str:
    """Names the processor, the sources and the compiler, in 32 letters."""
    digest = hashlib.sha256()
    for source in (Path(__file__).name, *library.sources):
        digest.update((Path(__file__).parent / source).read_bytes())
    asked = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_CPU")]
    versions = [importlib.metadata.version(package) for package in ("numba", "llvmlite")]
    digest.update(repr((_processor(), asked, versions, platform.python_version_tuple()[:2])).encode())
    return digest.hexdigest()[:32]


def _processor() -> list[str]:
    """What decides which instructions it knows: what Linux says of it, elsewhere what LLVM does."""
    system = [platform.system(), platform.machine()]
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        import llvmlite.binding as llvm

        return [*system, llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()]
    telling = ("vendor_id", "cpu family", "model", "stepping", "flags", "Features", "CPU part", "CPU implementer")
    return [*system, *sorted({line for line in lines if line.split("\t")[0].split(":")[0].strip() in telling})]


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
            logger.warning("The compiled functions in %s are damaged, so they are compiled again.", folder / file)
    return None


def _keep(file: str, codes: dict[str, MachineCode]) -> None:
    """Write the functions where they will be found; a warning says if that cannot be."""
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
    logger.warning("The compiled functions cannot be kept: no cache folder can be written to ($NUMBA_CACHE_DIR).")


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
