"""Figures that need no display: matplotlib by its objects alone, so threads may draw and nothing global is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speech.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure with a canvas of its own. Args: width, height: inches. Raises: ConfigError without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("Pictures need matplotlib: run pip install matplotlib.") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)  # pyplot would register the figure globally and choose a window system
    return figure
