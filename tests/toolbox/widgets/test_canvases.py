"""Pictures of audio."""

import numpy as np
import pytest
from PyQt5.QtCore import Qt
from PyQt5.QtGui import QColor

from toolbox.widgets import style
from toolbox.widgets.canvases import EmbeddingMap, HeatMap, Waveform, joined_alignment
from toolbox.widgets.level_meter import LevelMeter


def pixels(widget) -> np.ndarray:
    """Lightness [rows, columns] of what a widget paints."""
    image = widget.grab().toImage()
    return np.array([
        [QColor(image.pixel(x, y)).lightness() for x in range(0, image.width(), 2)]
        for y in range(0, image.height(), 2)
    ])  # fmt: skip


@pytest.fixture
def show(qtbot):
    def made(widget, width=300, height=120):
        qtbot.addWidget(widget)
        widget.resize(width, height)
        widget.show()
        return widget

    return made


def test_a_heat_map_has_its_lowest_row_at_the_bottom(show):
    canvas = show(HeatMap("Mel", "mel", "Nothing yet"))
    assert not canvas.has_picture()
    canvas.show_values(np.repeat([[4.0], [-4.0]], 50, axis=1), 2.0, (-4, 4))
    seen = pixels(canvas)
    area = canvas.plot()
    column = int(area.center().x()) // 2
    assert seen[int(area.bottom()) // 2 - 3, column] > 200 > 100 > seen[int(area.top()) // 2 + 18, column]
    canvas.show_values(np.zeros((80, 0)), 0.0)
    assert not canvas.has_picture()


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


def test_a_click_seeks_and_the_playhead_is_drawn(show, qtbot):
    canvas = show(Waveform("Audio"))
    canvas.show_audio(np.zeros(32_000, np.float32), 16_000)
    before = pixels(canvas)
    canvas.set_playhead(1.0)
    assert not np.array_equal(before, pixels(canvas))
    with qtbot.waitSignal(canvas.sought) as sought:
        qtbot.mouseClick(canvas, Qt.LeftButton, pos=canvas.plot().center().toPoint())
    assert sought.args[0] == pytest.approx(1.0, abs=0.03)


def test_long_audio_is_reduced_to_screen_resolution(show):
    heat = show(HeatMap("Mel", "mel"))
    heat.show_values(np.random.default_rng(0).uniform(-4, 4, (80, 50_000)), 600.0, (-4, 4))
    assert heat._pixels.shape == (80, 2000)
    waveform = show(Waveform("Audio"))
    waveform.show_audio(np.zeros(16_000 * 600, np.float32), 16_000)
    assert len(waveform._high) == 60_000
    waveform.grab()


def test_alignments_are_joined_as_diagonal_blocks():
    one, other = np.full((2, 3), 0.5, np.float32), np.ones((4, 5), np.float32)
    whole = joined_alignment([one, other])
    assert whole.shape == (6, 8)
    np.testing.assert_array_equal(whole[:2, :3], one)
    np.testing.assert_array_equal(whole[2:, 3:], other)
    assert not whole[:2, 3:].any() and not whole[2:, :3].any()
    assert joined_alignment([np.ones((500, 900), np.float32)] * 4).shape == (800, 2000)
    assert joined_alignment([]).size == joined_alignment([np.zeros((0, 0), np.float32)]).size == 0


def test_embeddings_and_levels_are_drawn(show):
    embedding = np.abs(np.random.default_rng(0).standard_normal(256)).astype(np.float32)
    canvas = show(EmbeddingMap("Voice"), 64, 64)
    canvas.show_embedding(embedding)
    first = pixels(canvas)
    canvas.show_embedding(embedding[::-1])
    assert not np.array_equal(first, pixels(canvas))
    canvas.show_embedding(None)
    assert not canvas.has_picture()
    meter = show(LevelMeter(), 200, 24)
    meter.show_level(-60, -60, False)
    quiet = pixels(meter)
    meter.show_level(-3, -10, True)
    assert np.abs(pixels(meter) - quiet).mean() > 5
    meter.reset()
    assert meter._held == -60


def test_higher_values_have_brighter_colours():
    lightness = [QColor(colour).lightnessF() for colour in style.HEAT_TABLE]
    assert len(lightness) == 256 and lightness[0] < 0.1 and lightness[-1] > 0.8
    assert style.HEAT_TABLE[0] >> 24 == 0xFF
