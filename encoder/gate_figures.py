"""Figures of the dynamic loss gate: the losses with both Gaussians, and what happens to the windows over time."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from encoder.loss_gate import LossGate, log_losses
from encoder.pictures import add_figure, can_draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from training.run_directory import RunDirectory

BINS = 60
SHARES = {"reliable": "on their label", "corrected": "corrected", "corrected_right": "corrected to the right speaker",
          "left_out": "left out"}  # fmt: skip
LABELS = {"right_labels_kept": "right labels kept", "errors_found": "wrong labels found",
          "found_are_errors": "wrong among those found"}  # fmt: skip


def add_gate_pictures(run: "RunDirectory", step: int, losses: np.ndarray, gate: LossGate) -> None:
    """Write both figures to TensorBoard and the run's samples. Without matplotlib there are none."""
    if not can_draw() or not len(losses):
        return
    add_figure(run, step, "gate", draw_gate(losses, gate))
    entries = read_log(run.log)
    if any("reliable" in entry for entry in entries):
        add_figure(run, step, "labels", draw_shares(entries))


def draw_gate(losses: np.ndarray, gate: LossGate) -> "Figure":
    """Histogram of the losses [n] on a logarithmic axis, both Gaussians and the gate."""
    from speech.figures import new_figure

    values = log_losses(losses)
    figure = new_figure(7.2, 4.2)
    axes = figure.subplots()
    axes.hist(values, bins=BINS, density=True, color="0.82")
    x = np.linspace(values.min(), values.max(), 400)
    if np.isfinite(gate.threshold):
        axes.plot(x, gate.density(x, 0), color="tab:blue", label="lower losses")
        axes.plot(x, gate.density(x, 1), color="tab:red", label="higher losses")
        kept = (values <= gate.threshold).mean()
        axes.axvline(gate.threshold, color="black", linestyle="--", label=f"gate: {kept:.0%} below")
        axes.legend(loc="upper left", edgecolor="none")
    axes.set(xlabel="logarithm of the loss", ylabel="density", xlim=(values.min(), values.max()))
    axes.set_title("Losses of the training utterances", loc="left")
    return figure


def draw_shares(entries: list[dict]) -> "Figure":
    """Fractions of the training windows over the steps, from the lines of log.jsonl."""
    from speech.figures import new_figure

    figure = new_figure(7.2, 4.2)
    axes = figure.subplots()
    for prefix, names, style in (("", SHARES, "-"), ("validation/", LABELS, "--")):
        for name, label in names.items():
            points = [
                (entry["step"], entry[prefix + name]) for entry in entries if entry.get(prefix + name) is not None
            ]
            if points:
                axes.plot(*zip(*points, strict=True), style, label=label)
    axes.set(xlabel="step", ylabel="fraction", ylim=(-0.02, 1.02))
    axes.legend(fontsize=8, edgecolor="none")
    axes.set_title("Training windows and labels", loc="left")
    return figure


def read_log(path: Path) -> list[dict]:
    """The lines of a run's log; none if there is no log yet."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
