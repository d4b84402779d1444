"""k-means: rows of features -> labels."""

import logging
import warnings

import numpy as np
from numpy.typing import NDArray

from speech.errors import CorpusError

logger = logging.getLogger(__name__)

MAX_ROWS = 60_000  # drawn for the fit
ITERATIONS = 25
ROWS_PER_PASS = 8192


def fit_centroids(rows: np.ndarray, units: int, seed: int = 0) -> NDArray[np.float32]:
    """Centroids float32 [units, columns] by k-means++ (Arthur & Vassilvitskii 2007) and Lloyd's iterations.

    Args:
        rows: [n, columns]. More than 60,000 are sampled.

    Raises:
        CorpusError: there are fewer rows than units.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    if len(rows) < units:
        raise CorpusError(f"{units} units need at least as many frames of speech, not {len(rows)}: add recordings.")
    rng = np.random.default_rng(seed)
    chosen = rows if len(rows) <= MAX_ROWS else rows[np.sort(rng.choice(len(rows), MAX_ROWS, replace=False))]
    # With several threads the order of the sums would change from run to run.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than units; said below
        found = KMeans(units, n_init=1, max_iter=ITERATIONS, random_state=seed).fit(np.asarray(chosen, np.float32))
    empty = units - len(np.unique(found.labels_))
    if empty:
        logger.warning("%d of %d units have no frame", empty, units)
    return found.cluster_centers_.astype(np.float32)


def nearest(rows: np.ndarray, centroids: np.ndarray) -> NDArray[np.int64]:
    """Index of the nearest centroid of each row by Euclidean distance: [n, columns] -> int64 [n]."""
    norms = np.square(centroids).sum(axis=1) / 2
    parts = [
        np.argmax(rows[start : start + ROWS_PER_PASS] @ centroids.T - norms, axis=1)
        for start in range(0, len(rows), ROWS_PER_PASS)
    ]
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)
