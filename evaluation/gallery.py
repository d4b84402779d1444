"""Audio files and plots of a few outputs. Plots need no screen."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from cloning.provenance import Provenance
from evaluation.outputs import Output
from speech.audio import write_audio
from speech.mel import synthesis_mel


class Gallery:
    """Saves the audio and a plot of the first outputs of each condition.

    Args:
        folder: None saves nothing.
        count: outputs of each condition.
    """

    def __init__(self, folder: Path | None, count: int) -> None:
        self.folder = folder
        self.count = count
        self.kept: dict[str, int] = {}

    def keep(self, output: Output) -> None:
        """Raises: ConfigError if matplotlib is missing, StorageError."""
        number = self.kept.get(output.condition, 0)
        if self.folder is None or number >= self.count:
            return
        self.kept[output.condition] = number + 1
        name = re.sub(r"[^\w.-]+", "_", f"{output.condition}-{output.key}")
        self.folder.mkdir(parents=True, exist_ok=True)
        synthetic = output.condition.startswith(("copy", "clone"))
        tags = Provenance(voice=output.voice).tags() if synthetic else None
        write_audio(self.folder / f"{name}.wav", output.wav, output.sample_rate, overwrite=True, tags=tags)
        mel = synthesis_mel(output.measured) if output.mel is None else output.mel
        title = f"{output.condition}: {output.voice}: {output.text}"
        plot_output(self.folder / f"{name}.png", title, mel, output.alignment)


def plot_output(path: Path, title: str, mel: np.ndarray, alignment: np.ndarray | None = None) -> None:
    """Write a PNG of a mel and its alignment, if there is one.

    Args:
        mel: [n_mels, frames], in [-4, 4].
        alignment: [tokens, steps].

    Raises:
        ConfigError: matplotlib is missing.
    """
    from speech.figures import new_figure

    panels = [("mel band", "frame", mel)]
    if alignment is not None:
        panels.append(("token", "decoder step", alignment))
    figure = new_figure(9, 3 * len(panels))
    figure.suptitle(title, fontsize=9, wrap=True)
    rows = figure.subplots(len(panels), squeeze=False)[:, 0]
    for axes, (vertical, horizontal, values) in zip(rows, panels, strict=True):
        image = axes.imshow(values, aspect="auto", origin="lower", interpolation="nearest")
        axes.set(xlabel=horizontal, ylabel=vertical)
        figure.colorbar(image, ax=axes)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
