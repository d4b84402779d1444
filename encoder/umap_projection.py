"""The map of speakers: embeddings projected to two dimensions and drawn with one colour and marker per speaker.

The command is `python -m encoder.projection`.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kernels.private_files import is_private

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

MIN_POINTS_FOR_UMAP = 10  # fewer have no neighbourhoods to preserve
NEIGHBOURS = 30  # more than the clips of one speaker, so that similar voices are close to each other
SPEAKERS_IN_LEGEND = 40
ROWS_OF_LEGEND = 20
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", "h", ">", "*")
HUES = 12  # marker and lightness change after each round of hues
LIGHTNESS = (0.68, 0.54, 0.78)
CHROMA = 0.14


def project(embeddings: ArrayLike, seed: int = 0) -> NDArray[np.float32]:
    """Project embeddings to two dimensions by UMAP with the cosine metric (McInnes et al., arXiv 1802.03426).

    Fewer than ten points are projected to their principal components. So are all if umap-learn is not installed, which
    is logged. The same embeddings and seed give the same map.

    Args:
        embeddings: [points, dim].

    Returns:
        float32 [points, 2].

    Raises:
        ValueError: the embeddings are not finite rows.
    """
    rows = np.asarray(embeddings, dtype=np.float32)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise ValueError(f"embeddings must be finite rows [points, dim], not an array of shape {list(rows.shape)}")
    if len(rows) < MIN_POINTS_FOR_UMAP:
        return _principal_components(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about optional packages, and about the seed
        _leave_shared_cache()
        try:
            import umap
        except ImportError:
            logger.warning(
                "umap-learn is not installed: the map shows two principal components, which separate speakers less well"
            )
            return _principal_components(rows)
        neighbours = min(NEIGHBOURS, len(rows) - 1)
        reducer = umap.UMAP(
            n_neighbors=neighbours, min_dist=0.9, metric="cosine", init="pca", random_state=seed, n_jobs=1
        )
        return np.asarray(reducer.fit_transform(rows), dtype=np.float32)


def _leave_shared_cache() -> None:
    """Let numba not use a cache folder that others may write to: it unpickles the indexes that it finds there."""
    chosen = os.environ.get("NUMBA_CACHE_DIR", "")
    if chosen and Path(chosen).exists() and not is_private(Path(chosen)):
        logger.warning("$NUMBA_CACHE_DIR (%s) is not used: others may write to that folder", chosen)
        del os.environ["NUMBA_CACHE_DIR"]


def _principal_components(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """[points, dim] -> [points, 2]; zeros for components that do not exist."""
    points = np.zeros((len(rows), 2), dtype=np.float32)
    if len(rows) < 2:
        return points
    left, strength, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    # The sign of a component is arbitrary: the largest entry is made positive, so that the map is reproducible.
    for axis in range(min(2, len(strength))):
        column = left[:, axis] * strength[axis]
        points[:, axis] = column * np.sign(column[np.argmax(np.abs(column))] or 1)
    return points


def draw_map(embeddings: ArrayLike, speakers: Sequence[str], points: ArrayLike | None = None, seed: int = 0) -> Figure:
    """Draw the map of speakers: a point for each clip, with a line to the median of its speaker's points.

    Up to 40 speakers are named in a legend. With more, names are in the map where they do not overlap.

    Args:
        embeddings: [points, dim].
        speakers: [points], the speaker of each.
        points: [points, 2] from `project`; computed from the embeddings if not given.

    Returns:
        A figure that needs no display.

    Raises:
        ValueError: the numbers of points and speakers differ, or there are none.
        ConfigError: matplotlib is not installed.
    """
    from speech.figures import new_figure

    positions = np.asarray(project(embeddings, seed) if points is None else points, dtype=np.float64)
    names = [str(speaker) for speaker in speakers]
    if positions.ndim != 2 or positions.shape != (len(names), 2) or not names:
        raise ValueError(f"{len(names)} speakers for points of shape {list(positions.shape)}")
    members = {name: np.flatnonzero(np.array(names) == name) for name in sorted(set(names), key=_natural_order)}
    with_legend = 1 < len(members) <= SPEAKERS_IN_LEGEND
    columns = -(-len(members) // ROWS_OF_LEGEND) if with_legend else 0
    side = 8.0 if len(members) <= SPEAKERS_IN_LEGEND else 11.0
    figure = new_figure(side + 1.3 * columns, side)
    axes = figure.subplots()
    size = float(np.clip(60 * side**2 / len(names), 14, 60))  # square points
    for number, (name, rows) in enumerate(members.items()):
        colour, marker = speaker_style(number, len(members))
        own, median = positions[rows], np.median(positions[rows], axis=0)
        lines = np.stack([own, np.broadcast_to(median, own.shape), np.full_like(own, np.nan)], axis=1).reshape(-1, 2)
        axes.plot(*lines.T, color=colour, linewidth=0.8, alpha=0.4, zorder=1)
        axes.scatter(
            own[:, 0], own[:, 1], s=size, color=[colour], marker=marker, edgecolors="white", linewidths=0.4,
            label=name, zorder=2,
        )  # fmt: skip
    _frame(axes, positions, f"{_count(len(members), 'speaker')}, {_count(len(names), 'clip')}")
    if with_legend:
        axes.legend(
            loc="upper left", bbox_to_anchor=(1.01, 1.0), ncols=columns, frameon=False, fontsize=9, markerscale=1.2
        )
    elif len(members) > SPEAKERS_IN_LEGEND:
        _write_names(axes, {name: np.median(positions[rows], axis=0) for name, rows in members.items()}, positions)
    return figure


def speaker_style(number: int, count: int) -> tuple[tuple[float, float, float], str]:
    """Colour (sRGB in [0, 1]) and marker of speaker `number` of `count`. All differ for up to 432 speakers."""
    hues = min(count, HUES)
    round_ = number // hues
    lightness = LIGHTNESS[round_ % len(LIGHTNESS)] if count > HUES else LIGHTNESS[number % 2]
    hue = 2 * np.pi * (number % hues + 0.5 * (round_ % 2)) / hues + 0.5
    return oklch_to_srgb(lightness, CHROMA, hue), MARKERS[round_ % len(MARKERS)]


def oklch_to_srgb(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    """Convert polar Oklab (Ottosson, 2020), which is perceptually uniform, to sRGB in [0, 1], clipped to the gamut."""
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    cones = np.array(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(to_rgb @ cones**3, 0, 1)
    red, green, blue = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return float(red), float(green), float(blue)


def _frame(axes: Any, positions: NDArray[np.float64], title: str) -> None:
    """Set title and limits. There are no ticks, since the axes of the map have no meaning."""
    low, high = positions.min(axis=0), positions.max(axis=0)
    margin = 0.05 * np.maximum(high - low, 1e-3)
    axes.set(xticks=[], yticks=[])
    axes.set(xlim=(low[0] - margin[0], high[0] + margin[0]), ylim=(low[1] - margin[1], high[1] + margin[1]))
    axes.spines[:].set_color("0.8")
    axes.set_title(title, loc="left")


def _write_names(axes: Any, medians: dict[str, NDArray[np.float64]], positions: NDArray[np.float64]) -> None:
    """Write names above the medians, without those that would overlap."""
    span = np.maximum(np.ptp(positions, axis=0), 1e-3)
    taken: list[tuple[float, float, float]] = []
    for name, median in medians.items():
        (x, y), width = median / span, 0.009 * len(name)
        if all(abs(x - u) > (width + w) / 2 or abs(y - v) > 0.016 for u, v, w in taken):
            taken.append((x, y, width))
            axes.annotate(
                name, median, xytext=(0, 5), textcoords="offset points", ha="center", fontsize=7, color="0.15",
                zorder=3, bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "alpha": 0.6, "linewidth": 0},
            )  # fmt: skip


def _natural_order(name: str) -> list[Any]:
    """Sort key with p9 before p10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
