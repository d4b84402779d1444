"""Tempo and pauses of a mel."""

import numpy as np
import pytest

from speech.errors import ConfigError
from speech.mel_config import MelConfig
from synthesizer.options import SynthesisOptions
from synthesizer.pacing import (
    EDGE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    frame_levels,
    interpolate_frames,
    loudest,
    pace,
    silences,
    source_positions,
)
from synthesizer.splitting import breaks_of
from synthesizer.text.front_end import text_to_transcript
from tests.synthesizer.toy_decodings import FACTOR, path_of, toy_decoding

CONFIG = MelConfig()
TEXT = text_to_transcript("hello there, you.")
BREAKS = np.array(breaks_of(TEXT))
COMMA = 8  # token


def stalled(seconds: float):
    """A decoding that stays on the space after the comma."""
    steps = round(seconds * CONFIG.frames_per_second / FACTOR)
    return toy_decoding(TEXT, path_of(TEXT, (0, COMMA + 1), (COMMA + 1, COMMA + 2, steps), (COMMA + 2, len(BREAKS))))


def paced(decoded, speed=1.0, pauses=1.0):
    return pace(decoded.mel, decoded.alignment, BREAKS, CONFIG, FACTOR, speed, pauses)


def test_levels_are_decibels():
    mel = np.full((80, 30), -4.0, np.float32)
    mel[:, 10:] = 4.0
    np.testing.assert_allclose(frame_levels(mel, CONFIG)[[0, -1]], [-80, 20], atol=1e-4)
    assert loudest(frame_levels(mel, CONFIG), CONFIG) == pytest.approx(20, abs=1e-3)


def test_silences_are_found():
    mel = stalled(1.0).mel
    found = silences(mel, CONFIG)
    assert [silence.where for silence in found] == ["inside", "end"]
    # two steps on the comma and a second on the space
    assert len(found[0]) == pytest.approx(2 * FACTOR + CONFIG.frames_per_second, abs=FACTOR)
    assert all((mel[:, silence.first : silence.last] == -4).all() for silence in found)


def test_short_closure_is_not_a_pause():
    mel = np.full((80, 60), 2.0, np.float32)
    mel[:, 30:36] = -4
    assert silences(mel, CONFIG) == []


def test_correct_decoding_is_unchanged():
    decoded = toy_decoding(
        TEXT, path_of(TEXT, (0, COMMA + 2), (COMMA + 2, len(BREAKS) - 1), (len(BREAKS) - 1, len(BREAKS), 1))
    )
    result = paced(decoded)
    assert result.excess_pause == 0
    np.testing.assert_array_equal(result.mel, decoded.mel)
    np.testing.assert_array_equal(result.alignment, decoded.alignment)


def test_overlong_pause_is_cut_and_speech_is_unchanged():
    decoded = stalled(3.0)
    result = paced(decoded)
    pause = next(silence for silence in silences(result.mel, CONFIG) if silence.where == "inside")
    assert len(pause) / CONFIG.frames_per_second == pytest.approx(LONGEST_PAUSE_SECONDS, abs=0.02)
    assert result.excess_pause == pytest.approx(3.1 - LONGEST_PAUSE_SECONDS, abs=0.06)
    before, after = (mel[:, mel.max(axis=0) > 0] for mel in (decoded.mel, result.mel))
    np.testing.assert_array_equal(before, after)


def test_edges_are_trimmed():
    decoded = toy_decoding(TEXT, path_of(TEXT, (0, len(BREAKS) - 1), (len(BREAKS) - 1, len(BREAKS), 40)))
    end = silences(paced(decoded).mel, CONFIG)[-1]
    assert end.where == "end"
    assert len(end) / CONFIG.frames_per_second == pytest.approx(EDGE_SECONDS, abs=FACTOR / CONFIG.frames_per_second)


@pytest.mark.parametrize(("pauses", "seconds"), [(0.0, 0.0), (0.5, 0.25), (2.0, 1.0)])
def test_pauses_scale_without_the_speech(pauses, seconds):
    decoded = stalled(0.4)  # and two steps on a comma
    result = paced(decoded, pauses=pauses)
    inside = [silence for silence in silences(result.mel, CONFIG) if silence.where == "inside"]
    assert sum(map(len, inside)) / CONFIG.frames_per_second == pytest.approx(seconds, abs=0.03)
    assert (result.mel.max(axis=0) > 0).sum() == (decoded.mel.max(axis=0) > 0).sum()


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.25, 2.0])
def test_speed_changes_the_length_and_not_the_spectrum(speed):
    decoded = toy_decoding(TEXT, path_of(TEXT, (0, len(BREAKS) - 1)))
    result = paced(decoded, speed)
    most = FACTOR + 1  # whole steps
    assert result.mel.shape[1] == pytest.approx(decoded.mel.shape[1] / speed, abs=most)
    assert result.alignment.shape == (len(BREAKS), result.mel.shape[1] // FACTOR)
    assert (np.diff(result.alignment.argmax(axis=0)) >= 0).all()
    tone = np.full((80, 40), -3.0, np.float32)
    tone[17] = 2.5
    slow = interpolate_frames(tone, source_positions(np.full(40, 1 / speed)))
    np.testing.assert_allclose(slow, np.repeat(tone[:, :1], slow.shape[1], 1), atol=1e-5)


def test_source_positions_cover_the_mel():
    positions = source_positions(np.full(100, 1.25))
    assert len(positions) == 125
    assert (np.diff(positions) > 0).all() and positions[0] >= 0 and positions[-1] <= 99
    np.testing.assert_array_equal(source_positions(np.ones(7)), np.arange(7))


@pytest.mark.parametrize(("speed", "pauses"), [(0.4, 1), (2.1, 1), (float("nan"), 1), (1, -0.1), (1, 6)])
def test_options_out_of_range_are_refused(speed, pauses):
    with pytest.raises(ConfigError):
        SynthesisOptions(speed=speed, pauses=pauses)
