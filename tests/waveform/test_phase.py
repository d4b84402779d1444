"""Phase retrieval: compiled code agrees with numpy."""

import numpy as np
import pytest

from kernels import phase_search as fast_search
from speech.mel import MelConfig, hann_window
from waveform import phase
from waveform.phase import Frames


def frames_of(n_fft: int = 800, hop: int = 200) -> Frames:
    return Frames(n_fft, hop, hann_window(n_fft, n_fft))


def random_spectrum(frames: int, n_fft: int = 800, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    parts = rng.standard_normal((2, frames, n_fft // 2 + 1)).astype(np.float32)
    return parts[0] + np.complex64(1j) * parts[1]


@pytest.fixture
def slow(monkeypatch):
    """Calls a function without compiled code."""

    def call(function, *arguments):
        with monkeypatch.context() as patch:
            patch.setattr(phase, "fast_search", lambda *_: None)
            return function(*arguments)

    return call


SIZES = [(800, 200, 75), (800, 200, 8), (800, 200, 1), (512, 128, 20), (96, 40, 9), (30, 10, 12), (250, 50, 17)]


@pytest.mark.parametrize(("n_fft", "hop", "count"), SIZES)
def test_projection(slow, n_fft, hop, count):
    frames, spectrum = frames_of(n_fft, hop), random_spectrum(count, n_fft)
    assert fast_search.fast_search(n_fft, hop, frames.window, frames.weight(count), count) is not None
    fast, exact = frames.project(spectrum), slow(frames.project, spectrum)
    assert fast.shape == exact.shape and fast.dtype == exact.dtype == np.complex64
    np.testing.assert_allclose(fast, exact, atol=2e-5)


@pytest.mark.parametrize(("n_fft", "hop", "count"), SIZES)
@pytest.mark.parametrize("fixed", [0, 3, 9])
def test_search(slow, n_fft, hop, count, fixed):
    """Where frames nearly cancel, rounding changes the phase, so the 99th percentile is compared."""
    frames, start, fixed = frames_of(n_fft, hop), random_spectrum(count, n_fft), min(fixed, count - 1)
    magnitude = np.abs(random_spectrum(count, n_fft, seed=1))
    for iterations in (0, 1, 4, 7):
        arguments = magnitude, start.copy(), fixed, iterations, lambda: None
        fast, exact = frames.search_phase(*arguments), slow(frames.search_phase, *arguments)
        assert np.array_equal(fast[:fixed], start[:fixed])
        assert np.quantile(np.abs(fast - exact), 0.99) < 1e-4
        if iterations:
            np.testing.assert_allclose(np.abs(fast[fixed:]), magnitude[fixed:], rtol=1e-4, atol=1e-6)


def test_sizes_without_kernels_use_numpy():
    for n_fft in (14, 15, 802):
        ones = np.ones(n_fft, np.float32)
        assert fast_search.fast_search(n_fft, n_fft // 2, ones, ones, 2) is None
        frames = frames_of(n_fft, n_fft // 2)
        assert np.isfinite(frames.project(random_spectrum(5, n_fft))).all()


def test_silence_stays_silent():
    frames, silence = Frames.of(MelConfig()), np.zeros((20, 401), np.float32)
    assert not frames.search_phase(silence, silence.astype(np.complex64), 0, 5, lambda: None).any()


def test_search_calls_check():
    calls: list[int] = []
    magnitude = np.abs(random_spectrum(9))
    frames_of().search_phase(magnitude, magnitude.astype(np.complex64), 0, 16, lambda: calls.append(1))
    assert len(calls) == 16 // fast_search.STEPS_AT_ONCE


def test_numpy_is_the_fallback(monkeypatch, caplog):
    def fail(library):
        raise ImportError("no numba")

    expected = frames_of().project(random_spectrum(9))
    monkeypatch.setattr(fast_search, "functions_of", fail)
    fast_search._steps.cache_clear()
    try:
        np.testing.assert_allclose(frames_of().project(random_spectrum(9)), expected, atol=2e-5)
        frames_of().project(random_spectrum(9))
    finally:
        fast_search._steps.cache_clear()
    assert len(caplog.records) == 1 and "no numba" in caplog.text
