"""Mel settings: their checks, their JSON form, and the refusal to combine different ones."""

import json
import subprocess
import sys

import pytest

from speech.errors import ConfigError
from speech.mel_config import MelConfig, require_same_mel

WIDE = MelConfig(sample_rate=24_000, n_fft=1200, hop_length=300, win_length=1200, fmax=11_000.0)


def test_frames_per_second_is_derived():
    assert MelConfig().frames_per_second == 80
    assert MelConfig(sample_rate=24_000, hop_length=300, fmax=11_000).frames_per_second == 80


@pytest.mark.parametrize(
    "settings",
    [
        {"hop_length": 0},
        {"hop_length": 300},
        {"win_length": 801},
        {"fmax": 9000.0},
        {"fmin": 7700.0},
        {"min_level_db": 0.0},
        {"preemphasis": 1.0},
        {"n_mels": -1},
        {"max_abs_value": float("nan")},
    ],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ConfigError):
        MelConfig(**settings)


def test_settings_survive_json():
    assert MelConfig.from_json(json.loads(json.dumps(WIDE.to_json()))) == WIDE
    assert MelConfig.from_json(None) == MelConfig()
    with pytest.raises(ConfigError, match="window_shape"):
        MelConfig.from_json({"window_shape": "hann"})


def test_settings_are_found_in_the_config_of_a_model():
    stored = WIDE.to_json()
    assert MelConfig.of_model({"channels": 3, "mel": stored}) == WIDE
    assert MelConfig.of_model({"architecture": {"mel": stored}, "inference": {"gains": [1.0]}}) == WIDE
    assert MelConfig.of_model({"channels": 3}) == MelConfig()


def test_equal_settings_may_be_combined():
    require_same_mel(WIDE, MelConfig.from_json(WIDE.to_json()), "the store a", "the model b")


def test_the_refusal_is_one_sentence_with_both_values():
    with pytest.raises(ConfigError) as error:
        require_same_mel(MelConfig(), WIDE, "the synthesizer a", "the vocoder b")
    sentence = str(error.value)
    for part in (
        "The synthesizer a",
        "the vocoder b",
        "sample_rate 16000",
        "sample_rate 24000",
        "hop_length 300",
        "mel settings",
    ):
        assert part in sentence
    assert "n_mels" not in sentence and "\n" not in sentence and sentence.count(". ") == 0


def test_importing_the_settings_needs_no_numpy(repository):
    code = "import sys, speech.mel_config; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=repository).returncode == 0
