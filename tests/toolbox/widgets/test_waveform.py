"""The envelope of audio at every zoom."""

import numpy as np
import pytest

from tests.toolbox.widgets.pictures import pixels
from toolbox.widgets.waveform import Waveform


def test_a_waveform_grows_and_shows_the_amplitude(show):
    canvas = show(Waveform("Audio"))
    canvas.clear(16_000)
    for _ in range(10):
        canvas.append(np.full(1234, 0.5, np.float32))
    assert canvas.seconds == pytest.approx(12_340 / 16_000) and len(canvas._high) == 77
    assert canvas._high.max() == 0.5 and canvas._low.max() == 0.5
    whole = Waveform("Audio")
    whole.show_audio(np.full(12_340, 0.5, np.float32), 16_000)
    np.testing.assert_array_equal(whole._high, canvas._high)
    assert not np.array_equal(pixels(canvas), pixels(show(Waveform("Audio"))))


@pytest.mark.parametrize("zoomed", [0, 3, 12, 24])
def test_the_envelope_is_that_of_the_visible_samples(show, zoomed):
    wav = np.random.default_rng(0).uniform(-1, 1, 160_000).astype(np.float32)
    wav *= np.linspace(0, 1, len(wav), dtype=np.float32)
    canvas = show(Waveform("Audio"))
    canvas.clear(16_000)
    for start in range(0, len(wav), 7000):
        canvas.append(wav[start : start + 7000])
    canvas.axis.zoom(zoomed, around=7.0)
    times, low, high = canvas.envelope(300)
    axis = canvas.axis
    span = axis.end - axis.start
    assert 0 < len(times) <= 300
    assert times[0] == pytest.approx(axis.start, abs=max(span / 100, 0.02))
    assert times[-1] == pytest.approx(axis.end, abs=max(span / 100, 0.02))
    width = span / len(times)
    for column in range(2, len(times) - 2, 17):
        near = wav[max(0, int((times[column] - 2 * width) * 16_000)) : int((times[column] + 2 * width) * 16_000) + 2]
        assert near.min() <= low[column] <= high[column] <= near.max()
    if zoomed == 24:
        assert len(np.unique(high)) > 200, "single samples are visible"


def test_long_audio_is_drawn_from_its_bins(show):
    canvas = show(Waveform("Audio"))
    canvas.show_audio(np.zeros(16_000 * 600, np.float32), 16_000)
    assert len(canvas._high) == 60_000 and len(canvas.envelope(500)[0]) == 500
    canvas.grab()


def test_other_audio_resets_zoom_and_selection(show):
    canvas = show(Waveform("Audio"))
    canvas.show_audio(np.ones(16_000, np.float32), 16_000)
    canvas.axis.zoom(5)
    canvas.axis.select(0.2, 0.5)
    canvas.show_audio(np.ones(32_000, np.float32), 16_000)
    assert canvas.axis.is_whole() and canvas.axis.selection is None and canvas.seconds == 2.0
