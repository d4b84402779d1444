import logging

import numpy as np
import pytest
from numba import njit

from vocoder.wavernn import compiled
from vocoder.wavernn.engine import CompiledSampler
from vocoder.wavernn.model import build_wavernn
from vocoder.wavernn.simd import WIDE, address, exp, load, load_transposed, splat, store, sum_lanes, sum_rows


def test_a_compile_is_announced_once():
    said = []

    @njit
    def twice(x):
        return 2 * x

    @njit
    def thrice(x):
        return 3 * x

    with compiled.CompileNotice(lambda: said.append("compiling")):
        assert twice(2) == 4 and thrice(2) == 6
    assert said == ["compiling"]
    with compiled.CompileNotice(lambda: said.append("compiling")):
        assert twice(3) == 6
    assert said == ["compiling"]


def test_kernels_that_are_ready_are_not_announced(toy_config, caplog):
    CompiledSampler(build_wavernn(toy_config())).warm_up()
    with caplog.at_level(logging.INFO, "vocoder.wavernn.engine"):
        CompiledSampler(build_wavernn(toy_config(mode="mol", hidden_size=24))).warm_up()
    assert not caplog.records  # one set of kernels serves all widths of a shape and both modes


def test_a_changed_source_is_not_answered_from_the_cache():
    """numba's key for a cached function holds what is in its closure."""

    def held(function):
        return [cell.cell_contents for cell in function.__closure__]

    for functions in compiled._entries("one state of the sources").values():
        assert all("one state of the sources" in held(function) for function in functions)


def test_without_a_cache_folder_kernels_still_compile(monkeypatch, caplog):
    def refuse(*_, cache=False, **settings):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**settings)

    monkeypatch.setattr(compiled, "njit", refuse)
    kernels = compiled.kernels_of.__wrapped__("compact")
    assert all(callable(kernel) for kernel in kernels)
    assert len(caplog.records) == 1 and "cannot be kept" in caplog.text


def test_a_full_disk_is_no_obstacle(toy_config, monkeypatch):
    """numba raises when it cannot store what it has compiled, and has it ready nevertheless."""
    first_calls = {"steps", "condition"}

    def stored(name, kernel):
        def call(*arguments):
            if name in first_calls:
                first_calls.remove(name)
                raise OSError(28, "No space left on device")
            kernel(*arguments)

        return call

    kernels = compiled.kernels_of("compact")
    full = compiled.Kernels(*(stored(name, kernel) for name, kernel in kernels._asdict().items()))
    monkeypatch.setattr(compiled, "kernels_of", lambda _shape: full)
    CompiledSampler(build_wavernn(toy_config())).warm_up()
    assert not first_calls


@njit
def _exp(source, target):
    for i in range(0, len(source), WIDE):
        store(address(target), i, exp(load(address(source), i)))


@njit
def _sums(lanes, rows, target):
    target[0] = sum_lanes(load(address(lanes), 0))
    store(address(target), WIDE, sum_rows(splat(np.float32(0)), address(rows), 0))


@njit
def _transpose(source, rows, target):
    load_transposed(splat(np.float32(0)), address(source), address(rows), 0, address(target), 0)


def test_exp():
    x = np.linspace(-80, 80, 16 * 4000, dtype=np.float32)
    made = np.zeros_like(x)
    _exp(x, made)
    np.testing.assert_allclose(made, np.exp(x.astype(np.float64)), rtol=5e-7)


def test_sums_add_in_one_order():
    """A stream adds up the lanes of a vector, folds side by side the rows of their lanes: bit for bit the same."""
    numbers, made = np.random.default_rng(0).random(WIDE, dtype=np.float32), np.zeros(2 * WIDE, np.float32)
    _sums(numbers, numbers.repeat(WIDE), made)
    assert made[0] == pytest.approx(numbers.sum(), rel=1e-6) and (made[WIDE:] == made[0]).all()


def test_transposing():
    source = np.arange(256, dtype=np.float32)
    target = np.zeros(256, np.float32)
    _transpose(source, np.arange(16, dtype=np.int64) * 16, target)
    np.testing.assert_array_equal(target.reshape(16, 16), source.reshape(16, 16).T)
