import logging
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit

from vocoder.wavernn import compiled, entries
from vocoder.wavernn.engine import CompiledSampler
from vocoder.wavernn.model import build_wavernn
from vocoder.wavernn.simd import WIDE, address, exp, load, store, sum_lanes

TOY = [compiled.MachineCode("steps", b"code of one"), compiled.MachineCode("condition", b"\n\x00of another")]


@pytest.fixture
def shelf(monkeypatch, tmp_path):
    """An empty cache folder, kernels that compile at once, and code that does nothing; returns what was compiled."""
    made: list[str] = []

    def compile_kernels(shape):
        made.append(shape)
        return TOY

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(entries, "compile_kernels", compile_kernels)
    monkeypatch.setattr(compiled, "_load", lambda codes: codes)
    monkeypatch.setattr(compiled, "_ready", {})
    return made


def test_a_compile_is_announced_and_kept(shelf, monkeypatch, tmp_path):
    said = []
    for _ in range(2):
        assert list(compiled.kernels_of("compact", lambda: said.append("compiling"))) == TOY
    monkeypatch.setattr(compiled, "_ready", {})  # as in another process
    assert list(compiled.kernels_of("compact", lambda: said.append("compiling"))) == TOY
    assert said == ["compiling"] and shelf == ["compact"]
    assert [path.suffix for path in tmp_path.iterdir()] == [".kernels"]


@pytest.mark.parametrize(
    "damage", [lambda kept: b"", lambda kept: kept[:-1], lambda kept: kept[:60] + b"x" + kept[61:]]
)
def test_damaged_code_is_compiled_again(shelf, monkeypatch, tmp_path, caplog, damage):
    compiled.kernels_of("classic")
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    monkeypatch.setattr(compiled, "_ready", {})
    assert list(compiled.kernels_of("classic")) == TOY
    assert shelf == ["classic"] * 2 and "damaged" in caplog.text
    assert path.read_bytes() == whole


@pytest.mark.parametrize("place", ["file", "file/folder", "folder"])
def test_where_nothing_can_be_kept_kernels_still_compile(shelf, monkeypatch, tmp_path, caplog, place):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "folder").mkdir()
    if place == "folder":  # the disk is full; root may write wherever there is room
        monkeypatch.setattr(compiled.Path, "write_bytes", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / place))
    assert list(compiled.kernels_of("compact")) == TOY
    assert len(caplog.records) == 1 and "cannot be kept" in caplog.text


def test_other_sources_processors_and_versions_have_other_code(monkeypatch, tmp_path):
    keys = {compiled._key()}
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "-avx512f")
    keys.add(compiled._key())
    monkeypatch.setattr(compiled, "SOURCES", compiled.SOURCES[:-1])
    keys.add(compiled._key())
    monkeypatch.setattr(compiled.importlib.metadata, "version", lambda package: "0")
    keys.add(compiled._key())
    assert len(keys) == 4


def test_every_source_of_a_kernel_counts():
    room = Path(compiled.__file__).parent
    inner = {
        name
        for source in compiled.SOURCES
        for name in re.findall(r"wavernn\.(\w+) import", (room / f"{source}.py").read_text())
    }
    assert {name for name in inner if "jit" in (room / f"{name}.py").read_text()} <= {*compiled.SOURCES, "compiled"}


def test_kernels_that_are_ready_are_not_announced(toy_config, caplog):
    CompiledSampler(build_wavernn(toy_config())).warm_up()
    with caplog.at_level(logging.INFO, "vocoder.wavernn.engine"):
        CompiledSampler(build_wavernn(toy_config(mode="mol", hidden_size=24))).warm_up()
    assert not caplog.records  # one set of kernels serves all widths of a shape and both modes


def test_kept_kernels_need_no_numba(toy_config, repository):
    compiled.kernels_of("compact")
    program = (
        "import sys; from vocoder.wavernn import compiled as c; c.kernels_of('compact'); print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


@njit
def _exp(source, target):
    for i in range(0, len(source), WIDE):
        store(address(target), i, exp(load(address(source), i)))


@njit
def _sum(numbers, target):
    target[0] = sum_lanes(load(address(numbers), 0))


def test_exp():
    x = np.linspace(-80, 80, 16 * 4000, dtype=np.float32)
    made = np.zeros_like(x)
    _exp(x, made)
    np.testing.assert_allclose(made, np.exp(x.astype(np.float64)), rtol=5e-7)


def test_the_sum_of_a_vector():
    numbers, made = np.random.default_rng(0).random(WIDE, dtype=np.float32), np.zeros(1, np.float32)
    _sum(numbers, made)
    assert made[0] == pytest.approx(numbers.sum(), rel=1e-6)
