"""Trained models that the preparation of another stage's store needs; each process loads a model file once."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from encoder import SpeakerEncoder
    from synthesizer import Synthesizer
    from synthesizer.units import UnitEncoder


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


@functools.lru_cache(maxsize=2)
def load_units(path: Path) -> UnitEncoder:
    """Raises: ModelFileError; ConfigError for units of a HuBERT model, whose folder is needed, too."""
    from synthesizer.units import load_unit_encoder

    return load_unit_encoder(path)


def units_digest(path: Path) -> str:
    """Identifies the units of a store. Raises: ModelFileError."""
    from synthesizer.units.loading import file_digest

    load_units(path)
    return file_digest(path)


def unit_arrays(wav: np.ndarray, path: Path) -> dict[str, np.ndarray]:
    """The units of a clip at 16 kHz by a unit file, and their F0 (see `synthesizer.units.pitch`)."""
    from synthesizer.units.pitch import unit_pitch

    units = load_units(path).encode(wav)
    return {"units": units, "unit_pitch": unit_pitch(wav, len(units))}
