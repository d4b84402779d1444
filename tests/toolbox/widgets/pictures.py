"""What a widget paints."""

import numpy as np
from PyQt5.QtGui import QColor


def pixels(widget) -> np.ndarray:
    """Lightness [rows, columns] of what a widget paints."""
    image = widget.grab().toImage()
    return np.array([
        [QColor(image.pixel(x, y)).lightness() for x in range(0, image.width(), 2)]
        for y in range(0, image.height(), 2)
    ])  # fmt: skip
