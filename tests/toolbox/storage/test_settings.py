"""Options of a request as plain values."""

import pytest

from cloning import SpeechOptions
from toolbox.storage.settings import SpeechSettings


def test_defaults_are_those_of_the_library():
    options, settings = SpeechOptions(), SpeechSettings()
    assert (settings.speed, settings.pauses, settings.pitch_range, settings.loudness) == (
        options.speed, options.pauses, options.pitch_range, options.loudness,
    )  # fmt: skip
    assert settings.changes() == [] and SpeechSettings.from_json({}) == settings


def test_settings_survive_json_and_are_described():
    settings = SpeechSettings(0.8, 2.0, 0.0, "/words/mine.csv", True, -18.0, True)
    assert SpeechSettings.from_json(settings.as_json()) == settings
    assert settings.changes() == [
        "speed 0.8",
        "pauses 2",
        "pitch range 0",
        "lexicon mine.csv",
        "silences trimmed",
        "-18 LUFS",
        "watermark",
    ]


@pytest.mark.parametrize("value", ["fast", None, True, 3.0, -1.0, float("nan"), [1.0]])
def test_invalid_values_take_the_defaults(value):
    assert (
        SpeechSettings.from_json({"speed": value, "loudness": value, "lexicon": 3, "trimmed": "yes"})
        == SpeechSettings()
    )
