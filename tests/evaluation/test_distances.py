import numpy as np
import pytest

from evaluation.distances import Pesq, mel_cepstral_distortion, spectral_distance
from tests.toy_models import speech_like


@pytest.mark.parametrize("distance", [mel_cepstral_distortion, spectral_distance])
def test_zero_for_itself_and_growing_with_noise(distance):
    wav = speech_like(1.5)
    hiss = np.random.default_rng(0).standard_normal(len(wav)).astype(np.float32)
    distances = [distance(wav + level * hiss, wav) for level in (0, 0.003, 0.03)]
    assert distances[0] == pytest.approx(0, abs=1e-6)
    assert distances[0] < distances[1] < distances[2]


def test_distortion_does_not_hear_the_level():
    wav = speech_like(1.5) + 0.01 * np.random.default_rng(0).standard_normal(24_000).astype(np.float32)
    assert mel_cepstral_distortion(0.5 * wav, wav) < 0.1


def test_distortion_of_a_tilt():
    """A tilt of cos(w) in the log amplitude is one cepstral coefficient, so the distance can be worked out by hand."""
    from evaluation.distances import _cepstra
    from speech.mel import MelConfig, synthesis_mel

    config = MelConfig()
    wav = speech_like(1.0)
    mel = synthesis_mel(wav, config)
    # the orthogonal transform is taken over the bands' centres
    centres = (np.arange(config.n_mels) + 0.5) * np.pi / config.n_mels
    tilt = 0.2 * np.cos(centres)  # nepers
    units = 2 * config.max_abs_value / -config.min_level_db * 20 / np.log(10)  # mel units a neper
    import evaluation.distances as module

    plain = _cepstra(wav, config)
    original = module.synthesis_mel
    try:
        module.synthesis_mel = lambda *_: mel + (tilt * units)[:, None]
        tilted = _cepstra(wav, config)
    finally:
        module.synthesis_mel = original
    np.testing.assert_allclose((tilted - plain)[:, 0], 0.2, atol=1e-6)
    np.testing.assert_allclose((tilted - plain)[:, 1:], 0, atol=1e-6)


def test_different_lengths_are_cut():
    wav = speech_like(1.0)
    assert mel_cepstral_distortion(wav, np.append(wav, wav)) == pytest.approx(0, abs=1e-6)


def test_pesq_prefers_the_recording_itself(shared_dir):
    pytest.importorskip("pesq")
    from speech.audio import read_audio

    wav = read_audio(next((shared_dir / "data/librispeech_test_other/533").rglob("*.opus")))[:48_000]
    pesq = Pesq()
    hiss = 0.02 * np.random.default_rng(0).standard_normal(len(wav)).astype(np.float32)
    assert (pesq(wav, wav) or 0) > 4
    assert (pesq(wav + hiss, wav) or 5) < 3


def test_pesq_says_nothing_of_silence():
    pytest.importorskip("pesq")
    assert Pesq()(np.zeros(100, np.float32), np.zeros(100, np.float32)) is None
