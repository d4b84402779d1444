import numpy as np
import pytest

from speech.music import BLOCK_FRAMES, HOP, Music, detect_music
from tests.speech.clips import RATE, band, mixed, tune
from tests.toy_models import speech_like


@pytest.mark.parametrize("make", [tune, band])
def test_music_is_detected(make):
    tones = detect_music(make(5, 0))
    assert tones.fraction > 0.5
    assert tones.energy > 0.05
    assert tones.spans[0][0] < 1 and tones.spans[-1][1] > 4


def test_speech_noise_and_hum_are_not_music():
    rng = np.random.default_rng(0)
    time = np.arange(6 * RATE) / RATE
    hum = np.sum([np.sin(2 * np.pi * 50 * k * time) / k for k in range(1, 40)], axis=0)
    for wav in (
        speech_like(6),
        speech_like(6, pitch=220),
        rng.normal(size=6 * RATE),
        mixed(speech_like(6), hum, 15),
        np.zeros(6 * RATE),
    ):
        assert detect_music(wav.astype(np.float32)) == Music()


@pytest.mark.parametrize("samples", [0, 1, 1023, 1024, 5000])
def test_very_short_clips(samples):
    assert detect_music(tune(1)[:samples]).spans == ()


def test_detection_at_any_level_and_across_blocks():
    music = tune(6, 4)
    assert detect_music(0.01 * music).fraction == pytest.approx(detect_music(music).fraction, abs=0.05)
    quiet = 1e-3 * np.random.default_rng(0).normal(size=BLOCK_FRAMES * HOP)  # one block of noise
    tones = detect_music(np.concatenate([quiet, music]).astype(np.float32))
    assert len(tones.spans) == 1
    assert tones.spans[0][0] == pytest.approx(len(quiet) / RATE, abs=1)


def test_one_note_is_not_music():
    wav = speech_like(6)
    wav[2 * RATE : 2 * RATE + 8000] += tune(0.5)
    assert detect_music(wav) == Music()


def test_a_whistled_tune_is_music():
    t = np.arange(RATE // 2) / RATE
    music = np.concatenate([np.sin(2 * np.pi * f * t) * np.hanning(len(t)) for f in (660, 880, 740, 587, 990, 880)])
    assert detect_music(music.astype(np.float32)).fraction > 0.3
