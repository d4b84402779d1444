"""Pictures of a half-trained encoder: how its errors trade off, and where the speakers lie."""

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

MAP_SPEAKERS = 24  # more are hard to tell apart by colour


def add_pictures(run: "RunDirectory", step: int, trials: VerificationTrials, embeddings: Mapping[str, Tensor]) -> None:
    """A DET curve over all conditions and a map of the speakers in the first, to TensorBoard and the run's samples.

    A training machine may lack matplotlib: then there are no pictures, which is said once.

    Args:
        embeddings: by condition, [windows, dim].
    """
    if not _can_draw():
        return
    with _own_threads():
        pictures = _draw(trials, embeddings)
    for name, figure in pictures.items():
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
def _own_threads() -> Iterator[None]:
    """Gives the process back its number of threads: UMAP's compiled loops set OpenMP's for all who come after them,
    and a training on one core that finds itself with two threads is many times slower."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@functools.cache
def _can_draw() -> bool:
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
