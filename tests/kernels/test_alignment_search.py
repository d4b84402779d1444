"""Monotonic alignment search: compiled, in numpy, and against all alignments of small cases."""

import itertools

import numpy as np
import pytest

from kernels import alignment_search
from kernels.alignment_search import search_alignment, search_with_numpy

INT = np.int64


def best_by_brute_force(scores: np.ndarray) -> np.ndarray:
    """Durations [tokens] with the highest sum of scores [frames, tokens], from all monotonic alignments."""
    frames, tokens = scores.shape
    found, best = None, -np.inf
    for cuts in itertools.combinations(range(1, frames), tokens - 1):
        edges = (0, *cuts, frames)
        total = sum(scores[edges[token] : edges[token + 1], token].sum() for token in range(tokens))
        if total > best:
            found, best = np.diff(edges), total
    assert found is not None
    return found


@pytest.mark.parametrize("search", [search_alignment, search_with_numpy])
@pytest.mark.parametrize(("frames", "tokens"), [(1, 1), (4, 4), (7, 1), (9, 4), (12, 5)])
def test_the_best_of_all_alignments_is_found(search, frames, tokens):
    rng = np.random.default_rng(frames * 100 + tokens)
    for _ in range(5):
        scores = rng.normal(size=(frames, tokens)).astype(np.float32)
        found = search(scores[None].copy(), np.array([tokens], INT), np.array([frames], INT))
        np.testing.assert_array_equal(found[0], best_by_brute_force(scores))


def test_padding_changes_nothing_and_compiled_equals_reference():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(3, 60, 20)).astype(np.float32)
    tokens, frames = np.array([20, 7, 13], INT), np.array([60, 7, 31], INT)
    expected = search_with_numpy(scores, tokens, frames)
    np.testing.assert_array_equal(search_alignment(scores.copy(), tokens, frames), expected)
    np.testing.assert_array_equal(expected.sum(1), frames)
    for row, (count, length) in enumerate(zip(tokens, frames, strict=True)):
        alone = search_with_numpy(scores[row : row + 1, :length, :count], tokens[row : row + 1], frames[row : row + 1])
        np.testing.assert_array_equal(expected[row, :count], alone[0])
        assert not expected[row, count:].any() and expected[row, :count].min() >= 1


def test_without_compiled_code_numpy_does_the_same(monkeypatch):
    monkeypatch.setattr(alignment_search, "_compiled", lambda: None)
    found = search_alignment(np.eye(3, dtype=np.float32)[None], np.array([3], INT), np.array([3], INT))
    np.testing.assert_array_equal(found, [[1, 1, 1]])


@pytest.mark.parametrize(("tokens", "frames"), [(3, 2), (0, 2)])
def test_rows_without_an_alignment_are_refused(tokens, frames):
    with pytest.raises(ValueError):
        search_alignment(np.zeros((1, 4, 4), np.float32), np.array([tokens], INT), np.array([frames], INT))
