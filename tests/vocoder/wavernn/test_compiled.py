import logging

import pytest

from kernels import machine_code
from kernels.machine_code import MachineCode
from vocoder.wavernn import compiled, entries
from vocoder.wavernn.engine import CompiledSampler
from vocoder.wavernn.model import build_wavernn

TOY = {"steps": MachineCode("first", b"code of one"), "condition": MachineCode("second", b"\n\x00of another")}


@pytest.fixture
def compilations(monkeypatch, tmp_path):
    """An empty cache folder, kernels that compile at once, and code that is only a length; lists what was compiled."""
    made: list[str] = []

    def compile_all(shape):
        made.append(shape)
        return TOY

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(entries, "compile_all", compile_all)
    monkeypatch.setattr(machine_code, "_load", lambda codes: {name: len(code.code) for name, code in codes.items()})
    monkeypatch.setattr(machine_code, "_loaded", {})
    return made


def test_a_compile_is_kept(compilations, monkeypatch, tmp_path):
    for turn in range(3):
        kernels = compiled.kernels_of("compact")
        assert kernels.steps.args == (11,) and kernels.condition.args == (12,)  # type: ignore[attr-defined]
        if turn:
            monkeypatch.setattr(machine_code, "_loaded", {})  # as in another process
    assert compilations == ["compact"] and [path.suffix for path in tmp_path.iterdir()] == [".functions"]


def test_each_shape_has_its_kernels(compilations):
    for shape in ("compact", "classic", "compact", "excitation"):
        compiled.kernels_of(shape)
    assert compilations == ["compact", "classic", "excitation"]


def test_kernels_that_are_ready_are_not_announced(toy_config, caplog):
    CompiledSampler(build_wavernn(toy_config())).warm_up()
    with caplog.at_level(logging.INFO):
        CompiledSampler(build_wavernn(toy_config(mode="mol", hidden_size=24))).warm_up()
    assert not caplog.records  # one set of kernels serves all widths of a shape and both modes
