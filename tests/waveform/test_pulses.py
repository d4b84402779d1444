import numpy as np
import pytest

from modelfile.locations import SAMPLES
from speech.audio import read_audio
from speech.mel import synthesis_mel
from speech.mel_config import MelConfig
from speech.mel_f0 import f0_from_mel
from waveform.phase import Frames
from waveform.pulses import HARMONICITY, LEAST, Pulses, pulses_at

CONFIG = MelConfig()
FRAMES = Frames.of(CONFIG)


def test_pulses_are_band_limited_and_at_their_times():
    train = pulses_at(np.array([-3.0, 10.0, 50.25, 119.9]), 120)
    assert train[10] == pytest.approx(1)
    assert np.abs(train[[9, 11]]).max() < 1e-6
    spectrum = np.fft.rfft(pulses_at(np.array([50.25]), 120))
    low = np.arange(1, 40)  # of 60 frequencies; the steepness ends below the highest
    delay = -np.unwrap(np.angle(spectrum))[low] / (2 * np.pi * low / 120)
    np.testing.assert_allclose(delay, 50.25, atol=0.02)
    assert train[112:].any()  # of the pulse at the end


def speech_mel() -> np.ndarray:
    return synthesis_mel(read_audio(sorted(SAMPLES.glob("*.flac"))[0])[:48_000])


def noise_spectrum(frames: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.standard_normal((frames, FRAMES.n_fft // 2 + 1, 2)).astype(np.float32).view(np.complex64)[..., 0]


def test_only_voiced_frames_change():
    mel = speech_mel()
    spectrum = noise_spectrum(mel.shape[1])
    found = Pulses(CONFIG).apply(spectrum, mel, done=len(spectrum))
    ratio = np.abs(found) / np.abs(spectrum)
    assert ratio.min() > LEAST**HARMONICITY - 1e-3 and 1.2 < ratio.max() < 3
    changed = (found != spectrum).any(axis=1)
    voiced = f0_from_mel(mel, CONFIG) > 0
    assert 0.3 < voiced.mean() < 0.9
    np.testing.assert_array_equal(changed, voiced)


def test_a_voiced_signal_gets_the_period_of_its_f0():
    mel = speech_mel()
    flat = np.ones((mel.shape[1], FRAMES.n_fft // 2 + 1), np.complex64)
    found = Pulses(CONFIG).apply(flat, mel, done=len(flat))
    wav = FRAMES.synthesize(found, FRAMES.weight(len(found)))[FRAMES.n_fft // 2 :]
    f0 = f0_from_mel(mel, CONFIG)
    middle = max(range(4, len(f0) - 4), key=lambda frame: f0[frame - 4 : frame + 5].min())
    around = wav[(middle - 3) * FRAMES.hop : (middle + 3) * FRAMES.hop]
    lags = np.arange(30, 300)
    best = lags[np.argmax([around[:-lag] @ around[lag:] / (len(around) - lag) for lag in lags])]
    assert CONFIG.sample_rate / best == pytest.approx(f0[middle], rel=0.05)


def test_pulses_continue_from_block_to_block():
    mel = np.repeat(speech_mel()[:, 100:101], 40, axis=1)  # the same in all frames, so F0 is constant
    flat = np.ones((40, FRAMES.n_fft // 2 + 1), np.complex64)
    whole = Pulses(CONFIG).apply(flat, mel, done=40)
    assert (whole != flat).any()
    parts = Pulses(CONFIG)
    first = parts.apply(flat[:28], mel[:, :28], done=20)
    second = parts.apply(flat[20:], mel[:, 17:], done=20)
    np.testing.assert_allclose(np.concatenate([first[:20], second]), whole, atol=2e-2)
