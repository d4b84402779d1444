"""Compiled functions: kept, damaged, loaded without numba."""

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kernels import machine_code, phase_search
from kernels.machine_code import Library, MachineCode
from vocoder.spectral import fast_blend, fast_layers
from vocoder.wavernn import compiled

TOY = {"one": MachineCode("first", b"code of one"), "two": MachineCode("second", b"\n\x00of another")}
TOYS = Library("toys", "toys", ("kernels.machine_code",))
LIBRARIES = [fast_layers.LIBRARY, phase_search.LIBRARY, fast_blend.LIBRARY, *compiled.LIBRARIES.values()]


class Compiler:
    """Stands for a module of kernels, and counts."""

    def __init__(self) -> None:
        self.times = 0

    def compile(self, library: Library) -> dict[str, MachineCode]:
        self.times += 1
        return TOY


@pytest.fixture
def compiler(monkeypatch, tmp_path):
    """An empty cache folder, functions that compile at once, and code that is only a name."""
    made = Compiler()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(machine_code, "_compile", made.compile)
    monkeypatch.setattr(machine_code, "_load", lambda codes: {name: len(code.code) for name, code in codes.items()})
    monkeypatch.setattr(machine_code, "_ready", {})
    monkeypatch.setattr(machine_code, "_told", set())
    return made


def addresses(library: Library = TOYS) -> dict[str, int]:
    return {name: function.args[0] for name, function in machine_code.functions_of(library).items()}  # type: ignore[attr-defined]


MORE = TOYS._replace(name="more")
EXPECTED = {name: len(code.code) for name, code in TOY.items()}


def test_a_compile_is_announced_and_kept(compiler, monkeypatch, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            assert addresses() == EXPECTED
        monkeypatch.setattr(machine_code, "_ready", {})  # as in another process
        assert addresses() == EXPECTED
    assert compiler.times == 1 and [record.message[:21] for record in caplog.records] == ["Compiling the vocoder"]
    assert [path.suffix for path in tmp_path.iterdir()] == [".functions"]


def test_libraries_that_follow_each_other_are_announced_once(compiler, caplog):
    with caplog.at_level(logging.INFO):
        assert addresses() == addresses(MORE) == EXPECTED
    assert compiler.times == 2 and len(caplog.records) == 1


def test_whoever_asks_may_announce_it(compiler, caplog):
    said: list[str] = []
    with caplog.at_level(logging.INFO):
        for library in (TOYS, TOYS, MORE):
            machine_code.functions_of(library, lambda: said.append("compiling"))
    assert len(said) == 2 and not caplog.records


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
    assert addresses() == addresses(MORE) == EXPECTED
    (warning,) = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert "cannot be kept" in warning.message


def test_other_sources_processors_and_versions_have_other_code(monkeypatch):
    keys = {machine_code._key(TOYS)}
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "-avx2")
    keys.add(machine_code._key(TOYS))
    keys.add(machine_code._key(TOYS._replace(sources=("vocoder.phase",))))
    monkeypatch.setattr(machine_code, "_processor", lambda: ["another"])
    keys.add(machine_code._key(TOYS))
    monkeypatch.setattr(machine_code.importlib.metadata, "version", lambda package: "0")
    keys.add(machine_code._key(TOYS))
    assert len(keys) == 5


def modules_under(module: str, root: Path) -> set[Path]:
    """The files of ours that a module is made of."""
    found, waiting = set(), [root / f"{module.replace('.', '/')}.py"]
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file():
            continue
        found.add(path)
        for source, names in re.findall(r"from ((?:vocoder|kernels)[.\w]*) import (.*)", path.read_text()):
            folder = root / source.replace(".", "/")
            waiting += [folder.with_suffix(".py"), *(folder / f"{name}.py" for name in re.findall(r"\w+", names))]
    return found


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_source_counts(library):
    """All modules that a library is compiled from, except those that only call the kernels."""
    modules = modules_under(library.module, machine_code.ROOT)
    kernels = {path for path in modules if re.search("kernels.parts|njit|intrinsic", path.read_text())}
    assert len(kernels) > 2 and kernels <= {
        machine_code.ROOT / f"{source.replace('.', '/')}.py" for source in library.sources
    }


@pytest.mark.parametrize("library", LIBRARIES)
def test_kept_functions_need_no_numba(library, repository):
    machine_code.functions_of(library)
    program = (
        f"import sys; from kernels.machine_code import Library, functions_of; found = functions_of({library!r});"
        "print('numba' in sys.modules, all(function.args[0] for function in found.values()), *found)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", *machine_code.functions_of(library)]
