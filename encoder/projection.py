"""Draw the map of speakers: UMAP of the embeddings of a corpus, or of one folder per speaker.

python -m encoder.projection recordings/ --out map.png
python -m encoder.projection recordings/
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tyro

from encoder.clips import ClipReport, corpus_clips, embed_clips
from encoder.commands import CommandArguments, check_output, load_encoder, parse_arguments, progress, save_figure
from encoder.umap_projection import draw_map
from speech.errors import ConfigError, CorpusError, exit_on_speech_error

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Arguments(CommandArguments):
    folder: Annotated[Path, tyro.conf.Positional]
    """Folder of recordings: a corpus, or one folder per speaker."""
    out: Path | None = None
    """Write this picture (.png, .pdf, .svg, .jpg) instead of opening a window."""
    seed: int = 0
    """Random seed of the layout."""


@exit_on_speech_error
def main(argv: Sequence[str] | None = None) -> int:
    given = parse_arguments(Arguments, "projection", argv, __doc__)
    logging.basicConfig(format="%(message)s")
    check_output(given.out, given.force, picture=True)
    canvas_class = None if given.out is not None else window_canvas()
    report = ClipReport(given.strict)
    clips = corpus_clips(given.folder, given.limit_per_speaker, report)
    speakers = {clip.name: clip.speaker for clip in clips}
    embeddings = embed_clips(load_encoder(given.encoder), progress(clips, "embedding"), report)
    report.print()
    if not embeddings:
        raise CorpusError(f"There is no clip with speech in {given.folder}: give different recordings.")
    figure = draw_map(np.stack(list(embeddings.values())), [speakers[name] for name in embeddings], seed=given.seed)
    if given.out is None:
        show(figure, canvas_class, f"Map of speakers: {given.folder.name}")
    else:
        save_figure(figure, given.out)
        print(f"map of {len(set(speakers.values()))} speakers, {len(embeddings)} clips, written to {given.out}")
    return 0


def window_canvas() -> Any:
    """The canvas class of matplotlib's GUI toolkit. Raises: ConfigError if no window can be opened."""
    if not has_display():
        raise ConfigError("No window can be opened without a display: give --out map.png to write a file.")
    try:
        import matplotlib
        from matplotlib.backends import backend_registry

        # get_backend chooses one that works here, if none has been set
        canvas: Any = backend_registry.load_backend_module(matplotlib.get_backend()).FigureCanvas
    except ImportError as error:
        raise ConfigError("A window needs matplotlib and PyQt5 or Tk: install them, or give --out map.png.") from error
    if canvas.required_interactive_framework is None:
        raise ConfigError("matplotlib finds no GUI toolkit: install PyQt5 or Tk, or give --out map.png.")
    return canvas


def has_display() -> bool:
    return sys.platform in ("win32", "darwin") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


def show(figure: Figure, canvas_class: Any, title: str) -> None:
    """Open a window and return when it is closed."""
    manager = canvas_class.new_manager(figure, 1)
    manager.set_window_title(title)
    manager.show()
    manager.start_main_loop()


if __name__ == "__main__":
    raise SystemExit(main())
