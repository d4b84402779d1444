"""Speaker embeddings, levels and colours."""

import numpy as np
from PyQt5.QtGui import QColor

from tests.toolbox.widgets.pictures import pixels
from toolbox.widgets import style
from toolbox.widgets.canvas import EmbeddingMap
from toolbox.widgets.level_meter import LevelMeter


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
