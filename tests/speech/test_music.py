import numpy as np
import pytest

from speech.music import BLOCK_FRAMES, HOP, HeldTones, find_held_tones
from tests.speech.clips import RATE, band, mixed, tune
from tests.toy_models import speech_like


@pytest.mark.parametrize("make", [tune, band])
def test_music_holds_its_tones(make):
    tones = find_held_tones(make(5, 0))
    assert tones.share > 0.5
    assert tones.energy > 0.05
    assert tones.spans[0][0] < 1 and tones.spans[-1][1] > 4


def test_what_glides_rushes_or_hums_is_no_music():
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
        assert find_held_tones(wav.astype(np.float32)) == HeldTones()


@pytest.mark.parametrize("samples", [0, 1, 1023, 1024, 5000])
def test_short_sounds_have_no_music(samples):
    assert find_held_tones(tune(1)[:samples]).spans == ()


def test_it_is_found_at_any_volume_and_in_long_clips():
    music = tune(6, 4)
    assert find_held_tones(0.01 * music).share == pytest.approx(find_held_tones(music).share, abs=0.05)
    quiet = 1e-3 * np.random.default_rng(0).normal(size=BLOCK_FRAMES * HOP)  # one block of a hiss
    tones = find_held_tones(np.concatenate([quiet, music]).astype(np.float32))
    assert len(tones.spans) == 1
    assert tones.spans[0][0] == pytest.approx(len(quiet) / RATE, abs=1)


def test_one_note_is_no_music():
    wav = speech_like(6)
    wav[2 * RATE : 2 * RATE + 8000] += tune(0.5)
    assert find_held_tones(wav) == HeldTones()


def test_a_whistled_tune_is_music_too():
    t = np.arange(RATE // 2) / RATE
    music = np.concatenate([np.sin(2 * np.pi * f * t) * np.hanning(len(t)) for f in (660, 880, 740, 587, 990, 880)])
    assert find_held_tones(music.astype(np.float32)).share > 0.3
