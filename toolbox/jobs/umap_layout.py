"""UMAP for the few hundred points of a map that grows, begun from the layout that is seen.

The graph is that of McInnes, Healy and Melville (arXiv 1802.03426). Its layout is found by descending, for all pairs at
once, the loss that UMAP's negative sampling has in expectation (Damrich and Hamprecht, arXiv 2103.14608); so nothing is
drawn at random, and a fit that begins near a good layout ends near it. The package umap-learn, which is for many more
points, would compile for many seconds in each new process, change the number of threads of torch, and begin anew.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

MIN_DIST_CURVE = 0.583, 1.334  # a, b of 1 / (1 + a d^2b), which fits a minimal distance of 0.5 and a spread of 1
NEGATIVES = 5.0  # samples of UMAP for each edge
LARGEST_MOVE = 0.5  # of a point in one step, in units of that distance
BISECTIONS = 40


def fuzzy_graph(rows: np.ndarray, neighbours: int) -> np.ndarray:
    """How much each two points belong together, by the cosine: [points, size] -> float32 [points, points] in [0, 1].

    Each point's distances are measured beyond its nearest neighbour and in a unit of its own, such that its ties to
    its `neighbours` sum to log2 of their number; a tie of two points is there if either has it (the fuzzy union).
    """
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-8)
    distance = np.maximum(1 - unit @ unit.T, 0).astype(np.float32)
    np.fill_diagonal(distance, np.inf)
    count = min(neighbours, len(rows) - 1)
    near = np.argpartition(distance, count - 1, axis=1)[:, :count]
    beyond = np.take_along_axis(distance, near, axis=1)
    beyond -= beyond.min(axis=1, keepdims=True)
    ties = np.zeros_like(distance)
    np.put_along_axis(ties, near, np.exp(-beyond / _units(beyond)[:, None]), axis=1)
    return ties + ties.T - ties * ties.T


def _units(beyond: np.ndarray) -> np.ndarray:
    """The unit in which the ties of each row sum to log2 of their number: [points, neighbours] -> [points]."""
    wanted = np.log2(max(beyond.shape[1], 2))
    least = max(1e-3 * float(beyond.mean()), 1e-6)
    low, high = np.full(len(beyond), least), np.full(len(beyond), max(1e3 * float(beyond.mean()), 1e-3))
    for _ in range(BISECTIONS):
        middle = np.sqrt(low * high)
        too_much = np.exp(-beyond / middle[:, None]).sum(axis=1) > wanted
        low, high = np.where(too_much, low, middle), np.where(too_much, middle, high)
    return np.sqrt(low * high)


def descend(
    graph: np.ndarray, start: np.ndarray, steps: int, rate: float = 0.2, check: Callable[[], None] = lambda: None
) -> np.ndarray:
    """Move points so that those which belong together lie together.

    The pull of a tie of strength p and the push between any two points are the gradients of

        -p log w - r log(1 - w),   w = 1 / (1 + a d^2b),   r_ij = negatives (degree_i + degree_j) / 2 points.

    Args:
        graph: [points, points], as `fuzzy_graph` makes it.
        start: [points, 2]; no two on one place, for those never part.
        steps: the moves become smaller towards the last.
        check: called before each step; what it raises ends the work.
    Returns:
        float32 [points, 2].
    """
    a, b = MIN_DIST_CURVE
    degrees = graph.sum(axis=1)
    push = (NEGATIVES / (2 * len(graph)) * (degrees[:, None] + degrees[None])).astype(np.float32)
    places = np.array(start, np.float32)
    speed = np.zeros_like(places)
    for step in range(steps):
        check()
        squared = np.maximum(_squared_distances(places), 1e-4)
        power = squared ** np.float32(b)
        near = 1 + a * power
        pull = graph * (a * b * power / (squared * near))
        force = pull - push * (b / ((1e-3 + squared) * near))
        np.fill_diagonal(force, 0)
        # sum over j of force_ij (y_j - y_i)
        move = 2 * (force @ places - force.sum(axis=1, keepdims=True) * places)
        speed = 0.5 * speed + rate * (1 - step / steps) * move
        length = np.linalg.norm(speed, axis=1, keepdims=True)
        places += speed * np.minimum(1, LARGEST_MOVE / np.maximum(length, 1e-8))
    return places


def _squared_distances(places: np.ndarray) -> np.ndarray:
    x, y = places.T
    return np.square(x[:, None] - x[None]) + np.square(y[:, None] - y[None])
