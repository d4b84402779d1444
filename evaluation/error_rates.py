"""Error rates of speaker verification with 95 % intervals, and differences of two systems on the same clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from encoder.metrics import all_pairs, crossing, detection_cost
from evaluation.figures import RESAMPLINGS, Figure

MIN_RESAMPLINGS = 100
MIN_SPEAKERS = 5  # with fewer, the bootstrap has too few different samples: no interval is reported
MAX_PAIRS = 1_000_000_000  # sorted pairs over all resamplings; takes some minutes


@dataclass(frozen=True, eq=False)
class ErrorRates:
    """Rates over all pairs, and over all pairs of each bootstrap sample. Compared systems have the same samples.

    Attributes:
        eer, cost: equal error rate; minDCF at a prior of 1 %.
        eers, costs: the same [resamplings], NaN for a sample that lacks one of the two kinds of pairs.
        clips, speakers: their numbers.
    """

    eer: float
    cost: float
    eers: np.ndarray
    costs: np.ndarray
    clips: int
    speakers: int

    def eer_figure(self) -> Figure:
        return Figure(self.eer, self.clips, *self._interval(self.eers), percent=True)

    def cost_figure(self) -> Figure:
        return Figure(self.cost, self.clips, *self._interval(self.costs))

    def eer_minus(self, other: ErrorRates) -> Figure:
        """Equal error rate minus that of another system on the same clips; negative is better."""
        return Figure(self.eer - other.eer, self.clips, *self._interval(self.eers - other.eers), percent=True)

    def _interval(self, values: np.ndarray) -> tuple[float | None, float | None]:
        known = values[np.isfinite(values)]
        if self.speakers < MIN_SPEAKERS or len(known) < MIN_RESAMPLINGS // 2:
            return None, None
        low, high = np.quantile(known, (0.025, 0.975))
        return float(low), float(high)


def error_rates(rows: np.ndarray, speakers: Sequence[str], seed: int = 0) -> ErrorRates:
    """Error rates over all pairs of clips, scored by the cosine and bootstrapped over speakers.

    Clips of one speaker are correlated, so speakers are drawn, not clips or pairs (Bolle et al., 2004). A speaker drawn
    k times counts k-fold in pairs of the same speaker, and k * m-fold in pairs with one drawn m times.

    Args:
        rows: [clips, dim], L2 norm 1.
        speakers: [clips].
        seed: of the bootstrap; compared systems need the same.
    """
    scores, same = all_pairs(rows, speakers)
    numbers = np.unique(np.asarray(speakers), return_inverse=True)[1]
    count = int(numbers.max()) + 1
    order = np.argsort(-scores, kind="stable")
    first, second = (numbers[side][order] for side in np.triu_indices(len(rows), k=1))
    same = same[order]
    eer, cost = _rates(same.astype(np.float64), (~same).astype(np.float64))
    rng = np.random.default_rng(seed)
    resamplings = int(np.clip(MAX_PAIRS // len(same), MIN_RESAMPLINGS, RESAMPLINGS))
    rates = np.empty((resamplings, 2))
    for sample in range(resamplings):
        drawn = np.bincount(rng.integers(count, size=count), minlength=count).astype(np.float64)
        rates[sample] = _rates(np.where(same, drawn[first], 0), np.where(same, 0, drawn[first] * drawn[second]))
    return ErrorRates(eer, cost, rates[:, 0], rates[:, 1], len(rows), count)


def _rates(targets: np.ndarray, nontargets: np.ndarray) -> tuple[float, float]:
    """(EER, minDCF) from the weights [pairs] of both kinds of pairs, in order of falling similarity."""
    hits, alarms = np.cumsum(targets), np.cumsum(nontargets)
    if hits[-1] == 0 or alarms[-1] == 0:
        return np.nan, np.nan
    rejected, accepted = np.append(1.0, 1 - hits / hits[-1]), np.append(0.0, alarms / alarms[-1])
    return crossing(accepted, rejected), float(detection_cost(accepted, rejected).min())


def average(rates: Sequence[ErrorRates]) -> ErrorRates:
    """The mean of several sets' rates with equal weights; their bootstrap samples must be independent."""
    resamplings = min(len(rate.eers) for rate in rates)
    return ErrorRates(
        eer=float(np.mean([rate.eer for rate in rates])),
        cost=float(np.mean([rate.cost for rate in rates])),
        eers=np.mean([rate.eers[:resamplings] for rate in rates], axis=0),
        costs=np.mean([rate.costs[:resamplings] for rate in rates], axis=0),
        clips=sum(rate.clips for rate in rates),
        speakers=min(rate.speakers for rate in rates),
    )
