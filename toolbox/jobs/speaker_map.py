"""The map of all utterances heard so far, which grows with each of them and does not jump.

Below ten points it shows their two principal components. From there on UMAP (`umap_layout`) lays them out, in
the background: a fit begins from the layout that is seen, and is turned to lie upon it. Between two fits a new point is
put among its nearest neighbours at once, as UMAP's own transform begins.

    speaker_map.add(embedding, "ann", "a.wav")       # placed at once
    if speaker_map.wants_fit():
        snapshot = speaker_map.snapshot()            # in a job: layout = fit(snapshot); when done:
        speaker_map.accept(layout)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from toolbox.jobs.umap_layout import descend, fuzzy_graph

LEAST_FOR_UMAP = 10  # points; fewer have no neighbourhoods to keep
NEIGHBOURS = 15
MOST_FITTED = 1500  # points; a step of a fit takes as long as their number squared
PLACING_NEIGHBOURS = 5  # among which a new point is put
GROWTH = 0.15  # of the points; after so many new ones they are fitted anew
FIRST_STEPS, FIRST_RATE = 200, 0.2
NEXT_STEPS, NEXT_RATE = 100, 0.1  # a fit that begins from a good layout has less to do
FIRST_EXTENT = 10.0
GOLDEN_TURN = 0.6180339887498949  # of the circle of hues: any number of them stay apart


@dataclass(frozen=True, eq=False)
class Point:
    """One utterance: float32 [embedding_size], who speaks, and what it is called."""

    embedding: np.ndarray
    speaker: str
    name: str


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What a fit needs: embeddings float32 [points, size], their places as seen float32 [points, 2], and how often a
    fit was done before."""

    embeddings: np.ndarray
    places: np.ndarray
    fits: int
    version: int


@dataclass(frozen=True, eq=False)
class Layout:
    """What a fit made: float32 [points, 2] for the points of its snapshot."""

    places: np.ndarray
    version: int


