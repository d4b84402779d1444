"""Compiled functions: kept, damaged, loaded without numba, and the same bits from a fresh compile as from the cache."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kernels import alignment_search, machine_code, phase_search
from kernels.machine_code import Library, MachineCode
from synthesizer.tacotron import fast_decoder
from synthesizer.tacotron1 import fast_decoder as fast_decoder1
from vocoder.spectral import fast_layers
from vocoder.wavernn import compiled
from waveform import fast_blend

TOY = {"one": MachineCode("first", b"code of one"), "two": MachineCode("second", b"\n\x00of another")}
TOYS = Library("toys", "toys", ("kernels.machine_code",))
LIBRARIES = [
    fast_layers.LIBRARY, phase_search.LIBRARY, alignment_search.LIBRARY, fast_blend.LIBRARY,
    *fast_decoder.LIBRARIES.values(), fast_decoder1.LIBRARY, *compiled.LIBRARIES.values(),
]  # fmt: skip
EVERY_LIBRARY = pytest.mark.parametrize("library", LIBRARIES, ids=[library.name for library in LIBRARIES])


class Compiler:
    """A stand-in for a module of kernels, which counts its calls."""

    def __init__(self) -> None:
        self.times = 0

    def compile(self, library: Library) -> dict[str, MachineCode]:
        self.times += 1
        return TOY


@pytest.fixture
def compiler(monkeypatch, tmp_path):
    """An empty cache folder, functions that compile at once, and code that is only a length."""
    made = Compiler()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(machine_code, "_compile", made.compile)
    monkeypatch.setattr(machine_code, "_load", lambda codes: {name: len(code.code) for name, code in codes.items()})
    monkeypatch.setattr(machine_code, "_loaded", {})
    monkeypatch.setattr(machine_code, "_logged", set())
    return made


def addresses(library: Library = TOYS) -> dict[str, int]:
    return {name: function.args[0] for name, function in machine_code.functions_of(library).items()}  # type: ignore[attr-defined]


MORE = TOYS._replace(name="more")
EXPECTED = {name: len(code.code) for name, code in TOY.items()}


def test_a_compile_is_announced_and_kept(compiler, monkeypatch, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            assert addresses() == EXPECTED
        monkeypatch.setattr(machine_code, "_loaded", {})  # as in another process
        monkeypatch.setattr(machine_code, "_logged", set())
        assert addresses() == EXPECTED
    assert compiler.times == 1
    assert [record.message for record in caplog.records] == [
        "Compiling the vocoder for this processor, once: about ten seconds."
    ]
    assert [path.suffix for path in tmp_path.iterdir()] == [".functions"]


def test_libraries_of_one_subject_are_announced_once(compiler, caplog):
    with caplog.at_level(logging.INFO):
        assert addresses() == addresses(MORE) == EXPECTED
        assert addresses(TOYS._replace(name="others", subject="synthesizer's decoder")) == EXPECTED
    assert compiler.times == 3
    assert ["synthesizer" in record.message for record in caplog.records] == [False, True]


@pytest.mark.parametrize(
    "damage", [lambda kept: b"", lambda kept: kept[:-1], lambda kept: kept[:70] + b"x" + kept[71:]]
)
def test_damaged_code_is_compiled_again(compiler, monkeypatch, tmp_path, caplog, damage):
    addresses()
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    monkeypatch.setattr(machine_code, "_loaded", {})
    assert addresses() == EXPECTED
    assert compiler.times == 2 and "damaged" in caplog.text and path.read_bytes() == whole


@pytest.mark.parametrize("folder", ["file", "file/folder", "folder"])
def test_functions_compile_without_a_writable_cache(compiler, monkeypatch, tmp_path, caplog, folder):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "folder").mkdir()
    if folder == "folder":  # the disk is full; root may write anywhere
        monkeypatch.setattr(machine_code.Path, "write_bytes", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / folder))
    assert addresses() == addresses(MORE) == EXPECTED
    (warning,) = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert "cannot be kept" in warning.message


@pytest.mark.skipif(os.name == "nt", reason="folders are not checked there")
def test_code_is_neither_read_from_nor_kept_in_a_folder_that_others_may_write_to(
    compiler, monkeypatch, tmp_path, caplog
):
    assert addresses() == EXPECTED
    tmp_path.chmod(0o777)
    for _ in range(2):
        monkeypatch.setattr(machine_code, "_loaded", {})
        assert addresses() == EXPECTED
    assert compiler.times == 3 and "others may write" in caplog.text and "cannot be kept" in caplog.text


def test_code_is_specific_to_sources_processor_and_versions(monkeypatch):
    keys = {machine_code._key(TOYS)}
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "-avx2")
    keys.add(machine_code._key(TOYS))
    keys.add(machine_code._key(TOYS._replace(sources=("waveform.phase",))))
    monkeypatch.setattr(machine_code, "_processor", lambda: ["another"])
    keys.add(machine_code._key(TOYS))
    monkeypatch.setattr(machine_code.importlib.metadata, "version", lambda package: "0")
    keys.add(machine_code._key(TOYS))
    assert len(keys) == 5


def modules_under(module: str, root: Path) -> set[Path]:
    """The project's files that a module imports, directly or through others."""
    found, waiting = set(), [root / f"{module.replace('.', '/')}.py"]
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file():
            continue
        found.add(path)
        imports = re.findall(r"from ((?:synthesizer|vocoder|kernels)[.\w]*) import (\([^)]*\)|.*)", path.read_text())
        for source, names in imports:
            folder = root / source.replace(".", "/")
            waiting += [folder.with_suffix(".py"), *(folder / f"{name}.py" for name in re.findall(r"\w+", names))]
    return found


