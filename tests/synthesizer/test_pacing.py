"""Tempo and pauses of a mel."""

import numpy as np
import pytest

from speech.errors import ConfigError
from speech.mel import MelConfig
from synthesizer.options import SynthesisOptions
from synthesizer.pacing import (
    EDGE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    frame_levels,
    interpolate_frames,
    loudest,
    new_places,
    pace,
    silences,
)
from synthesizer.splitting import breaks_of
from synthesizer.text.front_end import text_to_transcript
from tests.synthesizer.readings import FACTOR, path_of, reading

CONFIG = MelConfig()
TEXT = text_to_transcript("hello there, you.")
BREAKS = np.array(breaks_of(TEXT))
COMMA = 8  # token


def stalled(seconds: float):
    """A reading that rests on the blank behind the comma."""
    steps = round(seconds * CONFIG.frames_per_second / FACTOR)
    return reading(TEXT, path_of(TEXT, (0, COMMA + 1), (COMMA + 1, COMMA + 2, steps), (COMMA + 2, len(BREAKS))))


def paced(decoded, speed=1.0, pauses=1.0):
    return pace(decoded.mel, decoded.alignment, BREAKS, CONFIG, FACTOR, speed, pauses)


def test_levels_are_decibels():
    mel = np.full((80, 30), -4.0, np.float32)
    mel[:, 10:] = 4.0
    np.testing.assert_allclose(frame_levels(mel, CONFIG)[[0, -1]], [-80, 20], atol=1e-4)
    assert loudest(frame_levels(mel, CONFIG), CONFIG) == pytest.approx(20, abs=1e-3)


def test_silences_are_found_where_nothing_sounds():
    mel = stalled(1.0).mel
    found = silences(mel, CONFIG)
    assert [silence.where for silence in found] == ["inside", "end"]
    # the comma's two steps and a second on the blank
    assert len(found[0]) == pytest.approx(2 * FACTOR + CONFIG.frames_per_second, abs=FACTOR)
    assert all((mel[:, silence.first : silence.last] == -4).all() for silence in found)


def test_a_short_closure_is_no_pause():
    mel = np.full((80, 60), 2.0, np.float32)
    mel[:, 30:36] = -4
    assert silences(mel, CONFIG) == []


def test_a_good_reading_is_left_as_it_is():
    decoded = reading(
        TEXT, path_of(TEXT, (0, COMMA + 2), (COMMA + 2, len(BREAKS) - 1), (len(BREAKS) - 1, len(BREAKS), 1))
    )
    result = paced(decoded)
    assert result.dead_air == 0
    np.testing.assert_array_equal(result.mel, decoded.mel)
    np.testing.assert_array_equal(result.alignment, decoded.alignment)


def test_dead_air_is_cut_and_no_sound_is_touched():
    decoded = stalled(3.0)
    result = paced(decoded)
    pause = next(silence for silence in silences(result.mel, CONFIG) if silence.where == "inside")
    assert len(pause) / CONFIG.frames_per_second == pytest.approx(LONGEST_PAUSE_SECONDS, abs=0.02)
    assert result.dead_air == pytest.approx(3.1 - LONGEST_PAUSE_SECONDS, abs=0.06)
    before, after = (mel[:, mel.max(axis=0) > 0] for mel in (decoded.mel, result.mel))
    np.testing.assert_array_equal(before, after)


def test_edges_are_trimmed():
    decoded = reading(TEXT, path_of(TEXT, (0, len(BREAKS) - 1), (len(BREAKS) - 1, len(BREAKS), 40)))
    end = silences(paced(decoded).mel, CONFIG)[-1]
    assert end.where == "end"
    assert len(end) / CONFIG.frames_per_second == pytest.approx(EDGE_SECONDS, abs=FACTOR / CONFIG.frames_per_second)


@pytest.mark.parametrize(("pauses", "seconds"), [(0.0, 0.0), (0.5, 0.25), (2.0, 1.0)])
def test_pauses_alone_are_scaled(pauses, seconds):
    decoded = stalled(0.4)  # and two steps of a comma
    result = paced(decoded, pauses=pauses)
    inside = [silence for silence in silences(result.mel, CONFIG) if silence.where == "inside"]
    assert sum(map(len, inside)) / CONFIG.frames_per_second == pytest.approx(seconds, abs=0.03)
    assert (result.mel.max(axis=0) > 0).sum() == (decoded.mel.max(axis=0) > 0).sum()


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.25, 2.0])
def test_speed_changes_the_length_and_not_the_spectrum(speed):
    decoded = reading(TEXT, path_of(TEXT, (0, len(BREAKS) - 1)))
    result = paced(decoded, speed)
    most = FACTOR + 1  # whole steps
    assert result.mel.shape[1] == pytest.approx(decoded.mel.shape[1] / speed, abs=most)
    assert result.alignment.shape == (len(BREAKS), result.mel.shape[1] // FACTOR)
    assert (np.diff(result.alignment.argmax(axis=0)) >= 0).all()
    tone = np.full((80, 40), -3.0, np.float32)
    tone[17] = 2.5
    slow = interpolate_frames(tone, new_places(np.full(40, 1 / speed)))
    np.testing.assert_allclose(slow, np.repeat(tone[:, :1], slow.shape[1], 1), atol=1e-5)


def test_new_places_run_through_the_mel():
    places = new_places(np.full(100, 1.25))
    assert len(places) == 125
    assert (np.diff(places) > 0).all() and places[0] >= 0 and places[-1] <= 99
    np.testing.assert_array_equal(new_places(np.ones(7)), np.arange(7))


@pytest.mark.parametrize(("speed", "pauses"), [(0.4, 1), (2.1, 1), (float("nan"), 1), (1, -0.1), (1, 6)])
def test_what_nobody_could_follow_is_refused(speed, pauses):
    with pytest.raises(ConfigError):
        SynthesisOptions(speed=speed, pauses=pauses)
