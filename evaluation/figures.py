"""Measured figures with their number of items and their confidence interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLINGS = 1000


@dataclass(frozen=True)
class Figure:
    """A measured value, its number of items, and its 95 % interval (None if unknown).

    `value` is None if nothing could be measured. `percent`: shown as a percentage, stored as a fraction.
    """

    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    percent: bool = False

    def __str__(self) -> str:
        """As in tables: "63.2 % [48.1, 76.0] n=50"; empty if nothing was measured."""
        return f"{self.text()} n={self.n}" if self.value is not None else ""

    def text(self) -> str:
        """The same without the number of items."""
        if self.value is None:
            return ""
        scale, digits = (100.0, 1) if self.percent else (1.0, 3)
        text = f"{self.value * scale:.{digits}f}" + " %" * self.percent
        if self.low is not None and self.high is not None:
            text += f" [{self.low * scale:.{digits}f}, {self.high * scale:.{digits}f}]"
        return text


def fraction(hits: Iterable[bool]) -> Figure:
    """Fraction of the items that are true, with Wilson's score interval (1927), which also holds near 0 and 1."""
    flags = [bool(hit) for hit in hits]
    n = len(flags)
    if not n:
        return Figure(None, 0, percent=True)
    value, z = sum(flags) / n, 1.96
    centre = (value + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(value * (1 - value) / n + z**2 / (4 * n**2))
    return Figure(value, n, max(0.0, float(centre - half)), min(1.0, float(centre + half)), True)


def ratio(parts: Sequence[float], wholes: Sequence[float], percent: bool = False, seed: int = 0) -> Figure:
    """Sum of the parts over the sum of the wholes, such as a word error rate or a real-time factor.

    Args:
        parts, wholes: [items].
        seed: of the bootstrap over the items that gives the interval (Efron, 1979).
    """
    upper, lower = np.asarray(parts, dtype=np.float64), np.asarray(wholes, dtype=np.float64)
    n = len(upper)
    if not n or lower.sum() == 0:
        return Figure(None, n, percent=percent)
    value = float(upper.sum() / lower.sum())
    if n < 2:
        return Figure(value, n, percent=percent)
    drawn = np.random.default_rng(seed).integers(n, size=(RESAMPLINGS, n))
    totals = lower[drawn].sum(axis=1)
    ratios = upper[drawn].sum(axis=1)[totals > 0] / totals[totals > 0]
    low, high = np.quantile(ratios, (0.025, 0.975))
    return Figure(value, n, float(low), float(high), percent)


def mean(values: Iterable[float | None], percent: bool = False, seed: int = 0) -> Figure:
    """Mean of the values; None is not counted."""
    known = [value for value in values if value is not None]
    return ratio(known, [1.0] * len(known), percent, seed)