class SpeakerMap:
    """Points and where they lie. For one thread; only `fit` is for another."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._points: list[Point] = []
        self._places = np.zeros((0, 2), np.float32)
        self._colours: dict[str, int] = {}
        self._fitted = 0  # points that the last fit knew
        self._fits = 0
        self._version = getattr(self, "_version", 0) + 1  # a fit of what was there before a `clear` is not accepted

    def add(self, embedding: np.ndarray, speaker: str, name: str = "") -> None:
        """Put an utterance into the map: float32 [embedding_size]. Those of another size begin a new map."""
        row = np.asarray(embedding, np.float32)
        if self._points and row.shape != self._points[0].embedding.shape:
            self.clear()
        self._points.append(Point(row, speaker, name))
        self._colours.setdefault(speaker, len(self._colours))
        if len(self._points) < LEAST_FOR_UMAP:
            self._places = upon(principal_components(self._rows()), self._places)
        else:
            place = _among_neighbours(self._rows()[:-1], self._places, row)
            self._places = np.concatenate([self._places, place[None]])

    def remove(self, number: int) -> None:
        """Take a point out."""
        del self._points[number]
        self._places = np.delete(self._places, number, axis=0)
        self._fitted = min(self._fitted, len(self._points))
        self._version += 1

    @property
    def points(self) -> tuple[Point, ...]:
        return tuple(self._points)

    @property
    def places(self) -> np.ndarray:
        """float32 [points, 2]."""
        return self._places

    def __len__(self) -> int:
        return len(self._points)

    @property
    def speakers(self) -> list[str]:
        """In the order in which they came, which their colours keep."""
        return list(self._colours)

    def colour(self, speaker: str, dark: bool = False) -> tuple[float, float, float]:
        """sRGB in [0, 1], the same as long as the speaker is in the map; `dark` for a dark ground."""
        return speaker_colour(self._colours.get(speaker, len(self._colours)), dark)

    def marker(self, speaker: str) -> str:
        """A matplotlib marker; it changes every twelve speakers, so that like hues are told apart."""
        from encoder.umap_projection import MARKERS

        return MARKERS[self._colours.get(speaker, 0) // 12 % len(MARKERS)]

    def wants_fit(self) -> bool:
        """Whether a fit would show more than what is seen: enough points, and enough of them new."""
        new = len(self._points) - self._fitted
        return len(self._points) >= LEAST_FOR_UMAP and (not self._fits or new > GROWTH * len(self._points))

    def snapshot(self) -> Snapshot:
        return Snapshot(self._rows(), self._places.copy(), self._fits, self._version)

    def accept(self, layout: Layout) -> bool:
        """Take over what `fit` made; points that came meanwhile keep near their neighbours. False if it is outdated."""
        known = len(layout.places)
        if layout.version != self._version or known > len(self._points):
            return False
        rows, places = self._rows(), layout.places
        for number in range(known, len(rows)):
            places = np.concatenate([places, _among_neighbours(rows[:number], places, rows[number])[None]])
        self._places, self._fitted, self._fits = places.astype(np.float32), known, self._fits + 1
        return True

    def _rows(self) -> np.ndarray:
        if not self._points:
            return np.zeros((0, 0), np.float32)
        return np.stack([point.embedding for point in self._points])


def fit(snapshot: Snapshot, seed: int = 0, check: Callable[[], None] = lambda: None) -> Layout:
    """UMAP with the cosine, from the layout that is seen, put upon it again. For a background thread.

    Of more than `MOST_FITTED` points so many are laid out, and the others put among their neighbours.

    Args:
        seed: of the tiny shifts by which points on one place are parted.
        check: called now and then; what it raises ends the work.
    """
    rows, places = snapshot.embeddings, snapshot.places
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_FITTED)).round().astype(int))
    graph = fuzzy_graph(rows[chosen], NEIGHBOURS)
    start = _apart(places[chosen], seed, as_seen=snapshot.fits > 0)
    steps, rate = (NEXT_STEPS, NEXT_RATE) if snapshot.fits else (FIRST_STEPS, FIRST_RATE)
    made = upon(descend(graph, start, steps, rate, check), places[chosen])
    whole = np.zeros((len(rows), 2), np.float32)
    whole[chosen] = made
    for number in np.setdiff1d(np.arange(len(rows)), chosen):
        whole[number] = _among_neighbours(rows[chosen], made, rows[number])
    return Layout(whole, snapshot.version)


def principal_components(rows: np.ndarray) -> np.ndarray:
    """[points, size] -> float32 [points, 2]; zeros where the points do not spread that far."""
    places = np.zeros((len(rows), 2), np.float32)
    if len(rows) > 1:
        left, strength, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
        count = min(2, len(strength))
        places[:, :count] = left[:, :count] * strength[:count]
    return places


def upon(places: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Turn, mirror and shift a layout so that its first points lie as near as can be to where they are seen.

    The orthogonal Procrustes problem (Schönemann, 1966): with both centred, the turn is U V' of the singular value
    decomposition of places' seen. The scale stays: points that spread out are meant to.

    Args:
        places: [points, 2]; seen: [no more points, 2].
    Returns:
        float32 [points, 2].
    """
    known = min(len(seen), len(places))
    if known < 2:
        return np.asarray(places, np.float32)
    old, new = seen[:known], places[:known]
    u, _, v = np.linalg.svd((new - new.mean(axis=0)).T @ (old - old.mean(axis=0)))
    return ((places - new.mean(axis=0)) @ (u @ v) + old.mean(axis=0)).astype(np.float32)


def speaker_colour(number: int, dark: bool = False) -> tuple[float, float, float]:
    """sRGB in [0, 1] of the n-th speaker: hues a golden section of the circle apart, so that no two of any number are
    the same; lightness changes from turn to turn."""
    from encoder.umap_projection import CHROMA, _oklch_to_srgb

    lightness = (0.78, 0.68, 0.86)[number // 8 % 3] if dark else (0.60, 0.48, 0.70)[number // 8 % 3]
    return _oklch_to_srgb(lightness, CHROMA, 2 * np.pi * ((number * GOLDEN_TURN) % 1.0) + 0.5)


def _among_neighbours(rows: np.ndarray, places: np.ndarray, one: np.ndarray) -> np.ndarray:
    """Where a new embedding goes: the mean of its nearest neighbours' places, each by how near it is. float32 [2]"""
    norms = np.linalg.norm(rows, axis=1) * max(float(np.linalg.norm(one)), 1e-8)
    distance = 1 - (rows @ one) / np.maximum(norms, 1e-8)
    nearest = np.argsort(distance, kind="stable")[:PLACING_NEIGHBOURS]
    weight = np.exp(-(distance[nearest] - distance[nearest[0]]) / max(float(np.median(distance[nearest])), 1e-6))
    return ((weight / weight.sum()) @ places[nearest]).astype(np.float32)


def _apart(places: np.ndarray, seed: int, as_seen: bool) -> np.ndarray:
    """A start in which no two points lie on each other; from principal components one of a size that UMAP unfolds."""
    start = places
    if not as_seen:
        start = FIRST_EXTENT * (places - places.mean(axis=0)) / np.maximum(np.ptp(places, axis=0), 1e-6)
    return (start + np.random.default_rng(seed).normal(0, 0.02, start.shape)).astype(np.float32)