@EVERY_LIBRARY
def test_every_source_counts(library):
    """All modules that a library is compiled from, except those that only call the kernels."""
    modules = modules_under(library.module, machine_code.ROOT)
    kernels = {path for path in modules if re.search(r"kernels\.parts|njit|intrinsic|cgutils", path.read_text())}
    assert len(kernels) > 2 and kernels <= {
        machine_code.ROOT / f"{source.replace('.', '/')}.py" for source in library.sources
    }


@EVERY_LIBRARY
def test_kept_functions_need_no_numba(library, repository):
    machine_code.functions_of(library)
    program = (
        f"import sys; from kernels.machine_code import Library, functions_of; found = functions_of({library!r});"
        "print('numba' in sys.modules, all(function.args[0] for function in found.values()), *found)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", *machine_code.functions_of(library)]


def digest(library: Library, repository: Path) -> subprocess.CompletedProcess[str]:
    """A process that prints digests of the library's results for fixed random inputs."""
    program = [sys.executable, "-m", "tests.kernels.digest", library.name]
    return subprocess.run(program, cwd=repository, capture_output=True, text=True, check=True)


@pytest.mark.slow
@pytest.mark.timeout(300)
@EVERY_LIBRARY
def test_a_fresh_compile_gives_the_bits_of_the_cache(library, repository, tmp_path, monkeypatch):
    """Two processes, of which only the first compiles."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    runs = [digest(library, repository) for _ in range(2)]
    assert ["Compiling" in run.stderr for run in runs] == [True, False]
    assert len(runs[0].stdout) > 20 and runs[0].stdout == runs[1].stdout


def test_every_library_is_in_the_list():
    """Only kernels, the waveform package and stages have compiled code."""
    paths = [
        path
        for package in ("kernels", "waveform", "encoder", "synthesizer", "vocoder")
        for path in (machine_code.ROOT / package).rglob("*.py")
    ]
    assert {path.stem for path in paths if re.search(r"[=:] Library\(", path.read_text())} == {
        "phase_search", "alignment_search", "fast_decoder", "fast_blend", "fast_layers", "compiled",
    }  # fmt: skip
