"""The graph and the layout of UMAP."""

import numpy as np
import pytest

from toolbox.jobs.umap_layout import MIN_DIST_CURVE, NEGATIVES, descend, fuzzy_graph


def clusters(count: int = 4, members: int = 8, size: int = 32) -> np.ndarray:
    rng = np.random.default_rng(0)
    middles = rng.standard_normal((count, size))
    return np.repeat(middles, members, axis=0) + 0.5 * rng.standard_normal((count * members, size))


def test_the_graph_is_symmetric_with_weights_in_0_to_1():
    graph = fuzzy_graph(clusters(), 10)
    assert graph.shape == (32, 32) and np.array_equal(graph, graph.T)
    assert graph.min() == 0 and graph.max() <= 1 and not graph.diagonal().any()
    same = np.repeat(np.arange(4), 8)
    inside = same[:, None] == same[None]
    assert graph[inside].mean() > 5 * graph[~inside].mean()


def test_the_edge_to_the_nearest_neighbour_has_weight_one():
    rows = clusters()
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -1)
    graph = fuzzy_graph(rows, 10)
    assert graph[np.arange(32), similarity.argmax(axis=1)] == pytest.approx(1, abs=1e-5)


def test_the_edge_weights_of_a_point_sum_to_log2_of_their_number():
    from toolbox.jobs.umap_layout import _scales

    beyond = np.sort(np.random.default_rng(0).uniform(0, 1, (20, 10)), axis=1)
    beyond -= beyond[:, :1]
    assert np.exp(-beyond / _scales(beyond)[:, None]).sum(axis=1) == pytest.approx(np.log2(10), rel=1e-3)


def test_steps_follow_the_gradient_of_the_loss():
    rng = np.random.default_rng(1)
    graph, positions = fuzzy_graph(clusters(2, 3, 8), 4), rng.normal(0, 3, (6, 2))
    a, b = MIN_DIST_CURVE
    degrees = graph.sum(axis=1)
    push = NEGATIVES * (degrees[:, None] + degrees[None]) / 12

    def loss(flat: np.ndarray) -> float:
        x = flat.reshape(6, 2)
        squared = np.square(x[:, None] - x[None]).sum(axis=2) + np.eye(6)
        w = 1 / (1 + a * squared**b)
        pairs = -graph * np.log(w) - push * np.log(1 - w)
        return float(pairs[~np.eye(6, dtype=bool)].sum()) / 2

    def gradient(flat: np.ndarray) -> np.ndarray:
        return np.array([(loss(flat + step) - loss(flat - step)) / 2e-5 for step in 1e-5 * np.eye(12)])

    rate = 1e-4
    moved = (descend(graph, positions, 1, rate).astype(np.float64) - positions.astype(np.float32)) / rate
    np.testing.assert_allclose(moved.ravel(), -gradient(positions.ravel()), rtol=0.02, atol=0.02)


def test_clusters_separate_and_a_good_layout_is_kept():
    rows = clusters()
    graph = fuzzy_graph(rows, 10)
    made = descend(graph, np.random.default_rng(0).normal(0, 3, (32, 2)), 300)
    distance = np.linalg.norm(made[:, None] - made[None], axis=2)
    same = np.repeat(np.arange(4), 8)
    inside = same[:, None] == same[None]
    assert distance[inside].max() < 6 and np.median(distance[~inside]) > 2 * np.median(distance[inside])
    again = descend(graph, made, 100, 0.1)
    assert np.median(np.linalg.norm(again - made, axis=1)) < 0.05 * np.ptp(made, axis=0).max()


def test_three_points_are_enough():
    rows = np.array([[1.0, 0], [0, 1], [1, 1]])
    assert np.isfinite(descend(fuzzy_graph(rows, 15), rows, 50)).all()
