"""Metrics of units: how well they agree with phones, and how much they tell about the speaker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MIN_SEGMENT = 2  # frames of a phone that ABX uses


@dataclass(frozen=True, eq=False)
class LabelledUnits:
    """A clip's units and phones, frame by frame.

    Attributes:
        speaker: who speaks.
        units: int64 [frames].
        phones: [frames]; "" where there is no phone.
        rows: float32 [frames, columns]: centroids of the units.
    """

    speaker: str
    units: np.ndarray
    phones: Sequence[str]
    rows: np.ndarray


def counts(clips: Sequence[LabelledUnits]) -> np.ndarray:
    """Frames by phone and unit, int64 [phones, units]; frames without a phone are not counted."""
    names = sorted({phone for clip in clips for phone in clip.phones} - {""})
    numbers = {name: number for number, name in enumerate(names)}
    size = 1 + max((int(clip.units.max()) for clip in clips if len(clip.units)), default=0)
    table = np.zeros(len(names) * size, np.int64)
    for clip in clips:
        known = [index for index, phone in enumerate(clip.phones) if phone]
        cells = np.array([numbers[clip.phones[index]] for index in known], np.int64) * size + clip.units[known]
        table += np.bincount(cells, minlength=len(table))
    return table.reshape(len(names), size)


def phone_purity(table: np.ndarray) -> float:
    """Accuracy of a classifier that takes each unit for its most frequent phone. Args: table: as of `counts`."""
    return float(table.max(axis=0).sum() / table.sum())


def cluster_purity(table: np.ndarray) -> float:
    """The same the other way: each phone is taken for its most frequent unit. It falls with the number of units."""
    return float(table.max(axis=1).sum() / table.sum())


def normalised_information(table: np.ndarray) -> float:
    """Mutual information of phone and unit, over the entropy of the phone (PNMI of arXiv 2106.07447)."""
    joint = table / table.sum()
    phones, units = joint.sum(axis=1, keepdims=True), joint.sum(axis=0, keepdims=True)
    known = joint > 0
    information = float((joint[known] * np.log(joint[known] / (phones * units)[known])).sum())
    entropy = float(-(phones[phones > 0] * np.log(phones[phones > 0])).sum())
    return information / entropy if entropy > 0 else 0.0


def abx_error(clips: Sequence[LabelledUnits], triples: int = 5000, seed: int = 0) -> float:
    """Fraction of errors in discriminating phones across speakers, in [0, 1]; 0.5 is chance.

    A and B are segments of different phones by one speaker, X is of A's phone by another one. It is an error if X is
    nearer to B. A segment is the mean of its centroids, and the distance is the cosine. Unlike in the ABX of the
    ZeroSpeech challenges (Schatz 2016), neighbouring phones may differ: compare only figures of this function.

    Raises:
        ValueError: no triple can be made.
    """
    segments: dict[tuple[str, str], list[np.ndarray]] = {}
    for clip in clips:
        for phone, start, end in runs(clip.phones):
            if phone and end - start >= MIN_SEGMENT:
                segments.setdefault((clip.speaker, phone), []).append(clip.rows[start:end].mean(axis=0))
    centre = np.mean([row for rows in segments.values() for row in rows], axis=0) if segments else 0
    units = {key: np.stack([_unit(row - centre) for row in rows]) for key, rows in segments.items()}
    return _abx(units, triples, np.random.default_rng(seed))


def _abx(units: Mapping[tuple[str, str], np.ndarray], triples: int, rng: np.random.Generator) -> float:
    phones_of: dict[str, list[str]] = {}
    speakers_of: dict[str, list[str]] = {}
    for speaker, phone in sorted(units):
        phones_of.setdefault(speaker, []).append(phone)
        speakers_of.setdefault(phone, []).append(speaker)
    usable = [
        (speaker, phone) for speaker, phone in sorted(units) if len(phones_of[speaker]) > 1 < len(speakers_of[phone])
    ]
    if not usable:
        raise ValueError("ABX needs two speakers with a common phone, and two phones of one of them")
    errors = 0.0
    for _ in range(triples):
        speaker, phone = usable[rng.integers(len(usable))]
        other = _other(phones_of[speaker], phone, rng)
        stranger = _other(speakers_of[phone], speaker, rng)
        a, b, x = (
            rows[rng.integers(len(rows))]
            for rows in (units[speaker, phone], units[speaker, other], units[stranger, phone])
        )
        near, far = float(a @ x), float(b @ x)
        errors += 0.5 if abs(near - far) < 1e-6 else float(far > near)
    return errors / triples


def _other(names: Sequence[str], name: str, rng: np.random.Generator) -> str:
    others = [one for one in names if one != name]
    return others[rng.integers(len(others))]


def runs(phones: Sequence[str]) -> list[tuple[str, int, int]]:
    """Phone, first frame and end of each stretch of equal phones."""
    found, start = [], 0
    for index in range(1, len(phones) + 1):
        if index == len(phones) or phones[index] != phones[start]:
            found.append((phones[start], start, index))
            start = index
    return found


def unit_means(clips: Sequence[LabelledUnits]) -> np.ndarray:
    """The mean centroid of each clip, minus the mean over all clips, of L2 norm 1: float32 [clips, columns]."""
    means = np.stack([clip.rows.mean(axis=0) for clip in clips])
    return np.stack([_unit(row) for row in means - means.mean(axis=0)]).astype(np.float32)


def _unit(row: np.ndarray) -> np.ndarray:
    return row / max(float(np.linalg.norm(row)), 1e-8)
