"""Trained models that the preparation of another stage's store needs; each process loads a model file once."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from encoder import SpeakerEncoder
    from synthesizer import Synthesizer


@functools.lru_cache(maxsize=2)
def load_encoder(path: Path) -> SpeakerEncoder:
    """Raises: ModelFileError."""
    from encoder import SpeakerEncoder

    return SpeakerEncoder.load(path)


@functools.lru_cache(maxsize=2)
def load_synthesizer(path: Path) -> Synthesizer:
    """Raises: ModelFileError."""
    from synthesizer import Synthesizer

    return Synthesizer.load(path)
