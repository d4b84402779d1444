"""The target magnitudes of a refinement: compiled code agrees with numpy."""

import numpy as np
import pytest
import torch

from speech.audio import read_audio
from speech.errors import one_line
from speech.mel import MelConfig, filters_and_inverse, synthesis_mel
from waveform import fast_blend, refined
from waveform.emphasis import Deemphasis
from waveform.refined import RefinedTransform
from waveform.segments import MelFrames

CONFIGS = [
    MelConfig(),
    MelConfig(sample_rate=22_000, n_fft=1000, hop_length=250, win_length=900, n_mels=40, fmin=0, fmax=9000),
    MelConfig(n_fft=400, hop_length=100, win_length=400, n_mels=80),  # bands that have no bin
]


def refine(config: MelConfig, mel: np.ndarray, spectrum: torch.Tensor, iterations: int) -> np.ndarray:
    transform = RefinedTransform(MelFrames.whole(mel), config, iterations, lambda: None)
    return transform.push(spectrum, last=True)[0].numpy()


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("frames", [1, 9, 100])
def test_a_refinement_agrees_with_numpy(monkeypatch, config, frames):
    torch.manual_seed(frames)
    mel = np.random.default_rng(frames).uniform(-4, 2, (config.n_mels, frames)).astype(np.float32)
    mel[:, frames // 2] = -4  # a silent frame
    spectrum = torch.randn(1, config.n_frequencies, frames, dtype=torch.complex64) / 10
    fast = refine(config, mel, spectrum, 1)
    assert refined._blend_of(config) is not None
    monkeypatch.setattr(refined, "_blend_of", lambda config: None)
    exact = refine(config, mel, spectrum, 1)
    assert fast.shape == exact.shape == (frames * config.hop_length,)
    np.testing.assert_allclose(fast, exact, atol=1e-4 * max(1e-3, np.abs(exact).max()))


def test_refined_speech_has_the_given_mel(samples_dir):
    mel = synthesis_mel(read_audio(samples_dir / "slt.flac")[:16000])
    wav = refine(MelConfig(), mel, torch.randn(1, 401, mel.shape[1], dtype=torch.complex64), 30)
    reached = synthesis_mel(Deemphasis(0.97)(wav))[:, : mel.shape[1]]
    assert np.abs(reached - mel).mean() < 0.2


def test_every_bin_is_in_two_bands_at_most():
    for config in CONFIGS:
        filters, _ = filters_and_inverse(config)
        lows, pairs = fast_blend._pairs(filters)
        whole = np.zeros((len(filters) + 1, filters.shape[1]), np.float32)
        for offset in (0, 1):
            whole[lows + offset, np.arange(filters.shape[1])] += pairs[:, offset]
        assert np.array_equal(whole[:-1], filters) and not whole[-1].any()
    with pytest.raises(ValueError, match="overlap"):
        fast_blend._pairs(np.ones((3, 4), np.float32))


def test_where_nothing_can_be_compiled_numpy_refines(monkeypatch, caplog):
    def fail(library):
        raise ImportError("no numba")

    monkeypatch.setattr(fast_blend, "functions_of", fail)
    assert fast_blend.fast_blend(MelConfig()) is None
    assert one_line(ImportError("no numba")) in caplog.text
