"""Was a clip synthesized? Prints the probability for each file.

    python -m evaluation.detection clip.wav another.mp3

The detector knows the generators that it was trained on (docs/evaluation.md says which). A low probability does not
prove that a clip is a recording.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from detector.config import DEFAULT_DETECTOR
from speech.errors import AudioError, exit_on_speech_error, one_line
from speech.files import readable

UNREADABLE = 2  # exit code


@dataclass(frozen=True)
class Arguments:
    """Estimate whether clips are synthesized speech."""

    files: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE [FILE ...]")]
    """Audio files."""
    detector: Annotated[Path, tyro.conf.arg(metavar="FILE")] = DEFAULT_DETECTOR
    """Detector to use instead of the default."""

    def __post_init__(self) -> None:
        if not self.files:
            raise AudioError("There is no file: give at least one recording.")


@exit_on_speech_error
def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 2 if a file has no result."""
    arguments = tyro.cli(Arguments, prog="python -m evaluation.detection", args=argv, description=__doc__)
    import torch

    from detector import Detector
    from speech.audio import read_audio

    torch.set_num_threads(1)
    detector = Detector.load(arguments.detector)
    code = 0
    for path in arguments.files:
        try:
            print(f"{readable(str(path))}: {detector.detect(read_audio(path)).sentence}")
        except AudioError as error:
            print(f"{readable(str(path))}: no result: {one_line(error)}", file=sys.stderr)
            code = UNREADABLE
    return code


if __name__ == "__main__":
    sys.exit(main())
