"""Public PyTorch checkpoints converted to model files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolbox.jobs.context import JobContext


def convert_checkpoints(context: JobContext, paths: Sequence[Path]) -> list[Path]:
    """Write model files beside checkpoints (.pt) that belong together; see `modelfile.convert.convert_beside`.

    Raises:
        ModelFileError, StorageError: one of them cannot be converted.
        WorkCancelled: the job was cancelled between two files.
    """
    from modelfile.convert import convert_beside

    def report(name: str, done: int, steps: int) -> None:
        context.check()
        context.progress(f"Converting {name}", done, steps)

    return convert_beside(paths, report)
