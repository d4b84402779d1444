"""A map of speaker embeddings that grows point by point without jumping.

With fewer than ten points it shows their first two principal components. From then on UMAP (`umap_layout`) computes
the layout in the background. Each fit starts from the visible layout and is rotated to match it. Between two fits, a
new point is placed among its nearest neighbours, as UMAP's own transform does initially.

    speaker_map.add(embedding, "ann", "a.wav")       # placed at once
    if speaker_map.needs_fit():
        snapshot = speaker_map.snapshot()            # in a job: layout = fit(snapshot); then:
        speaker_map.accept(layout)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from toolbox.jobs.umap_layout import descend, fuzzy_graph
from toolbox.storage.map_file import StoredMap

MIN_UMAP_POINTS = 10  # fewer points have no neighbourhoods to preserve
NEIGHBOURS = 15
MAX_FITTED = 1500  # points; the time of a step grows with the square of their number
PLACING_NEIGHBOURS = 5  # neighbours whose mean position a new point gets
GROWTH = 0.15  # fraction of new points that triggers a new fit
FIRST_STEPS, FIRST_RATE = 200, 0.2
NEXT_STEPS, NEXT_RATE = 100, 0.1  # a fit that starts from a good layout needs fewer
FIRST_EXTENT = 10.0
SAME_EMBEDDING = 1e-4  # largest difference between two embeddings of one recording
GOLDEN_RATIO = 0.6180339887498949  # of the hue circle: any number of hues stay distinct


@dataclass(frozen=True, eq=False)
class Point:
    """One utterance: float32 [embedding_size], its speaker and its name."""

    embedding: np.ndarray
    speaker: str
    name: str


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Input of a fit: embeddings float32 [points, size], visible positions float32 [points, 2], number of earlier
    fits."""

    embeddings: np.ndarray
    positions: np.ndarray
    fits: int
    version: int


@dataclass(frozen=True, eq=False)
class Layout:
    """Result of a fit: float32 [points, 2] for the points of its snapshot."""

    positions: np.ndarray
    version: int


class SpeakerMap:
    """Points and their positions. Use it from one thread; only `fit` runs in another."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._points: list[Point] = []
        self._positions = np.zeros((0, 2), np.float32)
        self._colours: dict[str, int] = {}
        self.space = ""
        self._fitted = 0  # points that the last fit included
        self._fits = 0
        self._version = getattr(self, "_version", 0) + 1  # a fit that started before a `clear` is rejected

    def add(self, embedding: np.ndarray, speaker: str, name: str = "", space: str = "") -> None:
        """Add an utterance: float32 [embedding_size]. One of another size or embedding space starts a new map.

        A recording that is on the map already is not added again.
        """
        row = np.asarray(embedding, np.float32)
        if any(_is_same(point, row, speaker, name) for point in self._points):
            return
        if self._points and (row.shape != self._points[0].embedding.shape or space != self.space):
            self.clear()
        self.space = space
        self._points.append(Point(row, speaker, name))
        self._colours.setdefault(speaker, len(self._colours))
        if len(self._points) < MIN_UMAP_POINTS:
            self._positions = aligned_to(principal_components(self._rows()), self._positions)
        else:
            position = _position_near(self._rows()[:-1], self._positions, row)
            self._positions = np.concatenate([self._positions, position[None]])

    def rename(self, old: str, new: str) -> None:
        """Give all points of a speaker to another one, who may be on the map already."""
        if old in self._colours and old != new:
            self._points = [replace(point, speaker=new) if point.speaker == old else point for point in self._points]
            number = self._colours.pop(old)
            self._colours.setdefault(new, number)

    def contents(self) -> StoredMap:
        """All that `restore` needs."""
        speakers, names = (tuple(getattr(point, field) for point in self._points) for field in ("speaker", "name"))
        return StoredMap(self._rows(), self._positions.copy(), speakers, names, self._fitted, self._fits, self.space)

    def restore(self, stored: StoredMap) -> None:
        """Replace the map by stored contents."""
        self.clear()
        for row, speaker, name in zip(stored.embeddings, stored.speakers, stored.names, strict=True):
            self._points.append(Point(row, speaker, name))
            self._colours.setdefault(speaker, len(self._colours))
        self._positions, self._fitted, self._fits = stored.positions, stored.fitted, stored.fits
        self.space = stored.space

    @property
    def points(self) -> tuple[Point, ...]:
        return tuple(self._points)

    @property
    def positions(self) -> np.ndarray:
        """float32 [points, 2]."""
        return self._positions

    def __len__(self) -> int:
        return len(self._points)

    @property
    def speakers(self) -> list[str]:
        """In the order in which they were added, which determines their colours."""
        return list(self._colours)

    def colour(self, speaker: str, dark: bool = False) -> tuple[float, float, float]:
        """sRGB in [0, 1], constant while the speaker is on the map. Args: dark: for a dark background."""
        return speaker_colour(self._colours.get(speaker, len(self._colours)), dark)

    def needs_fit(self) -> bool:
        """Whether a new fit is worthwhile: there are enough points, and enough of them are new."""
        new = len(self._points) - self._fitted
        return len(self._points) >= MIN_UMAP_POINTS and (not self._fits or new > GROWTH * len(self._points))

    def snapshot(self) -> Snapshot:
        return Snapshot(self._rows(), self._positions.copy(), self._fits, self._version)

    def accept(self, layout: Layout) -> bool:
        """Use the result of `fit`. Points added meanwhile stay near their neighbours. Returns False if outdated."""
        known = len(layout.positions)
        if layout.version != self._version or known > len(self._points):
            return False
        rows, positions = self._rows(), layout.positions
        for number in range(known, len(rows)):
            positions = np.concatenate([positions, _position_near(rows[:number], positions, rows[number])[None]])
        self._positions, self._fitted, self._fits = positions.astype(np.float32), known, self._fits + 1
        return True

    def _rows(self) -> np.ndarray:
        if not self._points:
            return np.zeros((0, 0), np.float32)
        return np.stack([point.embedding for point in self._points])


def fit(snapshot: Snapshot, seed: int = 0, check: Callable[[], None] = lambda: None) -> Layout:
    """UMAP with the cosine distance, started from the visible layout and aligned to it. For a background thread.

    At most `MAX_FITTED` points are fitted; the others are placed among their neighbours.

    Args:
        seed: of the small random offsets that separate coinciding points.
        check: called regularly; an exception from it stops the work.
    """
    rows, positions = snapshot.embeddings, snapshot.positions
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MAX_FITTED)).round().astype(int))
    graph = fuzzy_graph(rows[chosen], NEIGHBOURS)
    start = _initial_layout(positions[chosen], seed, as_seen=snapshot.fits > 0)
    steps, rate = (NEXT_STEPS, NEXT_RATE) if snapshot.fits else (FIRST_STEPS, FIRST_RATE)
    made = aligned_to(descend(graph, start, steps, rate, check), positions[chosen])
    whole = np.zeros((len(rows), 2), np.float32)
    whole[chosen] = made
    for number in np.setdiff1d(np.arange(len(rows)), chosen):
        whole[number] = _position_near(rows[chosen], made, rows[number])
    return Layout(whole, snapshot.version)


def principal_components(rows: np.ndarray) -> np.ndarray:
    """[points, size] -> float32 [points, 2]; zeros in directions without variance."""
    positions = np.zeros((len(rows), 2), np.float32)
    if len(rows) > 1:
        left, strength, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
        count = min(2, len(strength))
        positions[:, :count] = left[:, :count] * strength[:count]
    return positions


def aligned_to(positions: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Rotate, mirror and shift a layout so that its first points lie as close as possible to `seen`.

    The orthogonal Procrustes problem (Schönemann, 1966): with both centred, the rotation is U V' of the singular value
    decomposition of positions' seen. The scale is kept.

    Args:
        positions: [points, 2]; seen: [at most points, 2].
        float32 [points, 2].
    """
    known = min(len(seen), len(positions))
    if known < 2:
        return np.asarray(positions, np.float32)
    old, new = seen[:known], positions[:known]
    u, _, v = np.linalg.svd((new - new.mean(axis=0)).T @ (old - old.mean(axis=0)))
    return ((positions - new.mean(axis=0)) @ (u @ v) + old.mean(axis=0)).astype(np.float32)


