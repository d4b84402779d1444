"""The figures of a detector on the test split: error rates by condition and by generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from detector.inference import CERTAIN, Detector
from encoder.metrics import equal_error_rate
from evaluation.detection_clips import CONDITIONS, RECORDED, UNCODED
from evaluation.detection_task import Scored, score_split
from evaluation.figures import RESAMPLINGS, Figure, fraction
from evaluation.report import Report

if TYPE_CHECKING:
    from corpora.store import FeatureStore

THRESHOLD = 0.5  # probability of the F-score
LEAST = 4  # clips of each class for error rates


def f_score(synthetic: np.ndarray, detected: np.ndarray) -> float:
    """F-score of the class "synthetic" as if both classes were equally frequent. Args: bool [clips] each."""
    found, false = float(detected[synthetic].mean()), float(detected[~synthetic].mean())
    return 2 * found / (1 + found + false) if found else 0.0


def detection_report(detector: Detector, store: FeatureStore, held_out: Sequence[str] = ()) -> Report:
    """The report on the test split: speakers that were not used for training or calibration.

    Args:
        held_out: generators that the detector was not trained on; they get columns of their own.
    """
    scored = score_split(detector.network, store, "test", held_out)
    columns = {condition: _figures(detector, _in(scored, condition)) for condition in CONDITIONS}
    columns[UNCODED] = _figures(detector, _uncoded(scored))
    if held_out:
        unseen = score_split(detector.network, store, "test", held_out, only=True)
        columns |= {f"unseen, {name}": _figures(detector, _in(unseen, name)) for name in CONDITIONS}
        columns[f"unseen, {UNCODED}"] = _figures(detector, _uncoded(unseen))
    speakers = {store.meta(index)["speaker"] for index in store.select(split="test", generator=RECORDED)}
    notes = [
        f"{len(speakers)} recorded speakers. As it is: recordings as distributed, synthesized speech coded like them; "
        f"{UNCODED}: synthesized speech without coding, beside the same recordings.",
        f"F-score: of synthesized speech at a probability of {THRESHOLD:g}, for classes of equal frequency.",
        f"Uncertain: probability between {1 - CERTAIN:g} and {CERTAIN:g}; wrong: at least {CERTAIN:g} for the wrong "
        "class.",
    ]
    if held_out:
        notes.append(f"Unseen: not used for training: {', '.join(held_out)}.")
    return Report("Detection of synthesized speech", {"held_out": list(held_out)}, columns, [], notes)


def _in(scored: Scored, condition: str) -> Scored:
    return scored.where(name == condition for name in scored.conditions)


def _uncoded(scored: Scored) -> Scored:
    """Synthesized clips as generated, and recordings as they are."""
    pairs = zip(scored.generators, scored.conditions, strict=True)
    return scored.where(
        condition == (CONDITIONS[0] if generator == RECORDED else UNCODED) for generator, condition in pairs
    )


def _figures(detector: Detector, scored: Scored) -> dict[str, Figure]:
    synthetic = scored.synthetic
    if min(np.count_nonzero(synthetic), np.count_nonzero(~synthetic)) < LEAST:
        return {}
    factor, offset = detector.network.calibration.double().tolist()
    probabilities = 1 / (1 + np.exp(-np.clip(factor * scored.scores + offset, -500, 500)))
    detected = probabilities >= THRESHOLD
    towards = np.where(synthetic, probabilities, 1 - probabilities)
    figures = {
        "equal error rate": _resampled(
            scored, lambda chosen: equal_error_rate(scored.scores[chosen], synthetic[chosen])
        ),
        "F-score": _resampled(scored, lambda chosen: f_score(synthetic[chosen], detected[chosen])),
        "false alarms": fraction(detected[~synthetic]),
        "uncertain": fraction((towards > 1 - CERTAIN) & (towards < CERTAIN)),
        "wrong": fraction(towards <= 1 - CERTAIN),
    }
    for name in sorted(set(scored.generators) - {RECORDED}):
        here = np.array([generator == name for generator in scored.generators])
        figures[f"found: {name}"] = fraction(detected[here])
    return figures


def _resampled(scored: Scored, measure: Callable[[np.ndarray], float]) -> Figure:
    """A measure of chosen clips [n], with the interval of a bootstrap within the classes."""
    synthetic = scored.synthetic
    classes = [np.flatnonzero(synthetic), np.flatnonzero(~synthetic)]
    rng = np.random.default_rng(0)
    draws = [
        measure(np.concatenate([rng.choice(members, len(members)) for members in classes])) for _ in range(RESAMPLINGS)
    ]
    low, high = np.quantile(draws, (0.025, 0.975))
    return Figure(measure(np.concatenate(classes)), len(synthetic), float(low), float(high), percent=True)
