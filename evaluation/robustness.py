"""What clones lose by a disturbed reference: paired differences from those of the clean one, and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from evaluation.disturbances import Disturbance, Kind
from evaluation.figures import Figure, mean
from evaluation.measurements import Row, by_condition

PICTURE = "robustness.png"
SHOWN = ("voice: cosine", "words: error rate", "quality: 1 to 5")


def add_losses(figures: dict[str, dict[str, Figure]], rows: Sequence[Row], labels: Sequence[str]) -> None:
    """Add the loss of similarity against the clean reference, over the same sentences, to disturbed conditions.

    Args:
        figures: by condition; changed.
        labels: of the models.
    """
    conditions = by_condition(rows)
    for label in labels:
        clean = {row["key"]: row["similarity"] for row in conditions.get(f"clone, {label}", [])}
        for condition, disturbed in conditions.items():
            if not condition.startswith(f"clone, {label}, "):
                continue
            for judge in {judge for row in disturbed for judge in row["similarity"]}:
                losses = [
                    clean[row["key"]][judge]["cosine"] - row["similarity"][judge]["cosine"]
                    for row in disturbed
                    if judge in row["similarity"] and row["similarity"][judge]["cosine"] is not None
                    and clean[row["key"]][judge]["cosine"] is not None
                ]  # fmt: skip
                figures[condition][f"voice: loss by the disturbance ({judge})"] = mean(losses)


def plot_robustness(
    folder: Path, figures: Mapping[str, Mapping[str, Figure]], labels: Sequence[str], ratios: Sequence[float]
) -> None:
    """Similarity, word error rate and naturalness over the ratio, one line for each model and kind of disturbance."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = [name for named in figures.values() for name in named if name.startswith(SHOWN)]
    shown = sorted(dict.fromkeys(names), key=lambda name: [name.startswith(start) for start in SHOWN], reverse=True)
    if not shown:
        return
    drawn, axes = pyplot.subplots(1, len(shown), figsize=(4.5 * len(shown), 3.6), squeeze=False, layout="constrained")
    places = sorted(ratios)
    for axis, name in zip(axes[0], shown, strict=True):
        for number, label in enumerate(labels):
            for kind, style in zip(get_args(Kind), ("-", "--", ":"), strict=True):
                values = [_value(figures, f"clone, {label}, {Disturbance(kind, ratio)}", name) for ratio in places]
                if any(value is not None for value in values):
                    points = [float("nan") if value is None else value for value in values]
                    axis.plot(places, points, style, marker="o", color=f"C{number}", label=f"{label}, {kind}")
            clean = _value(figures, f"clone, {label}", name)
            if clean is not None:
                ends, height = (places[0], places[-1]), (clean, clean)
                axis.plot(ends, height, color=f"C{number}", linewidth=0.8, label=f"{label}, clean")
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("ratio in dB")
    axes[0][0].legend(fontsize=7)
    folder.mkdir(parents=True, exist_ok=True)
    drawn.savefig(folder / PICTURE, dpi=120)
    pyplot.close(drawn)


def _value(figures: Mapping[str, Mapping[str, Figure]], condition: str, name: str) -> float | None:
    figure = figures.get(condition, {}).get(name)
    return None if figure is None else figure.value
