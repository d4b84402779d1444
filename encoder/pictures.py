"""Pictures of a half-trained encoder: how its errors trade off, and where the speakers lie."""

import functools
import importlib.util
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from encoder.trials import VerificationTrials

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from training.checkpoint import RunDirectory

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
    from encoder.projection import draw_map
    from encoder.verification import det_figure

    first = next(iter(embeddings.values())).float().numpy()
    names = sorted(set(trials.speakers))[:MAP_SPEAKERS]
    shown = np.isin(trials.speakers, names)
    pictures = {
        "det": det_figure({name: trials.scores(rows) for name, rows in embeddings.items()}),
        "speakers": draw_map(first[shown], np.array(trials.speakers)[shown].tolist()),
    }
    for name, figure in pictures.items():
        pixels = _pixels(figure)
        run.writer.add_image(f"validation/{name}", pixels, step, dataformats="HWC")
        figure.savefig(run.samples / f"step-{step:09d}-{name}.png")


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
