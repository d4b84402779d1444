import logging

import numpy as np
import pytest
from numba import njit

from kernels import machine_code
from kernels.machine_code import MachineCode
from kernels.simd import WIDE, address, exp, load, store, sum_lanes
from vocoder.wavernn import compiled, entries
from vocoder.wavernn.engine import CompiledSampler
from vocoder.wavernn.model import build_wavernn

TOY = {"steps": MachineCode("first", b"code of one"), "condition": MachineCode("second", b"\n\x00of another")}


@pytest.fixture
def shelf(monkeypatch, tmp_path):
    """An empty cache folder, kernels that compile at once, code that is only a length; returns what was compiled."""
    made: list[str] = []

    def compile_all(shape):
        made.append(shape)
        return TOY

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(entries, "compile_all", compile_all)
    monkeypatch.setattr(machine_code, "_load", lambda codes: {name: len(code.code) for name, code in codes.items()})
    monkeypatch.setattr(machine_code, "_ready", {})
    return made


def test_a_compile_is_announced_and_kept(shelf, monkeypatch, tmp_path, caplog):
    said = []
    with caplog.at_level(logging.INFO):
        for turn in range(3):
            kernels = compiled.kernels_of("compact", lambda: said.append("compiling"))
            assert kernels.steps.args == (11,) and kernels.condition.args == (12,)  # type: ignore[attr-defined]
            if turn:
                monkeypatch.setattr(machine_code, "_ready", {})  # as in another process
    assert said == ["compiling"] and shelf == ["compact"] and not caplog.records
    assert [path.suffix for path in tmp_path.iterdir()] == [".kernels"]


def test_each_shape_has_its_kernels(shelf):
    for shape in ("compact", "classic", "compact"):
        compiled.kernels_of(shape)
    assert shelf == ["compact", "classic"]


def test_kernels_that_are_ready_are_not_announced(toy_config, caplog):
    CompiledSampler(build_wavernn(toy_config())).warm_up()
    with caplog.at_level(logging.INFO, "vocoder.wavernn.engine"):
        CompiledSampler(build_wavernn(toy_config(mode="mol", hidden_size=24))).warm_up()
    assert not caplog.records  # one set of kernels serves all widths of a shape and both modes


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
