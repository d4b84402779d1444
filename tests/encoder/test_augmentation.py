"""Augmentation of power mels, compared with the same augmentation of waveforms."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import fftconvolve

from encoder.augmentation import (
    Augmenter,
    band_centres,
    draw_pauses,
    insert_pauses,
)
from encoder.config import AugmentationConfig, no_augmentation
from speech.errors import ConfigError
from speech.mel import encoder_mel, mel_filters

PLAIN = no_augmentation()
SAMPLE_RATE = 16_000


def voice_like(seconds: float, seed: int = 0) -> np.ndarray:
    """Harmonics of a gliding pitch, modulated in amplitude at 4 Hz."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    phase = 2 * np.pi * np.cumsum(140 + 30 * np.sin(2 * np.pi * 0.7 * time)) / SAMPLE_RATE
    wav = sum(np.sin(k * phase + rng.uniform(0, 6)) / k for k in range(1, 50))
    return (0.03 * wav * (0.55 - 0.45 * np.cos(2 * np.pi * 4 * time))).astype(np.float32)


def augmented(config: AugmentationConfig, windows: np.ndarray, noise=(), seed: int = 0) -> np.ndarray:
    return Augmenter(config, noise)(windows.astype(np.float32), np.random.default_rng(seed))


def level_db(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(power + 1e-9)


def test_without_augmentation_nothing_changes() -> None:
    windows = np.random.default_rng(0).random((3, 20, 40), dtype=np.float32)
    np.testing.assert_array_equal(augmented(PLAIN, windows), windows)


def test_the_same_seed_gives_the_same_and_the_argument_is_unchanged() -> None:
    windows = np.random.default_rng(0).random((16, 20, 40), dtype=np.float32)
    before = windows.copy()
    first, second = (augmented(AugmentationConfig(), windows, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(windows, before)
    assert np.isfinite(first).all()
    assert (first >= 0).all()
    assert not np.array_equal(first, augmented(AugmentationConfig(), windows, seed=4))


@pytest.mark.parametrize("recorded", [False, True])
def test_noise_has_the_given_ratio(recorded: bool) -> None:
    rng = np.random.default_rng(1)
    speech = np.stack([encoder_mel(voice_like(3.0, seed)) for seed in range(4)])
    noise = [rng.random((170, 40)).astype(np.float16)] if recorded else []
    config = replace(PLAIN, noise_probability=1.0, noise_snr_db=(10.0, 10.0))
    added = augmented(config, speech, noise).mean(axis=(1, 2)) - speech.mean(axis=(1, 2))
    np.testing.assert_allclose(level_db(added / speech.mean(axis=(1, 2))), -10, atol=1.0)


def test_noise_matches_noise_in_the_waveform() -> None:
    wav = voice_like(6.0)
    noise = np.random.default_rng(2).standard_normal(len(wav)).astype(np.float32) * 0.01
    speech, alone, together = (encoder_mel(audio) for audio in (wav, noise, wav + noise))
    ratio = float(level_db(speech.mean() / alone.mean()))
    config = replace(PLAIN, noise_probability=1.0, noise_snr_db=(ratio, ratio))
    ours = augmented(config, speech[None], [alone])[0]
    # the same mean level and the same variation over time in each band
    np.testing.assert_allclose(level_db(ours).mean(axis=0), level_db(together).mean(axis=0), atol=1.0)
    np.testing.assert_allclose(level_db(ours).std(axis=0), level_db(together).std(axis=0), atol=1.5)


def test_reverberation_matches_reverberation_of_the_waveform() -> None:
    wav, decay, ratio_db = voice_like(6.0), 0.4, 3.0
    rng = np.random.default_rng(3)
    time = np.arange(int(decay * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / decay)  # 60 dB in the decay time
    tail *= 10 ** (-ratio_db / 20) / np.sqrt((tail**2).sum())
    tail[0] += 1
    real = encoder_mel(fftconvolve(wav, tail)[: len(wav)].astype(np.float32))
    config = replace(PLAIN, room_probability=1.0, room_decay_seconds=(decay, decay), room_ratio_db=(ratio_db, ratio_db))
    ours = augmented(config, encoder_mel(wav)[None])[0]
    bands = slice(4, 20)  # where the voice has harmonics and the decay time is close to that of the waveform
    np.testing.assert_allclose(level_db(ours)[20:, bands].mean(), level_db(real)[20:, bands].mean(), atol=1.5)
    # the gaps between syllables are filled to the same level
    for percentile in (5, 50, 95):
        reached, expected = (np.percentile(level_db(mel)[20:, bands].mean(axis=1), percentile) for mel in (ours, real))
        assert reached == pytest.approx(expected, abs=3)


def test_a_band_limit_passes_only_its_band() -> None:
    config = replace(PLAIN, band_probability=1.0, band_low_hz=(300.0, 300.0), band_high_hz=(3400.0, 3400.0))
    gain = level_db(augmented(config, np.ones((8, 5, 40)))[:, 0])
    centres = band_centres(40)
    passed = (centres > 400) & (centres < 3200)
    assert (gain[:, passed] > -8).all()
    assert (gain[:, centres > 5500] < -40).all()
    assert (gain[:, centres < 120] < -20).all()


def test_a_codec_rounds_levels_and_removes_weak_bands() -> None:
    config = replace(PLAIN, codec_probability=1.0, codec_step_db=(3.0, 3.0))
    speech = encoder_mel(voice_like(2.0))
    coded = augmented(config, speech[None])[0]
    kept = coded > 1e-11
    assert 0.3 < kept.mean() < 1
    difference = level_db(coded[kept]) - level_db(speech[kept])
    assert np.abs(difference[speech[kept] > 1e-6]).max() < 1.6
    assert (level_db(coded[kept]) / 3 == pytest.approx(np.rint(level_db(coded[kept]) / 3), abs=1e-2)) or kept.any()


def test_band_centres_are_those_of_the_front_end() -> None:
    filters = mel_filters(SAMPLE_RATE, 400, 40, 0.0, 8000.0)
    frequencies = np.linspace(0, 8000, filters.shape[1])
    peaks = frequencies[filters.argmax(axis=1)]
    np.testing.assert_allclose(band_centres(40), peaks, atol=45)  # bins are 40 Hz apart


def test_pauses_delay_what_follows() -> None:
    rng = np.random.default_rng(0)
    config = replace(PLAIN, pause_probability=0.5, pause_fraction=(0.2, 0.5))
    windows = np.arange(1, 41, dtype=np.float32)[None, :, None].repeat(50, axis=0)
    pauses = draw_pauses(50, 40, 10, config, rng)
    assert set(pauses.length.tolist()) == {0, 10, 20}
    assert (pauses.start >= 10).all()
    paused = insert_pauses(windows, pauses)[:, :, 0]
    for row, start, length in zip(paused, pauses.start, pauses.length, strict=True):
        expected = np.concatenate([np.arange(1, start + 1), np.zeros(length), np.arange(start + 1, 41)])[:40]
        np.testing.assert_array_equal(row, expected)


def test_silence_stays_finite() -> None:
    silent = np.zeros((32, 20, 40))
    assert np.isfinite(augmented(AugmentationConfig(), silent)).all()
    config = replace(PLAIN, noise_probability=1.0)
    assert np.isfinite(augmented(config, silent, [np.zeros((5, 40))])).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"noise_probability": 1.1},
        {"second_speaker_probability": -0.1},
        {"speed_range": 0.6},
        {"noise_snr_db": (9.0, 1.0)},
        {"second_speaker_ratio_db": (9.0, 1.0)},
        {"pause_fraction": (0.2, 1.0)},
        {"room_decay_seconds": (0.0, 1.0)},
        {"gain_db": -1.0},
    ],
)
def test_invalid_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        AugmentationConfig(**wrong)
