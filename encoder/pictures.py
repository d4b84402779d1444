"""Figures of a validation: a DET curve and a map of the speakers."""

import contextlib
import functools
import importlib.util
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from encoder.trials import VerificationTrials

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from training.run_directory import RunDirectory

logger = logging.getLogger(__name__)

MAP_SPEAKERS = 24  # more are hard to distinguish by colour


def add_pictures(run: "RunDirectory", step: int, trials: VerificationTrials, embeddings: Mapping[str, Tensor]) -> None:
    """Write a DET curve of all conditions and a map of the first one, to TensorBoard and the run's samples.

    Without matplotlib there are no figures, which is logged once.

    Args:
        embeddings: [windows, dim] by condition.
    """
    if not can_draw():
        return
    with _restored_threads():
        pictures = _draw(trials, embeddings)
    for name, figure in pictures.items():
        add_figure(run, step, name, figure)


def add_figure(run: "RunDirectory", step: int, name: str, figure: "Figure") -> None:
    """Write a figure to TensorBoard and to the run's samples."""
    run.writer.add_image(f"validation/{name}", _pixels(figure), step, dataformats="HWC")
    figure.savefig(run.samples / f"step-{step:09d}-{name}.png")


def _draw(trials: VerificationTrials, embeddings: Mapping[str, Tensor]) -> "dict[str, Figure]":
    from encoder.metrics import det_figure
    from encoder.umap_projection import draw_map

    first = next(iter(embeddings.values())).float().numpy()
    names = sorted(set(trials.speakers))[:MAP_SPEAKERS]
    shown = np.isin(trials.speakers, names)
    return {
        "det": det_figure({name: trials.scores(rows) for name, rows in embeddings.items()}),
        "speakers": draw_map(first[shown], np.array(trials.speakers)[shown].tolist()),
    }


@contextlib.contextmanager
def _restored_threads() -> Iterator[None]:
    """Restore torch's number of threads. UMAP's compiled loops change that of OpenMP, and training on one core is many
    times slower with two threads."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@functools.cache
def can_draw() -> bool:
    """Whether matplotlib is installed. If not, that is logged once."""
    if importlib.util.find_spec("matplotlib") is None:
        logger.info("no pictures: matplotlib is not installed")
        return False
    return True


def _pixels(figure: "Figure") -> np.ndarray:
    """uint8 [height, width, 3]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()
