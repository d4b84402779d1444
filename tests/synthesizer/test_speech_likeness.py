"""Mels of speech pass, and gibberish is named."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from speech.audio import normalize_peak, read_audio
from speech.mel import synthesis_mel
from speech.mel_config import MelConfig
from synthesizer.pacing import frame_levels
from synthesizer.speech_likeness import unlike_speech
from tests.synthesizer.toy_decodings import KINDS, gibberish, speech_mel
from tests.toy_models import speech_like

CONFIG = MelConfig()
REASONS = {
    "constant": "steady",
    "noise": "louder",
    "faint noise": "at random",
    "buzz": "steady",
    "tone": "steady",
    "shuffled": "at random",
    "blurred": "at random",
}


def mel_of(wav: np.ndarray, config: MelConfig = CONFIG) -> np.ndarray:
    return synthesis_mel(normalize_peak(wav), config)


@pytest.mark.parametrize("frames", [40, 160, 800])
@pytest.mark.parametrize("kind", KINDS)
def test_gibberish_is_named(kind, frames):
    for seed in range(3):
        assert REASONS[kind] in unlike_speech(gibberish(kind, frames, seed), CONFIG)


def test_silences_do_not_hide_gibberish():
    for kind in KINDS:
        mel = np.full((80, 300), -4, np.float32)
        mel[:, 60:220] = gibberish(kind, 160)
        assert unlike_speech(mel, CONFIG)


def test_a_level_that_hardly_changes_and_missing_pitch_are_named():
    speech = speech_mel(200, 0.0).astype(np.float32)
    assert unlike_speech(speech, CONFIG) == ""
    levels = frame_levels(speech, CONFIG).astype(np.float32) / 12.5  # dB to mel values
    assert unlike_speech(speech - levels + levels.mean(), CONFIG) == "its level hardly changes"
    assert unlike_speech(gaussian_filter1d(speech, 5, axis=0), CONFIG) == "it has no pitch"


def test_a_mel_too_short_for_statistics_passes():
    assert unlike_speech(gibberish("constant", 10), CONFIG) == ""
    assert unlike_speech(np.zeros((80, 0), np.float32), CONFIG) == ""


@pytest.mark.parametrize("config", [CONFIG, MelConfig(sample_rate=24_000, hop_length=300, n_fft=1200, win_length=1200)])
def test_harmonic_signals_pass(config):
    from speech.audio import resample

    for pitch in (90.0, 220.0):
        wav = resample(speech_like(4.0, pitch), 16_000, config.sample_rate)
        assert unlike_speech(mel_of(wav, config), config) == ""


@pytest.mark.parametrize("name", ["awb", "kal", "rms", "slt"])
def test_the_samples_pass(samples_dir, name):
    wav = read_audio(samples_dir / f"{name}.flac")
    for start in range(0, len(wav) - 32_000, 48_000):
        for seconds in (0.5, 2, 10):
            assert unlike_speech(mel_of(wav[start : start + int(seconds * 16_000)]), CONFIG) == ""


def test_recordings_of_many_speakers_pass(shared_dir):
    """Also of children, of non-native speakers, and with noise."""
    for corpus in ("librispeech_test_other", "speechocean762_children", "vctk_samples", "kathleen"):
        paths = sorted(path for path in (shared_dir / "data" / corpus).rglob("*") if path.suffix in (".opus", ".mp3"))
        for path in paths[:: max(1, len(paths) // 8)][:8]:
            assert unlike_speech(mel_of(read_audio(path)), CONFIG) == "", path
