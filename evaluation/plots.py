"""Pictures of mels and alignments, drawn without a screen."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from speech.errors import ConfigError


def plot_output(path: Path, title: str, mel: np.ndarray, alignment: np.ndarray | None = None) -> None:
    """Write a PNG with a mel and, where there is one, its alignment.

    Args:
        mel: [n_mels, frames], in [-4, 4].
        alignment: [tokens, steps].
    Raises:
        ConfigError: matplotlib is missing.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("Plots need matplotlib: install requirements-dev.txt, or give --plots 0.") from error
    panels = [("mel band", "frame", mel)]
    if alignment is not None:
        panels.append(("token", "decoder step", alignment))
    figure = Figure(figsize=(9, 3 * len(panels)), layout="constrained")
    FigureCanvasAgg(figure)  # no global state, unlike pyplot
    figure.suptitle(title, fontsize=9, wrap=True)
    rows = figure.subplots(len(panels), squeeze=False)[:, 0]
    rows = figure.subplots(len(panels), squeeze=False)[:, 0]
    for axes, (vertical, horizontal, values) in zip(rows, panels, strict=True):
        image = axes.imshow(values, aspect="auto", origin="lower", interpolation="nearest")
        axes.set(xlabel=horizontal, ylabel=vertical)
        figure.colorbar(image, ax=axes)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
