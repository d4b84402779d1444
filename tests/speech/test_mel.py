"""Both mel front ends against recorded numbers of the public implementations, and against librosa."""

import subprocess
import sys

import numpy as np
import pytest

from speech.errors import AudioError
from speech.mel import (
    MelConfig,
    code_mel,
    decode_mel,
    encoder_mel,
    mel_filters,
    mel_to_magnitude,
    synthesis_mel,
)


def chirp(seconds: float = 1.0, peak: float = 0.9) -> np.ndarray:
    time = np.arange(int(seconds * 16_000)) / 16_000
    return (peak * np.sin(2 * np.pi * (100 + 1500 * time) * time)).astype(np.float32)


def test_encoder_mel_equals_golden(golden_dir):
    golden = np.load(golden_dir / "encoder.npz")
    clips = [key.removesuffix(".trimmed") for key in golden if key.endswith(".trimmed")]
    assert len(clips) == 2
    for clip in clips:
        mel = encoder_mel(golden[f"{clip}.trimmed"])
        assert mel.dtype == np.float32
        np.testing.assert_allclose(mel, golden[f"{clip}.mel"], atol=1e-3, rtol=0)


def test_synthesis_mel_equals_golden(golden_dir):
    golden = np.load(golden_dir / "mel.npz")
    clips = [key.removesuffix(".wav") for key in golden if key.endswith(".wav")]
    assert len(clips) == 2
    for clip in clips:
        mel = synthesis_mel(golden[f"{clip}.wav"])
        assert mel.dtype == np.float32
        np.testing.assert_allclose(mel, golden[f"{clip}.mel"], atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("sample_rate", "n_fft", "n_mels", "fmin", "fmax"),
    [(16_000, 800, 80, 55, 7600), (16_000, 400, 40, 0, 8000), (24_000, 1200, 100, 0, 12_000)],
)
def test_filter_bank_equals_librosa(sample_rate, n_fft, n_mels, fmin, fmax):
    filters = pytest.importorskip("librosa").filters
    wanted = filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax)
    np.testing.assert_allclose(mel_filters(sample_rate, n_fft, n_mels, fmin, fmax), wanted, atol=1e-7)


def test_shapes_and_range():
    wav = chirp(1.0)
    assert encoder_mel(wav).shape == (101, 40)
    assert encoder_mel(wav, frames=120, n_mels=80).shape == (120, 80)
    mel = synthesis_mel(wav)
    assert mel.shape == (80, 81)
    assert mel.min() >= -4 and mel.max() <= 4
    assert synthesis_mel(np.zeros(1000, dtype=np.float32)).max() == -4
    assert synthesis_mel(wav[:1]).shape == (80, 1)


def test_blocks_do_not_change_the_mel():
    wav = chirp(5.0)  # 501 frames, two blocks
    np.testing.assert_allclose(encoder_mel(wav)[300:330], encoder_mel(wav[280 * 160 : 350 * 160])[20:50], atol=1e-3)


@pytest.mark.parametrize("shape", [(0,), (2, 100)])
@pytest.mark.parametrize("front_end", [encoder_mel, synthesis_mel])
def test_no_samples_and_stereo_are_refused(front_end, shape):
    with pytest.raises(AudioError, match="one channel"):
        front_end(np.zeros(shape, dtype=np.float32))


def test_magnitude_has_the_mel_it_was_made_from():
    config = MelConfig()
    mel = synthesis_mel(chirp())
    magnitude = mel_to_magnitude(mel, config)
    assert magnitude.shape == (config.n_frequencies, mel.shape[1])
    assert magnitude.dtype == np.float32 and magnitude.min() >= 0
    filters = mel_filters(config.sample_rate, config.n_fft, config.n_mels, config.fmin, config.fmax)
    decibels = 20 * np.log10(np.maximum(1e-5, filters @ magnitude)) - config.ref_level_db
    again = np.clip((decibels - config.min_level_db) * 0.08 - 4, -4, 4)
    loud = mel > -1
    assert np.abs(again - mel)[loud].mean() < 0.05


def test_magnitude_refuses_another_shape():
    with pytest.raises(AudioError, match="80"):
        mel_to_magnitude(np.zeros((40, 3), dtype=np.float32))


def test_coded_mel_is_off_by_half_a_step_at_most():
    mel = np.linspace(-4, 4, 1001, dtype=np.float32).reshape(7, 143)
    coded = code_mel(mel)
    assert coded.dtype == np.uint8 and coded.shape == mel.shape
    assert np.abs(decode_mel(coded) - mel).max() <= 4 / 255 + 1e-6
    assert np.array_equal(code_mel(decode_mel(coded)), coded)
    assert code_mel(np.array([-9, 9], dtype=np.float32)).tolist() == [0, 255]
    assert decode_mel(np.array([0, 255], dtype=np.uint8)).tolist() == [-4, 4]


def test_importing_the_front_ends_pulls_in_nothing_heavy(repository):
    code = (
        "import sys, speech.mel, speech.audio; "
        "heavy = {'librosa', 'numba', 'torch', 'av', 'soundfile', 'sounddevice', 'webrtcvad', 'scipy.signal'}; "
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=repository)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("samples", [1, 150, 200, 201, 16_000, 16_159, 41_100])
def test_extra_frames_equal_those_of_a_padded_wav(samples):
    wav = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
    wanted = samples // 160 + 40
    padded = encoder_mel(np.pad(wav, (0, 40 * 160)))
    np.testing.assert_allclose(encoder_mel(wav, frames=wanted), padded[:wanted], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(encoder_mel(wav, frames=1), encoder_mel(wav)[:1], rtol=1e-3, atol=1e-5)
