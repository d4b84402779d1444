"""Metrics of speaker verification as in the NIST evaluations: DET curve, EER and minDCF.

The command that computes them for a list of trials or a folder is `python -m encoder.verification`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rates = NDArray[np.float64]

TICKS = (0.0001, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9)
CURVE_POINTS = 1000  # of a drawn curve; more points are not visible
PROBIT = NormalDist()


def det_curve(scores: ArrayLike, labels: ArrayLike) -> tuple[Rates, Rates, Rates]:
    """False acceptance and false rejection at every threshold: the detection error trade-off (Martin et al., 1997).

    A trial is accepted if its score is at least the threshold.

    Args:
        scores: [trials], higher is more similar.
        labels: [trials], true for the same speaker.

    Returns:
        false acceptance [points]: accepted fraction of the trials of different speakers, rising from 0 to 1;
        false rejection [points]: rejected fraction of the trials of the same speaker, falling from 1 to 0;
        thresholds [points], falling: infinity, then each distinct score.

    Raises:
        ValueError: there is no trial of one of the two kinds, or a score is not finite.
    """
    values = np.asarray(scores).ravel()
    if values.dtype != np.float32:  # float32 sorts twice as fast, and the pairs of a corpus are millions
        values = values.astype(np.float64)
    same = np.asarray(labels).astype(bool).ravel()
    if values.shape != same.shape:
        raise ValueError(f"{values.size} scores for {same.size} labels")
    if not np.isfinite(values).all():
        raise ValueError("scores must be finite")
    if same.all() or not same.any():
        raise ValueError("error rates need pairs of the same and of different speakers")
    order = np.argsort(-values, kind="stable")
    values, same = values[order], same[order]
    # one operating point after each group of equal scores
    last_of_group = np.append(values[1:] != values[:-1], True)
    hits = np.cumsum(same)[last_of_group]
    accepted = np.flatnonzero(last_of_group) + 1
    false_rejection = np.append(1.0, 1 - hits / hits[-1])
    false_acceptance = np.append(0.0, (accepted - hits) / (accepted[-1] - hits[-1]))
    return false_acceptance, false_rejection, np.append(np.inf, values[last_of_group].astype(np.float64))


def equal_error_rate(scores: ArrayLike, labels: ArrayLike) -> float:
    """Equal error rate (EER): where the false acceptance rate equals the false rejection rate.

    Returns:
        In [0, 1]; 0.5 is chance. It is interpolated linearly between the two operating points where the curves cross.
        Arguments and errors as `det_curve`.
    """
    accepted, rejected, _ = det_curve(scores, labels)
    return crossing(accepted, rejected)


def crossing(false_acceptance: Rates, false_rejection: Rates) -> float:
    """The common value where the two curves of `det_curve`, interpolated linearly, cross."""
    gap = false_acceptance - false_rejection  # rises from -1 to 1
    after = int(np.argmax(gap >= 0))
    before = after - 1
    fraction = -gap[before] / (gap[after] - gap[before])
    return float(false_acceptance[before] + fraction * (false_acceptance[after] - false_acceptance[before]))


def detection_cost(
    false_acceptance: ArrayLike, false_rejection: ArrayLike, p_target: float = 0.01, c_miss: float = 1, c_fa: float = 1
) -> Rates:
    """Detection cost of operating points, defined and normalised as in NIST's speaker recognition evaluations.

    c_miss * false rejection * p_target + c_fa * false acceptance * (1 - p_target), divided by the cost of the
    better of two trivial systems: accept all, or reject all.

    Args:
        false_acceptance, false_rejection: [points], as of `det_curve`.
        p_target: prior probability of the same speaker, between 0 and 1.
        c_miss, c_fa: costs of a false rejection and a false acceptance, above 0.

    Returns:
        [points], 0 without errors.

    Raises:
        ValueError: the prior or a cost is out of range.
    """
    if not 0 < p_target < 1 or min(c_miss, c_fa) <= 0:
        raise ValueError("p_target must lie between 0 and 1, and both costs above 0")
    missed = c_miss * p_target * np.asarray(false_rejection, dtype=np.float64)
    accepted = c_fa * (1 - p_target) * np.asarray(false_acceptance, dtype=np.float64)
    return (missed + accepted) / min(c_miss * p_target, c_fa * (1 - p_target))


def min_dcf(scores: ArrayLike, labels: ArrayLike, p_target: float = 0.01, c_miss: float = 1, c_fa: float = 1) -> float:
    """Minimum detection cost over all thresholds (minDCF), in [0, 1]; 1 is a trivial system.

    Arguments and errors as `det_curve` and `detection_cost`.
    """
    accepted, rejected, _ = det_curve(scores, labels)
    return float(detection_cost(accepted, rejected, p_target, c_miss, c_fa).min())


def threshold_at_eer(scores: ArrayLike, labels: ArrayLike) -> float:
    """Threshold with the smallest difference of the two error rates; arguments and errors as `det_curve`.

    It lies half-way between the lowest accepted score and the highest rejected one.
    """
    accepted, rejected, thresholds = det_curve(scores, labels)
    return _halfway(thresholds, int(np.argmin(np.abs(accepted - rejected))))


def threshold_at_min_dcf(
    scores: ArrayLike, labels: ArrayLike, p_target: float = 0.01, c_miss: float = 1, c_fa: float = 1
) -> float:
    """Threshold of `min_dcf`, half-way between two scores as in `threshold_at_eer`."""
    accepted, rejected, thresholds = det_curve(scores, labels)
    return _halfway(thresholds, int(np.argmin(detection_cost(accepted, rejected, p_target, c_miss, c_fa))))


def _halfway(thresholds: Rates, point: int) -> float:
    if point == 0:  # nothing is accepted
        return float(np.nextafter(thresholds[1], np.inf))
    return float(thresholds[point : point + 2].mean())


def all_pairs(embeddings: ArrayLike, speakers: Sequence[str] | ArrayLike) -> tuple[NDArray[np.float32], NDArray]:
    """All pairs of utterances as trials: (cosines [pairs], same speaker [pairs]).

    Args:
        embeddings: [utterances, dim], rows of L2 norm 1.
        speakers: [utterances].
    """
    rows = np.asarray(embeddings, dtype=np.float32)
    names = np.unique(np.asarray(speakers), return_inverse=True)[1]
    first, second = np.triu_indices(len(rows), k=1)
    return (rows @ rows.T)[first, second], names[first] == names[second]


def det_figure(curves: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> Figure:
    """Draw DET curves on probit axes, where normally distributed scores give straight lines.

    Args:
        curves: (scores, labels) as for `det_curve`, by name in the legend.

    Returns:
        A figure that needs no display.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    from speech.figures import new_figure

    figure = new_figure(6.4, 6.0)
    axes = figure.subplots()
    lowest = 0.02
    for name, (scores, labels) in curves.items():
        accepted, rejected, _ = det_curve(scores, labels)
        rate, cost = crossing(accepted, rejected), float(detection_cost(accepted, rejected).min())
        # Rates below one trial are unknown: a curve ends at half a trial.
        same = np.asarray(labels).astype(bool).ravel()
        limits = 0.5 / np.array([(~same).sum(), same.sum()])
        lowest = min(lowest, float(max(limits.min(), TICKS[0])), max(rate / 4, TICKS[0]))
        x, y = _thinned(accepted, rejected, limits)
        (line,) = axes.plot(x, y, linewidth=1.8, label=f"{name}: EER {rate:.2%}, minDCF {cost:.3f}")
        middle = _probit(np.clip(rate, limits.min(), 1 - limits.min()))
        axes.plot(middle, middle, "o", color=line.get_color(), markersize=6, markeredgecolor="white", zorder=3)
    low, high = _probit(lowest), _probit(0.6)
    axes.plot([low, high], [low, high], color="0.75", linewidth=0.8, linestyle="--", zorder=0)
    ticks = [tick for tick in TICKS if lowest <= tick <= 0.6]
    positions, names = [_probit(tick) for tick in ticks], [f"{tick * 100:g}" for tick in ticks]
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set_xticks(positions, names)
    axes.set_yticks(positions, names)
    axes.set(xlabel="false acceptance, %", ylabel="false rejection, %")
    axes.grid(True, color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_title("Detection error trade-off", loc="left")
    if curves:
        axes.legend(loc="upper right", framealpha=0.9, edgecolor="none", fontsize=9)
    return figure


def _thinned(accepted: Rates, rejected: Rates, limits: Rates) -> tuple[Rates, Rates]:
    """At most CURVE_POINTS points of a curve, evenly spaced along it, in probits."""
    pinned = np.stack([np.clip(accepted, limits[0], 1 - limits[0]), np.clip(rejected, limits[1], 1 - limits[1])])
    inside = np.flatnonzero((accepted < 1) & (rejected < 1))
    pinned = pinned[:, inside] if len(inside) else pinned
    along = np.log(pinned[0] / (1 - pinned[0])) - np.log(pinned[1] / (1 - pinned[1]))  # rising; approximately probits
    chosen = np.unique(np.searchsorted(along, np.linspace(along[0], along[-1], CURVE_POINTS)))
    x, y = ([_probit(rate) for rate in row] for row in pinned[:, np.minimum(chosen, len(along) - 1)])
    return np.array(x), np.array(y)


def _probit(rate: float) -> float:
    return PROBIT.inv_cdf(float(rate))
