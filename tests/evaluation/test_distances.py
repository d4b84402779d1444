import numpy as np
import pytest

from evaluation.distances import Pesq, mel_cepstral_distortion
from tests.toy_models import speech_like


def test_zero_for_itself_and_growing_with_noise():
    wav = speech_like(1.5)
    hiss = np.random.default_rng(0).standard_normal(len(wav)).astype(np.float32)
    distances = [mel_cepstral_distortion(wav + level * hiss, wav) for level in (0, 0.003, 0.03)]
    assert distances[0] == pytest.approx(0, abs=1e-6)
    assert distances[0] < distances[1] < distances[2]


def test_distortion_does_not_depend_on_the_level():
    wav = speech_like(1.5) + 0.01 * np.random.default_rng(0).standard_normal(24_000).astype(np.float32)
    assert mel_cepstral_distortion(0.5 * wav, wav) < 0.1


def test_distortion_of_a_tilt():
    """A tilt of cos(w) in the log amplitude is one cepstral coefficient, so the distance can be worked out by hand."""
    from evaluation.distances import N_BANDS, _cepstra

    amplitudes = np.random.default_rng(0).uniform(0.5, 2, size=(20, N_BANDS))
    tilt = 0.2 * np.cos((np.arange(N_BANDS) + 0.5) * np.pi / N_BANDS)  # nepers, at the bands' centres
    difference = _cepstra(amplitudes * np.exp(tilt), 1e-9) - _cepstra(amplitudes, 1e-9)
    np.testing.assert_allclose(difference[:, 0], 0.2, atol=1e-6)
    np.testing.assert_allclose(difference[:, 1:], 0, atol=1e-6)


def test_distortion_of_a_filter_with_a_known_cepstrum():
    """A first-order filter 1 + a z^-1 has the log spectrum a cos(w) - ..., measured with filtered noise."""
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.standard_normal(32_000).astype(np.float32)
    filtered = noise + 0.5 * np.append(0, noise[:-1]).astype(np.float32)
    frequencies = np.linspace(0, np.pi, 1000)
    spread = np.std(
        np.log(np.abs(1 + 0.5 * np.exp(-1j * frequencies)))
    )  # on a linear axis; the mel axis is near enough
    expected = 10 / np.log(10) * 2 * spread
    assert mel_cepstral_distortion(filtered, noise) == pytest.approx(expected, rel=0.3)


def test_silent_segments_are_ignored():
    wav = speech_like(1.0)
    padded = np.concatenate([wav, np.zeros(8000, np.float32)])
    hiss = 1e-5 * np.random.default_rng(0).standard_normal(len(padded)).astype(np.float32)
    assert mel_cepstral_distortion(padded + hiss, padded) < 0.2
    assert np.isfinite(mel_cepstral_distortion(wav, np.zeros_like(wav)))


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


def test_pesq_is_none_for_silence():
    pytest.importorskip("pesq")
    assert Pesq()(np.zeros(100, np.float32), np.zeros(100, np.float32)) is None
