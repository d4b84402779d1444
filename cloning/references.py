"""References as the caller gives them: paths or arrays, one or several."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from speech.errors import AudioError
from speech.files import readable

Reference = str | Path | np.ndarray


def listed(references: Any) -> list[Reference]:
    """One reference or several as a list. Raises: TypeError."""
    if isinstance(references, str | Path | np.ndarray):
        return [references]
    if isinstance(references, bytes) or not isinstance(references, Iterable):
        raise TypeError(f"references must be paths or arrays of samples, not {type(references).__name__}.")
    listed = list(references)
    for reference in listed:
        if not isinstance(reference, str | Path | np.ndarray):
            raise TypeError(f"a reference must be a path or an array of samples, not {type(reference).__name__}.")
    return listed


def read_reference(reference: Reference) -> tuple[str, np.ndarray | AudioError]:
    """The name of a reference, and its samples at 16 kHz or why it cannot be read."""
    from encoder.enrolment import read_clip

    if isinstance(reference, np.ndarray):
        return "a recording", reference
    return readable(Path(reference).name), read_clip(reference)
