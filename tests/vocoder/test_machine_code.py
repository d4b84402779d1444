"""Compiled functions: kept, damaged, loaded by themselves or by LLVM."""

import logging
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vocoder import fast_search, machine_code
from vocoder.machine_code import Library, MachineCode
from vocoder.spectral import fast_blend, fast_layers

TOY = {"one": MachineCode("first", b"code of one"), "two": MachineCode("second", b"\n\x00of another")}
TOYS = Library("toys", "toys", ("machine_code.py",), "toys")
LIBRARIES = [fast_layers.LIBRARY, fast_search.LIBRARY, fast_blend.LIBRARY]


class Compiler:
    """Stands for a module of kernels, and counts."""

    def __init__(self) -> None:
        self.times = 0

    def compile_all(self) -> dict[str, MachineCode]:
        self.times += 1
        return TOY


@pytest.fixture
def compiler(monkeypatch, tmp_path):
    """An empty cache folder, functions that compile at once, and code that is only a name."""
    made = Compiler()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(machine_code.importlib, "import_module", lambda name: made)
    monkeypatch.setattr(machine_code, "_load", lambda code: len(code.code))
    monkeypatch.setattr(machine_code, "_ready", {})
    return made


def addresses() -> dict[str, int]:
    return {name: function.args[0] for name, function in machine_code.functions_of(TOYS).items()}  # type: ignore[attr-defined]


EXPECTED = {name: len(code.code) for name, code in TOY.items()}


def test_a_compile_is_announced_and_kept(compiler, monkeypatch, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            assert addresses() == EXPECTED
        monkeypatch.setattr(machine_code, "_ready", {})  # as in another process
        assert addresses() == EXPECTED
    assert compiler.times == 1 and [record.message[:14] for record in caplog.records] == ["Compiling toys"]
    assert [path.suffix for path in tmp_path.iterdir()] == [".functions"]


@pytest.mark.parametrize(
    "damage", [lambda kept: b"", lambda kept: kept[:-1], lambda kept: kept[:70] + b"x" + kept[71:]]
)
def test_damaged_code_is_compiled_again(compiler, monkeypatch, tmp_path, caplog, damage):
    addresses()
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    monkeypatch.setattr(machine_code, "_ready", {})
    assert addresses() == EXPECTED
    assert compiler.times == 2 and "damaged" in caplog.text and path.read_bytes() == whole


@pytest.mark.parametrize("place", ["file", "file/folder", "folder"])
def test_where_nothing_can_be_kept_functions_still_compile(compiler, monkeypatch, tmp_path, caplog, place):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "folder").mkdir()
    if place == "folder":  # the disk is full; root may write wherever there is room
        monkeypatch.setattr(machine_code.Path, "write_bytes", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / place))
    assert addresses() == EXPECTED
    assert len(caplog.records) == 1 and "cannot be kept" in caplog.text


def test_other_sources_processors_and_versions_have_other_code(monkeypatch):
    keys = {machine_code._key(TOYS)}
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "-avx2")
    keys.add(machine_code._key(TOYS))
    keys.add(machine_code._key(TOYS._replace(sources=("phase.py",))))
    monkeypatch.setattr(machine_code, "_processor", lambda: ["another"])
    keys.add(machine_code._key(TOYS))
    monkeypatch.setattr(machine_code.importlib.metadata, "version", lambda package: "0")
    keys.add(machine_code._key(TOYS))
    assert len(keys) == 5


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_source_counts(library):
    """All of the vocoder's modules that a library's are made of, but for what only calls the kernels."""
    room = Path(machine_code.__file__).parent
    modules = [library.module]
    for module in modules:
        text = (room.parent / f"{module.replace('.', '/')}.py").read_text()
        modules += {name for name in re.findall(r"from (vocoder[.\w]*) import", text) if name not in modules}
    kernels = {f"{name.removeprefix('vocoder.').replace('.', '/')}.py" for name in modules}
    kernels = {name for name in kernels if "kernel_parts" in (room / name).read_text() or name.endswith("simd.py")}
    assert kernels <= set(library.sources)


@pytest.mark.parametrize("library", LIBRARIES)
def test_code_is_loaded_without_llvm_or_by_it(library, monkeypatch):
    """Both ways give the same sounds; the first is what this platform has, if it is Linux on x86-64."""
    machine_code.functions_of(library)
    codes = machine_code._find(f"{library.name}-{machine_code._key(library)}.functions")
    assert codes is not None
    if sys.platform == "linux" and machine_code.platform.machine() == "x86_64":
        assert all(machine_code._place(code) for code in codes.values())
    for damaged in (b"", b"\x7fELF", b"MZ" * 99, next(iter(codes.values())).code[:100]):
        with pytest.raises((ValueError, OSError, AttributeError, KeyError, machine_code.struct.error)):
            machine_code._place(MachineCode("steps", damaged))

    def refuse(code):
        raise OSError("memory that can be written to may not be executed")

    monkeypatch.setattr(machine_code, "_place", refuse)
    assert all(machine_code._load(code) for code in codes.values())


def test_llvm_loads_the_same_function(monkeypatch):
    library, source = fast_search.LIBRARY, np.random.default_rng(0).standard_normal((9, 401)).astype(np.complex64)
    window, weight = np.hanning(800).astype(np.float32), np.ones(12 * 200, np.float32)
    searches = []
    for _ in range(2):
        steps = machine_code.functions_of(library)["steps"]
        searches.append(fast_search.FastSearch(steps, 800, 200, window, weight, 9).project(source))
        monkeypatch.setattr(machine_code, "_place", lambda code: (_ for _ in ()).throw(ValueError("another system")))
        monkeypatch.setattr(machine_code, "_ready", {})
    assert np.array_equal(searches[0], searches[1]) and searches[0].any()


def test_kept_functions_need_neither_numba_nor_llvm(repository):
    for library in LIBRARIES:
        machine_code.functions_of(library)
    program = (
        "import sys; from vocoder import fast_search as s, machine_code as c;"
        "from vocoder.spectral import fast_layers as l;"
        "c.functions_of(s.LIBRARY); c.functions_of(l.LIBRARY); print('numba' in sys.modules, 'llvmlite' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, check=True)
    expected = sys.platform != "linux" or machine_code.platform.machine() != "x86_64"
    assert done.stdout.split() == ["False", str(expected)]
