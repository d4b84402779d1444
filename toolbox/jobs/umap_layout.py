"""UMAP for a few hundred points of a growing map, started from the visible layout.

The graph is that of McInnes, Healy and Melville (arXiv 1802.03426). The layout minimises, by gradient descent over all
pairs at once, the expectation of UMAP's negative-sampling loss (Damrich and Hamprecht, arXiv 2103.14608). It is
deterministic, and a fit that starts near a good layout stays near it. The package umap-learn is not used: it compiles
for many seconds in each process, changes torch's thread count, and starts from scratch each time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

MIN_DIST_CURVE = 0.583, 1.334  # a, b of 1 / (1 + a d^2b) for a minimal distance of 0.5 and a spread of 1
NEGATIVES = 5.0  # negative samples per edge
MAX_STEP = 0.5  # longest move of a point in one step, in units of that distance
BISECTIONS = 40


def fuzzy_graph(rows: np.ndarray, neighbours: int) -> np.ndarray:
    """Edge weights of the neighbourhood graph by cosine: [points, size] -> float32 [points, points] in [0, 1].

    A point's distances are measured from that of its nearest neighbour and scaled so that its edge weights sum to
    log2(neighbours). Two directed edges are combined by the fuzzy union.
    """
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-8)
    distance = np.maximum(1 - unit @ unit.T, 0).astype(np.float32)
    np.fill_diagonal(distance, np.inf)
    count = min(neighbours, len(rows) - 1)
    near = np.argpartition(distance, count - 1, axis=1)[:, :count]
    beyond = np.take_along_axis(distance, near, axis=1)
    beyond -= beyond.min(axis=1, keepdims=True)
    edges = np.zeros_like(distance)
    np.put_along_axis(edges, near, np.exp(-beyond / _scales(beyond)[:, None]), axis=1)
    return edges + edges.T - edges * edges.T


def _scales(beyond: np.ndarray) -> np.ndarray:
    """Distance scale at which each row's edge weights sum to log2(neighbours): [points, neighbours] -> [points]."""
    wanted = np.log2(max(beyond.shape[1], 2))
    smallest = max(1e-3 * float(beyond.mean()), 1e-6)
    low, high = np.full(len(beyond), smallest), np.full(len(beyond), max(1e3 * float(beyond.mean()), 1e-3))
    for _ in range(BISECTIONS):
        middle = np.sqrt(low * high)
        too_much = np.exp(-beyond / middle[:, None]).sum(axis=1) > wanted
        low, high = np.where(too_much, low, middle), np.where(too_much, middle, high)
    return np.sqrt(low * high)


def descend(
    graph: np.ndarray, start: np.ndarray, steps: int, rate: float = 0.2, check: Callable[[], None] = lambda: None
) -> np.ndarray:
    """Move points so that strongly connected ones lie close together.

    Attraction along an edge of weight p and repulsion between any two points are the gradients of

        -p log w - r log(1 - w),   w = 1 / (1 + a d^2b),   r_ij = negatives (degree_i + degree_j) / 2 points.

    Args:
        graph: [points, points] from `fuzzy_graph`.
        start: [points, 2]; no two may coincide, because they would never separate.
        steps: number of steps; their size falls linearly.
        check: called before each step; an exception from it stops the work.
    Returns:
        float32 [points, 2].
    """
    a, b = MIN_DIST_CURVE
    degrees = graph.sum(axis=1)
    repulsion = (NEGATIVES / (2 * len(graph)) * (degrees[:, None] + degrees[None])).astype(np.float32)
    positions = np.array(start, np.float32)
    speed = np.zeros_like(positions)
    for step in range(steps):
        check()
        squared = np.maximum(_squared_distances(positions), 1e-4)
        power = squared ** np.float32(b)
        near = 1 + a * power
        attraction = graph * (a * b * power / (squared * near))
        force = attraction - repulsion * (b / ((1e-3 + squared) * near))
        np.fill_diagonal(force, 0)
        # sum over j of force_ij (y_j - y_i)
        move = 2 * (force @ positions - force.sum(axis=1, keepdims=True) * positions)
        speed = 0.5 * speed + rate * (1 - step / steps) * move
        length = np.linalg.norm(speed, axis=1, keepdims=True)
        positions += speed * np.minimum(1, MAX_STEP / np.maximum(length, 1e-8))
    return positions


def _squared_distances(positions: np.ndarray) -> np.ndarray:
    x, y = positions.T
    return np.square(x[:, None] - x[None]) + np.square(y[:, None] - y[None])
