"""Spectrograms and alignments."""

import numpy as np

from tests.toolbox.widgets.pictures import pixels
from toolbox.widgets.heat_map import HeatMap, joined_alignment


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


def test_long_values_are_reduced_to_screen_resolution(show):
    heat = show(HeatMap("Mel", "mel"))
    heat.show_values(np.random.default_rng(0).uniform(-4, 4, (80, 50_000)), 600.0, (-4, 4))
    assert heat._pixels.shape == (80, 2000)


def test_alignments_are_joined_as_diagonal_blocks():
    one, other = np.full((2, 3), 0.5, np.float32), np.ones((4, 5), np.float32)
    whole = joined_alignment([one, other])
    assert whole.shape == (6, 8)
    np.testing.assert_array_equal(whole[:2, :3], one)
    np.testing.assert_array_equal(whole[2:, 3:], other)
    assert not whole[:2, 3:].any() and not whole[2:, :3].any()
    assert joined_alignment([np.ones((500, 900), np.float32)] * 4).shape == (800, 2000)
    assert joined_alignment([]).size == joined_alignment([np.zeros((0, 0), np.float32)]).size == 0
