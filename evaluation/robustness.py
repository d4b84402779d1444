"""What clones lose by a disturbed reference: paired differences from those of the clean one, and a picture.

    python -m evaluation.robustness reports/vits reports/default --names VITS "Tacotron 2" --out reports/compared

compares two reports of `evaluate.py cloning --noise` with the same references, sentences and seed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import tyro

from evaluation.disturbances import Disturbance, Kind
from evaluation.figures import Figure, mean
from evaluation.measurements import Row, by_condition
from evaluation.report import REPORT
from speech.errors import ConfigError, exit_on_speech_error

PICTURE = "robustness.png"
SHOWN = ("voice: cosine", "words: error rate", "quality: 1 to 5")


def add_losses(figures: dict[str, dict[str, Figure]], rows: Sequence[Row], labels: Sequence[str]) -> None:
    """Add the loss of similarity against the clean reference, over the same sentences, to disturbed conditions.

    Args:
        figures: by condition; changed.
        labels: of the models.
    """
    for label in labels:
        for (disturbance, judge), losses in losses_of(rows, label).items():
            figures[f"clone, {label}, {disturbance}"][f"voice: loss by the disturbance ({judge})"] = mean(
                losses.values()
            )


def losses_of(rows: Sequence[Row], label: str) -> dict[tuple[str, str], dict[str, float]]:
    """By disturbance and judge: what the clones of a model lose of their cosine, by the key of the output."""
    conditions = by_condition(rows)
    clean = {row["key"]: row["similarity"] for row in conditions.get(f"clone, {label}", [])}
    found: dict[tuple[str, str], dict[str, float]] = {}
    for condition, disturbed in conditions.items():
        if not condition.startswith(f"clone, {label}, "):
            continue
        for row in disturbed:
            for judge, measured in row["similarity"].items():
                before = clean[row["key"]][judge]["cosine"]
                losses = found.setdefault((condition.removeprefix(f"clone, {label}, "), judge), {})
                if measured["cosine"] is not None and before is not None:
                    losses[row["key"]] = before - measured["cosine"]
    return found


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
    lines, named = axes[0][0].get_legend_handles_labels()
    drawn.legend(lines, named, fontsize=7, loc="outside lower center", ncols=len(labels) * 4)
    folder.mkdir(parents=True, exist_ok=True)
    drawn.savefig(folder / PICTURE, dpi=120)
    pyplot.close(drawn)


def _value(figures: Mapping[str, Mapping[str, Figure]], condition: str, name: str) -> float | None:
    figure = figures.get(condition, {}).get(name)
    return None if figure is None else figure.value


@dataclass(frozen=True)
class Arguments:
    """Compare how robust two models are to disturbed references."""

    reports: Annotated[tuple[Path, Path], tyro.conf.Positional]
    """Folders of two reports of `evaluate.py cloning --noise`."""
    out: Path
    """Folder for the picture."""
    names: tuple[str, str] = ("first", "second")
    """Names of the models."""


@dataclass(frozen=True)
class Measured:
    """One model of a report, under the name that it is to have. `ratios`: of its disturbances, in dB."""

    name: str
    figures: Mapping[str, Mapping[str, Figure]]
    losses: Mapping[tuple[str, str], Mapping[str, float]]
    ratios: Collection[float]

    @classmethod
    def read(cls, folder: Path, name: str) -> Measured:
        """Raises: ConfigError: there is no report, or not of clones of one model from disturbed references."""
        try:
            content: Any = json.loads((folder / REPORT).read_text(encoding="utf-8"))
            figures, rows = content["figures"], content["outputs"]
            (label,) = {condition.split(", ")[1] for condition in figures if condition.startswith("clone, ")}
            losses = losses_of(rows, label)
            ratios = {
                float(condition.split()[-2]) for condition in figures if condition.startswith(f"clone, {label}, ")
            }
            if not ratios:
                raise ValueError("no disturbed reference")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"{folder} has no report of `evaluate.py cloning --noise` with one model: make one first."
            ) from error
        start = f"clone, {label}"
        renamed = {
            f"clone, {name}" + condition.removeprefix(start): {key: Figure(**figure) for key, figure in named.items()}
            for condition, named in figures.items()
            if condition == start or condition.startswith(f"{start}, ")
        }
        return cls(name, renamed, losses, ratios)


@exit_on_speech_error
def main(argv: Sequence[str] | None = None) -> int:
    """Print the losses of both models and their differences as a table, and draw the picture."""
    arguments = tyro.cli(Arguments, prog="python -m evaluation.robustness", args=argv, description=__doc__)
    one, other = (Measured.read(folder, name) for folder, name in zip(arguments.reports, arguments.names, strict=True))
    print(f"| loss of cosine | {one.name} | {other.name} | difference |\n|---|---|---|---|")
    for key in one.losses:
        first, second = one.losses[key], other.losses.get(key, {})
        both = [second[name] - first[name] for name in first if name in second]
        cells = (mean(values) for values in (first.values(), second.values(), both))
        print(f"| {key[0]} ({key[1]}) | " + " | ".join(map(str, cells)) + " |")
    ratios = sorted({*one.ratios, *other.ratios})
    plot_robustness(arguments.out, {**one.figures, **other.figures}, arguments.names, ratios)
    return 0


if __name__ == "__main__":
    sys.exit(main())