def speaker_colour(number: int, dark: bool = False) -> tuple[float, float, float]:
    """sRGB in [0, 1] of the n-th speaker. Hues are a golden-ratio step apart, so that all differ; the lightness
    changes every eight speakers."""
    from encoder.umap_projection import CHROMA, oklch_to_srgb

    lightness = (0.78, 0.68, 0.86)[number // 8 % 3] if dark else (0.60, 0.48, 0.70)[number // 8 % 3]
    return oklch_to_srgb(lightness, CHROMA, 2 * np.pi * ((number * GOLDEN_RATIO) % 1.0) + 0.5)


def _is_same(point: Point, row: np.ndarray, speaker: str, name: str) -> bool:
    same = point.speaker == speaker and point.name == name and point.embedding.shape == row.shape
    return same and np.allclose(point.embedding, row, atol=SAME_EMBEDDING)


def _position_near(rows: np.ndarray, positions: np.ndarray, one: np.ndarray) -> np.ndarray:
    """Position of a new embedding: the mean of its nearest neighbours', weighted by similarity. float32 [2]"""
    norms = np.linalg.norm(rows, axis=1) * max(float(np.linalg.norm(one)), 1e-8)
    distance = 1 - (rows @ one) / np.maximum(norms, 1e-8)
    nearest = np.argsort(distance, kind="stable")[:PLACING_NEIGHBOURS]
    weight = np.exp(-(distance[nearest] - distance[nearest[0]]) / max(float(np.median(distance[nearest])), 1e-6))
    return ((weight / weight.sum()) @ positions[nearest]).astype(np.float32)


def _initial_layout(positions: np.ndarray, seed: int, as_seen: bool) -> np.ndarray:
    """Start of a fit: no two points coincide, and principal components are scaled to an extent that UMAP can unfold."""
    start = positions
    if not as_seen:
        start = FIRST_EXTENT * (positions - positions.mean(axis=0)) / np.maximum(np.ptp(positions, axis=0), 1e-6)
    return (start + np.random.default_rng(seed).normal(0, 0.02, start.shape)).astype(np.float32)
